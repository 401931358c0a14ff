"""``orbitmesh compare``: runs beside a base, with what is more than noise."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import Format, FormatOption, file_or_stdout, run_folder
from .output import print_json, print_rows, say, working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..compare.comparing import Comparison
    from ..compare.thresholds import Judged

EXAMPLE = (
    "Example: orbitmesh compare runs/before runs/after\n\n"
    "Example: orbitmesh compare runs/before runs/after --fail-if 'p99 +10 %' --fail-if 'lost +0.1 %'\n\n"
    "Example: orbitmesh compare runs/before runs/after --again runs/before-2 --html compared.html"
)


class By(StrEnum):
    GATEWAY = "gateway"


class IfNotKnown(StrEnum):
    PASS = "pass"
    FAIL = "fail"


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="BASE RUN…",
            help="Runs' ids in ./runs, or their folders' paths; each is held against the first.",
            show_default=False,
        ),
    ],
    again: Annotated[
        list[str] | None,
        typer.Option(
            "--again",
            metavar="RUN",
            help="Another run of the base's scenario: it differs by noise. May be given several times.",
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="'WHAT ±HOW-FAR'",
            help="Exit with status 1 beyond it: 'p99 +10 %', 'lost +0.1 %'. May be given several times.",
        ),
    ] = None,
    if_not_known: Annotated[
        IfNotKnown,
        typer.Option("--if-not-known", help="What --fail-if does where too little is known to tell."),
    ] = IfNotKnown.PASS,
    sound_only: Annotated[
        bool | None,
        typer.Option(
            "--sound-only/--all-samples",
            help="Latencies without samples of moments in which the emulation was late, or with them. "
            "[default: probes and tasks without, customers' answers with them]",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        By | None, typer.Option("--by", help="Rows of each gateway, too: they show where a difference is.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", parser=file_or_stdout, metavar="FILE", help="Write a page that stands alone, too."
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print what runs differ in, and whether it is more than noise.

    Samples are paired by instant and pair of nodes where seeds and schedules agree. Each difference of p50,
    p90, p99, shares and lateness has an interval at 95 %, by drawing blocks of time anew; the same call gives
    the same answer. Runs that are not trusted, not finished or damaged are compared too, and it is said.

    Exit status: 0 within all thresholds (or none given), 1 beyond one, 2 for what makes no sense.
    """
    if len(runs) < 2:
        raise InputError("one run is given: name the base, and one or more runs to hold against it")
    # small products of matrices: threads of a busy machine would wait for each other
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ..compare.comparing import compare as compared
    from ..compare.page import MARKER, page
    from ..compare.runs import read_runs
    from ..compare.telling import FIELDS, as_dict, as_rows
    from ..compare.thresholds import Outcome, check_words, judge, threshold
    from ..report.writing import check, write

    thresholds = [threshold(text) for text in fail_if or ()]
    folders = [run_folder(run) for run in runs]
    more = [run_folder(run) for run in again or ()]
    if html is not None:
        check(html, "--html", [MARKER.encode()])
    with working("comparing (Ctrl-C ends it)"):
        base, *rest = read_runs([*folders, *more])
        others, repeats = rest[: len(folders) - 1], rest[len(folders) - 1 :]
        found = compared(base, others, repeats, sound_only=sound_only, by_gateway=by is By.GATEWAY)
    check_words(thresholds, [row for each in found.others for row in each.rows])
    judged = [one for each in found.others for one in judge(thresholds, each.run.name, each.rows)]
    if html is not None:
        write(html, page(found, judged), "--html", [MARKER.encode()])
    if output is Format.JSON:
        print_json(as_dict(found, judged))
    elif output is Format.CSV:
        print_rows(FIELDS, as_rows(found), output)
    else:
        _print_table(found, judged)
    wrong = {Outcome.BEYOND} | ({Outcome.NOT_KNOWN} if if_not_known is IfNotKnown.FAIL else set())
    failed = [one for one in judged if one.outcome in wrong]
    if failed and output is not Format.TABLE:
        for one in failed:
            say(f"{one.outcome}: {one.threshold}: {one.row.name} of {one.run}")
    if failed:
        raise typer.Exit(1)


def _print_table(found: Comparison, judged: Sequence[Judged]) -> None:
    from ..compare.telling import COLUMNS, block_of, cells, is_same, method, notes
    from .output import stdout

    screen = stdout()

    def tell(text: str = "") -> None:
        screen.print(text, markup=False, soft_wrap=True)

    tell(f"base: {found.base.name}")
    for sentence in found.base.said:
        tell(f"  ! {sentence}")
    for run in found.again:
        tell(f"again: {run.name}")
        for sentence in run.said:
            tell(f"  ! {sentence}")
    for each in found.others:
        tell()
        tell(f"{each.run.name} beside it")
        if is_same(found, each):
            tell("  ! this is the base itself: nothing can differ")
        for sentence in each.run.said:
            tell(f"  ! {sentence}")
        print_rows(COLUMNS, map(cells, each.rows), Format.TABLE)
        tell(f"{each.pairing}; {block_of(each)}")
        for note in notes(each):
            tell(f"  - {note}")
        if each.differences:
            tell("what differs in how they were set up:")
            print_rows(("", "base", "this run"), ((d.what, d.base, d.other) for d in each.differences),
                       Format.TABLE)  # fmt: skip
        else:
            tell("they were set up alike")
    tell()
    for sentence in method(found):
        tell(sentence)
    if judged:
        tell()
        print_rows(("fail if", "run", "row", "outcome"),
                   ((one.threshold, one.run, one.row.name, str(one.outcome)) for one in judged),
                   Format.TABLE)  # fmt: skip
