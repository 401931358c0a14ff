"""What ``orbitmesh plan`` prints of sets of pairs: figures of each, or a table of when it has which way."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from .options import Format
from .output import print_rows, say, working

if TYPE_CHECKING:
    from ..outlook.figures import Contact, PairFigures
    from ..scenario import Scenario

#: By default no more instants than these: a day in steps of 10 s.
MOST_INSTANTS = 8640

FIGURES = (
    "src", "dst", "instants", "rtt_least_ns", "rtt_p50_ns", "rtt_worst_ns", "worst_t_ns", "available_ratio",
    "longest_outage_ns", "path_changes", "stretch_p50_ratio", "stretch_most_ratio",
)  # fmt: skip
_FIGURES_FOR_PEOPLE = (
    "src", "dst", "p50 ms", "worst ms", "at s", "available", "longest outage s", "changes", "stretch p50",
)  # fmt: skip
CONTACTS = (
    "src", "dst", "begin_ns", "end_ns", "begins", "ends", "rtt_begin_ns", "rtt_last_ns", "hops", "path",
)  # fmt: skip
_CONTACTS_FOR_PEOPLE = ("src", "dst", "begin s", "length s", "rtt ms", "until ms", "hops", "path")


def print_pairs(
    scenario: Scenario,
    pairs: list[str],
    start_utc: datetime | None,
    duration_ns: int | None,
    step_ns: int | None,
    output: Format,
    *,
    contacts: bool,
) -> None:
    from ..outlook.figures import contact_table, pair_figures
    from ..outlook.sets import pairs_of
    from ..outlook.sweep import sweep
    from ..plan import check_rows, planned, window_of

    began_s = time.monotonic()
    if step_ns is None:
        step_ns = default_step_ns(scenario, duration_ns)
    window = window_of(scenario, start_utc, duration_ns, step_ns, 1)
    geometry = planned(scenario, window, say)
    nodes = geometry.nodes
    meant = pairs_of(pairs, nodes, geometry.hosting)
    check_rows(window, len(meant))
    with working(f"computing {len(meant):,} pairs at {len(window.instants_ns):,} instants (Ctrl-C ends it)"):
        found = sweep(scenario, geometry, window, meant, paths=contacts)
    for_people = output is Format.TABLE
    if contacts:
        rows = contact_table(found, meant, nodes, step_ns, window.duration_ns)
        print_rows(
            _CONTACTS_FOR_PEOPLE if for_people else CONTACTS,
            (_contact(row, for_people) for row in rows),
            output,
        )
    else:
        figures = pair_figures(found, meant, nodes, step_ns)
        if for_people:
            print_rows(_FIGURES_FOR_PEOPLE, map(_figures, figures), output)
        else:
            print_rows(FIGURES, figures, output)
    say(
        f"{len(meant):,} pairs at {len(window.instants_ns):,} instants, one each {step_ns / 1e9:g} s, in "
        f"{time.monotonic() - began_s:.1f} s; what changes and changes back between two is not seen"
    )
    if not contacts:
        say(
            "stretch: the way's length over that of the shortest line that stays out of the Earth (the great "
            "circle between two gateways), both at the speed of light in vacuum"
        )


def default_step_ns(scenario: Scenario, duration_ns: int | None) -> int:
    """The scenario's own, or a longer one in a longer window."""
    long_ns = scenario.run.duration_ns if duration_ns is None else duration_ns
    return max(scenario.run.step_ns, -(-long_ns // MOST_INSTANTS))


def _figures(row: PairFigures) -> tuple[object, ...]:
    return (
        row.src, row.dst, _ms(row.rtt_p50_ns), _ms(row.rtt_worst_ns),
        None if row.worst_t_ns is None else f"{row.worst_t_ns / 1e9:g}", f"{100 * row.available_ratio:.2f} %",
        f"{row.longest_outage_ns / 1e9:g}", row.path_changes,
        None if row.stretch_p50_ratio is None else f"{row.stretch_p50_ratio:.3f}",
    )  # fmt: skip


def _contact(row: Contact, for_people: bool) -> tuple[object, ...]:
    path = ">".join(row.path) or None
    if not for_people:
        return (*row[:-1], path)
    long_s = (row.end_ns - row.begin_ns) / 1e9
    return (
        row.src, row.dst, f"{row.begin_ns / 1e9:g}", f"{long_s:g}", _ms(row.rtt_begin_ns),
        _ms(row.rtt_last_ns), row.hops, path,
    )  # fmt: skip


def _ms(value_ns: int | None) -> str | None:
    return None if value_ns is None else f"{value_ns / 1e6:.3f}"
