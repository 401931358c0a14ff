"""``orbitmesh plan``: paths and latencies over time, from geometry alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError
from .options import (
    DurationOption,
    Format,
    FormatOption,
    ScenarioArgument,
    StartOption,
    StepOption,
    pair,
    window,
)
from .output import print_rows, say, working
from .plan_pairs import print_pairs

if TYPE_CHECKING:
    from datetime import datetime

    from ..plan import PlanRow
    from ..plan_customers import ClassAhead
    from ..scenario import Scenario

EXAMPLE = (
    "Example: orbitmesh plan demo --pair gw-london:gw-tokyo --pair sat-0-0:gw-london "
    "--start 2026-11-01T00:00:00Z --duration 200s --step 100ms -o csv\n\n"
    "Example: orbitmesh plan starlink-shell1 --pair 'gw-*:gw-*' --duration 24h"
)


class Show(StrEnum):
    ROWS = "rows"
    PAIRS = "pairs"
    CONTACTS = "contacts"


COLUMNS = ("t_ns", "src", "dst", "rtt_ns", "hops", "path")
OF_CUSTOMERS = (
    "class", "gateway", "rtt_least_ns", "rtt_most_ns", "satellite", "t_ns", "no_way_ratio", "ttft_ns",
    "answer_ns", "below_light", "below_light_ratio",
)  # fmt: skip
FOR_CUSTOMERS = (
    "class", "gateway", "rtt least ms", "most ms", "to", "no way", "first token within ms",
    "answer within ms", "below light for", "light forbids",
)  # fmt: skip
FOR_PEOPLE = ("t_s", "src", "dst", "rtt_ms", "hops", "path")


def plan(
    scenario: ScenarioArgument,
    pairs: Annotated[
        list[str] | None,
        typer.Option(
            "--pair",
            metavar="A:B",
            help="From node A to node B; either a set: 'gw-*', 'sat-3-*', B also nearest. May be given "
            "several times. [default: what light allows customers]",
            show_default=False,
        ),
    ] = None,
    show: Annotated[
        Show | None,
        typer.Option(
            "--show",
            help="rows: each pair at each instant; pairs: of each p50, worst, availability, changes of path, "
            "stretch; contacts: when each has which path. [default: rows, of sets pairs]",
            show_default=False,
        ),
    ] = None,
    start: StartOption = None,
    duration: DurationOption = None,
    step: StepOption = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print paths over time, and the round trip that light allows on them.  Needs no root and no network.

    Without a pair: for each class of customers and gateway the least and the most, over the instants, of the
    round trip to the nearest satellite that serves, and which bounds of its target light alone forbids.

    Nodes may be named by a station's name, a satellite's name in its file, or its catalogue number. In sets
    * ? and [] are a shell's: quote them, and a node whose name has one goes first. nearest: at each instant
    the satellite with a process that is the least delay away. Of sets the step is at least a 8640th of the
    duration, 10 s in a day, unless --step says another.

    In ns for programs (-o json, -o csv); known_as, of files: the path by their names.  An empty round
    trip, hops and path: no way at that instant.
    """
    for text in pairs or ():
        pair(text, "--pair")  # says which option is wrong, before anything is loaded
    start_utc, long_ns, step_ns = window(start, duration, step)
    from ..scenario import Scenario

    loaded = Scenario.load(scenario)  # before the slow imports: a wrong file is told at once
    if not pairs:
        if show is not None:
            raise InputError("--show is of pairs, and none is given: add --pair", key="--show")
        _print_customers(loaded, start_utc, long_ns, step_ns, output)
        return
    from ..outlook.sets import has_sets

    if (show or (Show.PAIRS if has_sets(pairs) else Show.ROWS)) is not Show.ROWS:
        print_pairs(loaded, pairs, start_utc, long_ns, step_ns, output, contacts=show is Show.CONTACTS)
        return
    from ..plan import plan_rows

    rows = plan_rows(loaded, pairs, start_utc=start_utc, duration_ns=long_ns, step_ns=step_ns, say=say)
    for_people = output is Format.TABLE
    names = () if for_people or not has_files(loaded) else ("known_as",)
    print_rows((*(FOR_PEOPLE if for_people else COLUMNS), *names), _cells(rows, for_people, *names), output)


def _print_customers(
    scenario: Scenario, start_utc: datetime | None, long_ns: int | None, step_ns: int | None, output: Format
) -> None:
    if not scenario.customers:
        raise InputError(
            "no pair of nodes is given, and the scenario has no [[customers]]: name one, as in "
            "--pair gw-london:gw-tokyo",
            key="--pair",
        )
    from ..plan_customers import customers_ahead, forbidden_by_light

    with working("computing the round trips of all instants (Ctrl-C ends it)"):
        found = customers_ahead(scenario, start_utc=start_utc, duration_ns=long_ns, step_ns=step_ns, say=say)
    if output is not Format.TABLE:
        print_rows(OF_CUSTOMERS, (_of_programs(each) for each in found), output)
    else:
        print_rows(FOR_CUSTOMERS, (_of_people(each) for each in found), output)
    for sentence in forbidden_by_light(found):
        say(sentence)


def _of_programs(each: ClassAhead) -> tuple[object, ...]:
    target = each.target
    return (
        each.customer_class, each.gateway, each.rtt_least_ns, each.rtt_most_ns, each.satellite, each.t_ns,
        each.no_way_ratio, None if target is None else target.ttft_ns,
        None if target is None else target.answer_ns, " ".join(each.below_light_ns) or None,
        each.below_light_ratio,
    )  # fmt: skip


def _of_people(each: ClassAhead) -> tuple[object, ...]:
    def ms(value_ns: int | None) -> str | None:
        return None if value_ns is None else f"{value_ns / 1e6:.3f}"

    def percent(ratio: float) -> str:
        return f"{100 * ratio:.3g} %"

    target = each.target
    bounds = (None, None) if target is None else (target.ttft_ns, target.answer_ns)
    return (
        each.customer_class, each.gateway, ms(each.rtt_least_ns), ms(each.rtt_most_ns), each.satellite,
        percent(each.no_way_ratio), *(None if b is None else f"{b / 1e6:g}" for b in bounds),
        percent(each.below_light_ratio),
        None if target is None else ", ".join(each.below_light_ns) or "nothing",
    )  # fmt: skip


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
