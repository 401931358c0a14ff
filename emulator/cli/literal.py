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


class LiteralCommand(TyperCommand):
    """Typer makes a new one for each call: what is escaped is shown once."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _escape(self, *self.params)
        super().format_help(ctx, formatter)


class LiteralGroup(TyperGroup):
    def format_help(self, ctx: Any, formatter: Any) -> None:
        _escape(self, *self.params, *self.commands.values())
        super().format_help(ctx, formatter)
