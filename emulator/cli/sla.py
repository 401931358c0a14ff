"""``orbitmesh sla``: a run held against rules of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Format, FormatOption, RunFolderArgument, file_or_stdout, run_folder
from .output import print_json, print_rows, say, stdout, working

EXAMPLE = (
    "Example: orbitmesh sla runs/demo-20261101T000000Z-3f2a rules.toml\n\n"
    "Example: orbitmesh sla demo-20261101T000000Z-3f2a rules.toml --junit sla.xml"
)


def sla(
    run: RunFolderArgument,
    rules: Annotated[
        Path, typer.Argument(metavar="RULES", help="A TOML file of [[rules]].", show_default=False)
    ],
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit", parser=file_or_stdout, metavar="FILE", help="Write the results as JUnit's XML, too."
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Hold a run against rules: what latency, loss or availability is demanded, and of whom.

    A rule of too few samples is not known, and fails unless it says not-known = "pass".

    Exit status: 0 all pass, 1 one fails, 2 for rules or a run that make no sense.
    """
    from ..compare.junit import MARKER
    from ..compare.junit import junit as as_junit
    from ..compare.rules import load_rules
    from ..compare.runs import read_run
    from ..compare.sla import hold
    from ..compare.sla_words import COLUMNS, cells
    from ..report.writing import check, write

    wanted = load_rules(rules)
    folder = run_folder(run)
    if junit is not None:
        check(junit, "--junit", [MARKER.encode()])
    with working("reading the run (Ctrl-C ends it)"):
        found = read_run(folder)
        results = hold(found, wanted)
    if junit is not None:
        write(junit, as_junit(found.name, found.said, results), "--junit", [MARKER.encode()])
    failed = [each for each in results if not each.passes]
    if output is Format.JSON:
        print_json(
            {
                "run": found.name,
                "notes": found.said,
                "passes": not failed,
                "results": [each.to_dict() for each in results],
            }
        )
    elif output is Format.CSV:
        told = [each.to_dict() for each in results]
        print_rows([*told[0]], (each.values() for each in told), output)  # type: ignore[misc]
    else:
        screen = stdout()
        screen.print(found.name, markup=False, soft_wrap=True)
        for sentence in found.said:
            screen.print(f"  ! {sentence}", markup=False, soft_wrap=True)
        print_rows(COLUMNS, map(cells, results), output)
    if failed:
        n = len(results)
        say(f"{len(failed)} of {n} {'rule fails' if n == 1 else 'rules fail'}")
        raise typer.Exit(1)
