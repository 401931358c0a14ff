"""``orbitmesh report``: what a run has measured, beside what physics allows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..run_names import is_run_id
from ..shown import plain
from .options import STDOUT, Format, FormatOption, RunFolderArgument, file_or_stdout, run_folder
from .output import print_rows, say, stdout, working

EXAMPLE = (
    "Example: orbitmesh report runs/demo-20261101T000000Z-3f2a\n\n"
    "Example: orbitmesh report demo-20261101T000000Z-3f2a -o json\n\n"
    "Example: orbitmesh report demo-20261101T000000Z-3f2a --html report.html\n\n"
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
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            parser=file_or_stdout,
            metavar="FILE",
            help="Write a page of one file, with figures, that can be forwarded; - for stdout.",
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            parser=file_or_stdout,
            metavar="FILE",
            help="Write the same as Markdown, without figures.",
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json",
            parser=file_or_stdout,
            metavar="FILE",
            help="Write the same as JSON, with the data of the figures.",
        ),
    ] = None,
) -> None:
    """Print the results of a run: one that has ended, was killed, or is still under way.

    With --html, --markdown or --json it writes a report for others instead. A file that is there is
    replaced only where it is a report.
    """
    files = {"--html": html, "--markdown": markdown, "--json": json}
    wanted = {option: path for option, path in files.items() if path is not None}
    if wanted:
        if of is not None or output is not Format.TABLE:
            raise InputError(f"{next(iter(wanted))} writes all of a report: leave --of and -o away")
        _write(run, wanted)
        return
    folder = run_folder(run)
    if of is None:
        print_report(folder, output)
    else:
        _print_rows_of(folder, of, output)


def _write(run: str, wanted: dict[str, Path]) -> None:
    """Of a folder that is damaged as far as it can be read, also without run.json."""
    from ..report import report_of, writing, written

    folder = Path(run) if not is_run_id(run) and Path(run).is_dir() else run_folder(run)
    for option, path in wanted.items():
        if path != STDOUT:
            writing.check(path, option)
    if len({path.absolute() for path in wanted.values()}) < len(wanted):
        raise InputError("two of the files have one name: give each its own", key=next(iter(wanted)))
    with working("reading the record, and drawing"):
        document = report_of(folder)
        texts = {option: written(document, option.removeprefix("--")) for option in wanted}
    for option, path in wanted.items():
        if path == STDOUT:
            sys.stdout.write(texts[option])
            continue
        size = writing.write(path, texts[option], option)
        figures = f", {sum(1 for _ in document.figures())} figures" if option == "--html" else ""
        say(f"wrote {plain(str(path), 4096)} ({size / 1e3:,.0f} kB{figures})")


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
