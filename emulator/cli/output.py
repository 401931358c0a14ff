"""Rows on stdout: a table for people, pure JSON or pure CSV for programs.  All chatter goes to stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import pwd
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import spreadsheet
from ..shown import printable_lines
from .options import Format

if TYPE_CHECKING:
    from rich.console import Console


def say_what_can_be_said() -> None:
    """Replace by "?" what the terminal's or the pipe's encoding lacks (µ, ×, →), where it is not UTF-8.

    Tables' lines are rich's: it draws them in ASCII there.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def stderr() -> Console:
    """Where a verb talks to people while its data goes to stdout."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def stdout() -> Console:
    """For people; a table is never cut where stdout is a file."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=max(console.width, 160))


@contextmanager
def working(what: str) -> Iterator[None]:
    """Who waits at a terminal sees that something is done."""
    console = stderr()
    if console.is_terminal and not console.is_dumb_terminal:
        with console.status(what):
            yield
    else:
        yield


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def print_rows(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], output: Format, *, title: str | None = None
) -> None:
    """JSON is a list of objects; None is null there, and an empty field in CSV and on a screen."""
    if output is Format.JSON:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif output is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(spreadsheet.row(columns))  # of a record's tables they are its own
        writer.writerows(map(spreadsheet.row, rows))
    else:
        print_table(columns, rows, title=title)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    from rich.markup import escape
    from rich.table import Table

    with working("computing all rows of the table (Ctrl-C ends it)"):
        held = [[escape(_shown(cell)) for cell in row] for row in rows]
    table = Table(
        title=title,
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
        show_header=any(columns),
    )
    for i, column in enumerate(columns):
        numeric = all(_is_number(row[i]) for row in held)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in held:
        table.add_row(*row)
    stdout().print(table)


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def _is_number(text: str) -> bool:
    try:
        float(text or 0)
    except ValueError:
        return False
    return True


def say(text: str) -> None:
    """To a person, beside what is printed for programs."""
    stderr().print(printable_lines(text), soft_wrap=True, markup=False)


def who() -> str:
    """The user at the prompt, also under sudo."""
    if name := os.environ.get("SUDO_USER"):
        return name
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
