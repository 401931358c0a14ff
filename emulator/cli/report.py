"""``orbitmesh report``: what a run has measured, beside what physics allows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from .options import Format, FormatOption, RunFolderArgument, run_folder
from .output import print_rows, say, stdout

EXAMPLE = (
    "Example: orbitmesh report runs/demo-20261101T000000Z-3f2a\n\n"
    "Example: orbitmesh report demo-20261101T000000Z-3f2a -o json\n\n"
    "Example: orbitmesh report demo-20261101T000000Z-3f2a --of samples -o csv"
)


def report(
    run: RunFolderArgument,
    output: FormatOption = Format.TABLE,
    of: Annotated[
        str | None,
        typer.Option(
            "--of",
            metavar="TABLE",
            help="All rows of a table of the record (samples, answers, pairs, …), with -o csv or json.",
        ),
    ] = None,
) -> None:
    """Print the results of a run: one that has ended, was killed, or is still under way."""
    folder = run_folder(run)
    if of is None:
        print_report(folder, output)
    else:
        _print_rows_of(folder, of, output)


def _print_rows_of(folder: Path, name: str, output: Format) -> None:
    from ..results import load
    from ..results.rows import as_rows

    if output is Format.TABLE:
        raise InputError("all rows of a table are for programs: add -o csv or -o json", key="--of")
    results = load(folder)
    table = results.table(name)
    for sentence in results.missing:
        say(f"note: {sentence}")
    print_rows(table.schema.names, as_rows(table), output)


def print_report(folder: Path, output: Format) -> None:
    """The report of a run's folder on stdout."""
    from ..record import export, report
    from ..record.results import load_run

    results = load_run(folder)
    if output is Format.JSON:
        sys.stdout.write(export.to_json(results) + "\n")
    elif output is Format.CSV:
        sys.stdout.write(export.to_csv(results))
    else:
        stdout().print(report.to_table(results))
