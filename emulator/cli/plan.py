"""``orbitmesh plan``: paths and latencies over time, from geometry alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Format, FormatOption, ScenarioArgument, duration_ns, instant_utc, pair
from .output import print_rows, stderr

if TYPE_CHECKING:
    from ..plan import PlanRow
    from ..scenario import Scenario

EXAMPLE = (
    "Example: orbitmesh plan demo --pair gw-london:gw-tokyo --pair sat-0-0:gw-london "
    "--start 2026-11-01T00:00:00Z --duration 200s --step 100ms -o csv"
)

COLUMNS = ("t_ns", "src", "dst", "rtt_ns", "hops", "path")
FOR_PEOPLE = ("t_s", "src", "dst", "rtt_ms", "hops", "path")


def plan(
    scenario: ScenarioArgument,
    pairs: Annotated[
        list[str],
        typer.Option("--pair", metavar="A:B", help="From node A to node B; may be given several times."),
    ],
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="UTC", help="As 2026-11-01T00:00:00Z. [default: the scenario's]"),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option("--duration", metavar="TIME", help="How long: 200s, 10min. [default: the scenario's]"),
    ] = None,
    step: Annotated[
        str | None, typer.Option("--step", metavar="TIME", help="How often: 100ms. [default: the scenario's]")
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print paths over time, and the round trip that light allows on them.  Needs no root and no network.

    Nodes may be named by a station's name, a satellite's name in its file, or its catalogue number.
    In ns for programs (-o json, -o csv); known_as, of files: the path by their names.  An empty round
    trip, hops and path: no way at that instant.
    """
    for text in pairs:
        pair(text, "--pair")  # says which option is wrong, before anything is loaded
    start_utc = None if start is None else instant_utc(start, "--start")
    long_ns = None if duration is None else duration_ns(duration, "--duration")
    step_ns = None if step is None else duration_ns(step, "--step")
    from ..scenario import Scenario

    loaded = Scenario.load(scenario)  # before the slow imports: a wrong file is told at once
    from ..plan import plan_rows

    rows = plan_rows(loaded, pairs, start_utc=start_utc, duration_ns=long_ns, step_ns=step_ns, say=_say)
    for_people = output is Format.TABLE
    names = () if for_people or not has_files(loaded) else ("known_as",)
    print_rows((*(FOR_PEOPLE if for_people else COLUMNS), *names), _cells(rows, for_people, *names), output)


def _say(text: str) -> None:
    stderr().print(text, soft_wrap=True, markup=False, highlight=False)


def has_files(scenario: Scenario) -> bool:
    """Whether satellites may have names of their own."""
    return any(shell.tle or shell.omm for shell in scenario.constellation.shells)


def _cells(rows: Iterable[PlanRow], for_people: bool, *names: str) -> Iterator[tuple[object, ...]]:
    for row in rows:
        at, rtt = row.t_ns, row.rtt_ns
        times = (at / 1e9, None if rtt is None else rtt / 1e6) if for_people else (at, rtt)
        cells = times[0], row.src, row.dst, times[1], row.hops
        if for_people:
            named = zip(row.path, row.known_as or row.path, strict=True)
            path = [own if own == known else f"{own} ({known})" for own, known in named]
            yield *cells, ">".join(path) or None
        else:
            also = [">".join(row.known_as) or None for _ in names]
            yield *cells, ">".join(row.path) or None, *also
