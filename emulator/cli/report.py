"""``orbitmesh report``: what a run has measured, beside what physics allows."""

from __future__ import annotations

import sys
from pathlib import Path

from .options import Format, FormatOption, RunFolderArgument, run_folder
from .output import stdout

EXAMPLE = (
    "Example: orbitmesh report runs/demo-20261101T000000Z-3f2a\n\n"
    "Example: orbitmesh report demo-20261101T000000Z-3f2a -o json"
)


def report(run: RunFolderArgument, output: FormatOption = Format.TABLE) -> None:
    """Print the results of a run: one that has ended, was killed, or is still under way."""
    print_report(run_folder(run), output)


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
