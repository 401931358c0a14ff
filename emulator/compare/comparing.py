"""Runs against a base: which rows there are, of what they are taken, and what is said of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from .differing import Difference, differences
from .latencies import AT, PAIR, Asked, Values, latency_rows
from .noise import again_floor, links_floor_ns
from .pairing import common_codes, nearest
from .rows import Row, judged
from .runs import Measured, Run
from .shares import share_row
from .whole import availability_row, lateness_rows

LEAST_PAIRED_RATIO = 0.5  # of the smaller run's samples; with fewer in common the rest would go unsaid


@dataclass(frozen=True)
class Against:
    """One run beside the base.  ``pairing``: a sentence on how samples were put together."""

    run: Run
    rows: list[Row]
    differences: list[Difference]
    pairing: str


@dataclass(frozen=True)
class Comparison:
    base: Run
    others: list[Against] = field(default_factory=list)
    again: list[Run] = field(default_factory=list)
    sound_only: bool = True


def compare(
    base: Run, others: Sequence[Run], again: Sequence[Run] = (), *, sound_only: bool = True
) -> Comparison:
    """Rows of all others together are one family: see ``rows.judged``."""
    found = []
    for other in others:
        reason = unpaired_because(base, other)
        rows, share = _rows(base, other, again, reason, sound_only)
        if reason:
            said = f"not paired: {reason}; each run's blocks of time are drawn by themselves"
        else:
            said = (
                f"paired by instant and pair: {100 * share:.1f} % of the samples have one of the other run "
                "within half an interval; the same blocks of time are drawn of both"
            )
        found.append((other, rows, said))
    verdicts = iter(judged([row for _, rows, _ in found for row in rows]))
    return Comparison(
        base,
        [
            Against(other, [next(verdicts) for _ in rows], differences(base, other), said)
            for other, rows, said in found
        ],
        list(again),
        sound_only,
    )


def unpaired_because(a: Run, b: Run) -> str:
    """Why samples of two runs cannot be paired; "" where they can."""
    first, second = a.results.header, b.results.header
    whats = {"seed": "the seeds", "start_utc": "the emulated begins", "schedule": "the schedules"}
    for key, what in whats.items():
        if key not in first or key not in second:
            return f"{what} are not known of both"
        if first[key] != second[key]:
            return f"{what} differ"
    return ""


def _seed(*words: str) -> tuple[int, ...]:
    return tuple(crc32(word.encode()) for word in words)


def _rows(a: Run, b: Run, again: Sequence[Run], reason: str, sound_only: bool) -> tuple[list[Row], float]:
    found: list[Row] = []
    shares: list[tuple[int, float]] = []
    for kind in dict.fromkeys([*a.by_kind, *b.by_kind]):
        sides = [run.by_kind.get(kind, _empty(("",))) for run in (a, b)]
        others = [run.by_kind[kind] for run in again if kind in run.by_kind]
        found += _of_values(kind, "", "", sides, others, a, b, reason, sound_only, shares)
        found.append(_of_lost("lost", kind, sides, others, not reason))
    for name in dict.fromkeys([*a.by_class, *b.by_class]):
        sides = [run.by_class.get(name, _empty(("ttft", "answer"))) for run in (a, b)]
        others = [run.by_class[name] for run in again if name in run.by_class]
        for value in ("ttft", "answer"):
            found += _of_values(value, name, value, sides, others, a, b, reason, sound_only, shares)
        found.append(_of_lost("unanswered", name, sides, others, not reason))
    found.append(availability_row(a, b))
    found += lateness_rows(a, b, again)
    n = sum(count for count, _ in shares)
    return found, sum(count * share for count, share in shares) / n if n else 0.0


def _empty(values: Sequence[str]) -> Measured:
    import pyarrow as pa

    none = pa.chunked_array([pa.array([], pa.string())])
    return Measured(
        dict.fromkeys(("src", "far", "dst"), none), np.zeros(0, np.int64), np.zeros(0, bool),
        np.zeros(0, bool), {name: np.zeros(0) for name in values}, np.zeros(0),
    )  # fmt: skip


def _usable(side: Measured, value: str, sound_only: bool) -> Measured:
    rows = np.isfinite(side.values_ns[value])
    return side.only(rows & side.sound if sound_only else rows)


def _of_values(
    figure: str, of: str, value: str, sides: Sequence[Measured], again: Sequence[Measured], a: Run, b: Run,
    reason: str, sound_only: bool, shares: list[tuple[int, float]],
) -> Iterator[Row]:  # fmt: skip
    first, second = (_usable(side, value, sound_only) for side in sides)
    fewest, paired = min(len(first), len(second)), False
    if not reason and fewest:
        streams = common_codes(*([each.names["src"], each.names["far"]] for each in (first, second)))
        # a request is known by its number, whenever it was sent; a probe by its instant
        most_ns = 10**9 if of else None
        rows_a, rows_b = nearest(streams[0], first.when_ns, streams[1], second.when_ns, most_ns)
        shares.append((fewest, len(rows_a) / fewest))
        if paired := len(rows_a) >= LEAST_PAIRED_RATIO * fewest:
            first, second = first.only(rows_a), second.only(rows_b)
    more = [_usable(each, value, sound_only).values_ns[value] for each in again]
    mine = _usable(sides[0], value, sound_only).values_ns[value]
    floors = {}
    for at in (*AT, PAIR):
        q = AT.get(at, 0.5)
        links = max(links_floor_ns(run.summary, q, first.hops) for run in (a, b))
        scatter = again_floor([float(np.quantile(each, q)) for each in (mine, *more) if len(each)])
        floors[at] = max(links, scatter)
    asked = Asked(figure, of, _seed(figure, of), floors, len(more) >= 2)
    yield from latency_rows(asked, *(_values(each, value) for each in (first, second)), paired=paired)


def _values(side: Measured, value: str) -> Values:
    return Values(side.when_ns, side.values_ns[value], side.rest_ns)


def _of_lost(figure: str, of: str, sides: Sequence[Measured], again: Sequence[Measured], joint: bool) -> Row:
    """Of all that were sent, sound or not: what waits in vain for a second meets more windows than others."""
    lost = [float((~each.ok).mean()) for each in (sides[0], *again) if len(each)]
    a, b = ((side.when_ns, ~side.ok) for side in sides)
    return share_row(figure, of, _seed(figure, of), again_floor(lost), a, b, paired=joint)
