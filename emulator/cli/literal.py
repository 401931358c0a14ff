"""Help as it is written: rich would take words in square brackets for markup, and drop them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


def _escape(*holders: Any) -> None:
    from rich.markup import escape

    for holder in holders:
        for name in ("help", "short_help", "epilog"):
            if text := getattr(holder, name, None):
                setattr(holder, name, escape(text))


#: options whose value may be left out, and what it is then
VALUE_LEFT_OUT = {"--metrics": "9464", "--web": "8300"}


class LiteralCommand(TyperCommand):
    """Typer makes a new one for each call: what is escaped is shown once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ours = {name for each in self.params for name in each.opts if name in VALUE_LEFT_OUT}
        return super().parse_args(ctx, _with_values(args, ours))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _escape(self, *self.params)
        super().format_help(ctx, formatter)


def _with_values(args: list[str], ours: set[str]) -> list[str]:
    """A port is a number: whatever else follows is another word of the command line."""
    found: list[str] = []
    for at, word in enumerate(args):
        found.append(word)
        if word == "--":
            return [*found, *args[at + 1 :]]
        if word in ours and not (at + 1 < len(args) and args[at + 1].isascii() and args[at + 1].isdigit()):
            found.append(VALUE_LEFT_OUT[word])
    return found


class LiteralGroup(TyperGroup):
    def format_help(self, ctx: Any, formatter: Any) -> None:
        _escape(self, *self.params, *self.commands.values())
        super().format_help(ctx, formatter)
