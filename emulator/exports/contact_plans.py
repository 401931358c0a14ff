"""Contact plans of the mesh's own links: as CSV, and as ION's ``ionrc`` has them.

ION counts whole seconds, whole light seconds and bytes a second in 32 bits.  A contact is never longer there
than it is: it begins with the first whole second and ends with the last.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import timedelta

from .. import spreadsheet
from ..epoch import NS_PER_S
from .link_intervals import LinkInterval, link_intervals
from .scene import Scene

COLUMNS = (
    "begin_utc", "end_utc", "begin_ns", "end_ns", "begins", "ends", "a", "b", "kind", "rate_ab_bps",
    "rate_ba_bps", "delay_least_ns", "delay_most_ns",
)  # fmt: skip
MOST_ION_RATE = 2**32 - 1  # bytes a second
MOST_ION_LINE = 200  # bytes: what goes beyond 255, ionadmin takes for a line of its own, and obeys


def contacts_csv(scene: Scene) -> Iterator[str]:
    """A row for each interval; begin_ns and end_ns count from the begin of the window."""
    yield _line(COLUMNS)
    for each in link_intervals(scene):
        begin_ns, end_ns = each.begin_sim_ns - scene.begin_sim_ns, each.end_sim_ns - scene.begin_sim_ns
        when = scene.utc(each.begin_sim_ns), scene.utc(each.end_sim_ns), begin_ns, end_ns
        who = scene.names[each.a], scene.names[each.b], each.kind.name.lower()
        delays = round(each.delay_least_ns), round(each.delay_most_ns)
        yield _line((*when, each.begins, each.ends, *who, each.rate_ab_bps, each.rate_ba_bps, *delays))


def _line(values: tuple[object, ...]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(spreadsheet.row(values))
    return file.getvalue()


def ion(scene: Scene) -> Iterator[str]:
    """Commands of ionadmin: for each interval a contact each way, and a range that holds both ways."""
    intervals = [(each, *_whole_s(scene, each)) for each in link_intervals(scene)]
    kept = [each for each in intervals if each[2] > each[1]]
    begin = scene.scenario_start_utc + timedelta(microseconds=scene.begin_sim_ns // 1000)
    begin = begin.replace(microsecond=0)
    capped = sum(max(_bytes_per_s(each)) > MOST_ION_RATE for each, _, _ in kept)
    yield f"# {_plain(scene.title)}: links that are there,\n# by steps of {scene.step_ns / NS_PER_S:g} s.\n"
    yield (
        "# Load it with ionadmin behind the node's own command 1 (as: 1 7 '').  Rates are physical, bytes a\n"
        "# second, the least of each contact; ranges are light seconds, rounded up.\n"
    )
    if len(kept) < len(intervals):
        yield f"# Left out: {len(intervals) - len(kept)} that hold no whole second.\n"
    if capped:
        yield f"# Of {capped} the rate is more than ION can count: {MOST_ION_RATE} is written.\n"
    for node in sorted({node for each, _, _ in kept for node in (each.a, each.b)}):
        known = scene.known_as(node)
        yield f"# node {number(node)} {_plain(scene.names[node] + (f' ({known})' if known else ''))}\n"
    yield "# What follows counts from this instant; with @ 0 in its place, from when it is loaded.\n"
    yield f"@ {begin:%Y/%m/%d-%H:%M:%S}\n"
    for each, begin_s, end_s in kept:
        a, b = number(each.a), number(each.b)
        there, back = (min(rate, MOST_ION_RATE) for rate in _bytes_per_s(each))
        yield f"a contact +{begin_s} +{end_s} {a} {b} {there}\n"
        yield f"a contact +{begin_s} +{end_s} {b} {a} {back}\n"
        # a < b: it is declared for the way back too
        yield f"a range +{begin_s} +{end_s} {a} {b} {max(1, math.ceil(each.delay_most_ns / NS_PER_S))}\n"


def number(node: int) -> int:
    """Of a node in ION, where 0 is nobody."""
    return node + 1


def _whole_s(scene: Scene, each: LinkInterval) -> tuple[int, int]:
    """From the whole second in which the window begins."""
    start_us = scene.scenario_start_utc.microsecond
    first_ns = scene.begin_sim_ns - (scene.begin_sim_ns + start_us * 1000) % NS_PER_S
    return (
        -(-(each.begin_sim_ns - first_ns) // NS_PER_S),
        (each.end_sim_ns - first_ns) // NS_PER_S,
    )


def _bytes_per_s(each: LinkInterval) -> tuple[int, int]:
    return each.rate_ab_bps // 8, each.rate_ba_bps // 8


def _plain(text: str) -> str:
    """On its line, whatever it is: a command of ionadmin begins with a line."""
    said = "".join(c if c.isprintable() else "?" for c in text).encode()
    if len(said) > MOST_ION_LINE:
        said = said[:MOST_ION_LINE] + "…".encode()
    return said.decode(errors="ignore")
