"""Runs against a base: which rows there are, of what they are taken, and what is said of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np
import pyarrow as pa

from ..record.soundness import STALL_NS
from ..shown import plain
from .differing import Difference, differences
from .latencies import AT, PAIR, Asked, Values, latency_rows
from .measured import Measured
from .noise import again_floor, links_floor_ns
from .pairing import common_codes, nearest
from .rows import Row, judged
from .runs import Run
from .shares import share_row
from .training import FIGURES, TRAINING
from .whole import availability_row, handover_rows, lateness_rows

_MOST_APART_NS = 10**15
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
    sound_only: bool | None = None


def compare(
    base: Run, others: Sequence[Run], again: Sequence[Run] = (), *, sound_only: bool | None = None,
    by_gateway: bool = False,
) -> Comparison:  # fmt: skip
    """Rows of all others together are one family: see ``rows.judged``.

    ``sound_only``: leave out what touched a moment in which the emulation was late.  None: of probes and
    tasks; an answer of some seconds nearly always touches one of some milliseconds.
    """
    found = []
    for other in others:
        reason = unpaired_because(base, other)
        beside = _Beside(base, other, again, reason, sound_only)
        rows = [*beside.rows(by_gateway=by_gateway)]
        if reason:
            said = f"not paired: {reason}; each run's blocks of time are drawn by themselves"
        else:
            said = (
                f"paired by instant and pair: {100 * beside.paired_ratio:.1f} % of the samples have one of "
                "the other run within half an interval; the same blocks of time are drawn of both"
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


@dataclass
class _Beside:
    """Of which rows are taken.  ``reason``: why samples are not paired, "" where they are."""

    a: Run
    b: Run
    again: Sequence[Run]
    reason: str
    sound_only: bool | None
    paired: list[tuple[int, float]] = field(default_factory=list)  # of how many samples which share was

    @property
    def paired_ratio(self) -> float:
        n = sum(count for count, _ in self.paired)
        return sum(count * share for count, share in self.paired) / n if n else 0.0

    def rows(self, *, by_gateway: bool) -> Iterator[Row]:
        for kind in dict.fromkeys([*self.a.by_kind, *self.b.by_kind]):
            mine, theirs, *others = (run.by_kind.get(kind) for run in (self.a, self.b, *self.again))
            yield from self._of_group(kind, "", mine, theirs, others, by_gateway)
        for name in dict.fromkeys([*self.a.by_class, *self.b.by_class]):
            mine, theirs, *others = (run.by_class.get(name) for run in (self.a, self.b, *self.again))
            yield from self._of_group("", name, mine, theirs, others, by_gateway)
        for name in dict.fromkeys([*self.a.by_step, *self.b.by_step]):
            mine, theirs, *others = (run.by_step.get(name) for run in (self.a, self.b, *self.again))
            yield from self._of_group("", name, mine, theirs, others, False)
        yield availability_row(self.a, self.b)
        yield from handover_rows(self.a, self.b)
        yield from lateness_rows(self.a, self.b, self.again)

    def _of_group(
        self, kind: str, name: str, mine: Measured | None, theirs: Measured | None,
        others: Sequence[Measured | None], by_gateway: bool,
    ) -> Iterator[Row]:  # fmt: skip
        """Of a kind of probe, a class of customers, or training: of all, and of each gateway."""
        sides = [each if each is not None else _empty(name) for each in (mine, theirs)]
        again = [each for each in others if each is not None]
        yield from self._of_sides(kind, name, "", sides, again)
        for gateway in sorted({*sides[0].gateways, *sides[1].gateways}) if by_gateway else ():
            some = [each.only(each.at_node(gateway)) for each in (*sides, *again)]
            yield from self._of_sides(kind, name, gateway, some[:2], some[2:])

    def _of_sides(
        self, kind: str, name: str, where: str, sides: Sequence[Measured], again: Sequence[Measured]
    ) -> Iterator[Row]:
        figures = ((kind, "", ""),) if kind else tuple((value, name, value) for value in _values_of(name))
        for figure, of, value in figures:
            for row in self._of_values(figure, of, where, value, sides, again):
                yield replace(row, where=plain(where))
        lost, of = ("lost", kind) if kind else ("failed" if name == TRAINING else "unanswered", name)
        yield replace(_of_lost(lost, of, where, sides, again, not self.reason), where=plain(where))

    def _of_values(
        self, figure: str, of: str, where: str, value: str, sides: Sequence[Measured],
        again: Sequence[Measured],
    ) -> Iterator[Row]:  # fmt: skip
        sound_only = not of if self.sound_only is None else self.sound_only
        mine, theirs = (_usable(side, value, sound_only) for side in sides)
        first, second = mine, theirs
        fewest, paired = min(len(first), len(second)), False
        if not self.reason and fewest:
            streams = common_codes(*([each.names["src"], each.names["far"]] for each in (first, second)))
            # a request or a step is known by its number, whenever it was; a probe by its instant
            most_ns = _MOST_APART_NS if of == TRAINING else 10**9 if of else None
            rows_a, rows_b = nearest(streams[0], first.when_ns, streams[1], second.when_ns, most_ns)
            self.paired.append((fewest, len(rows_a) / fewest))
            if paired := len(rows_a) >= LEAST_PAIRED_RATIO * fewest:
                first, second = first.only(rows_a), second.only(rows_b)
        more = [_usable(each, value, sound_only).values_ns[value] for each in again]
        floors = {}
        for at in (*AT, PAIR):
            q = AT.get(at, 0.5)
            links = max(links_floor_ns(run.summary, q, first.hops) for run in (self.a, self.b))
            known = [each for each in (mine.values_ns[value], *more) if len(each)]
            floors[at] = max(links, again_floor([float(np.quantile(each, q)) for each in known]))
        # beyond that a stall is a window, and what it touches not sound
        most = float(STALL_NS) if sound_only else np.inf
        asked = Asked(figure, of, _seed(figure, of, where), floors, len(more) >= 2, most)
        yield from latency_rows(
            asked,
            *(Values(each.when_ns, each.values_ns[value], each.rest_ns) for each in (first, second)),
            paired=paired,
        )


def _seed(*words: str) -> tuple[int, ...]:
    return tuple(crc32(word.encode()) for word in words)


def _values_of(name: str) -> tuple[str, ...]:
    """Of a class of customers, or of training."""
    return FIGURES if name == TRAINING else ("ttft", "answer")


def _empty(name: str) -> Measured:
    none = pa.chunked_array([pa.array([], pa.string())])
    return Measured(
        dict.fromkeys(("src", "far", "dst"), none), np.zeros(0, np.int64), np.zeros(0, bool),
        np.zeros(0, bool), {value: np.zeros(0) for value in (_values_of(name) if name else ("",))},
        np.zeros(0),
    )  # fmt: skip


def _usable(side: Measured, value: str, sound_only: bool) -> Measured:
    rows = np.isfinite(side.values_ns[value])
    return side.only(rows & side.sound if sound_only else rows)


def _of_lost(
    figure: str, of: str, where: str, sides: Sequence[Measured], again: Sequence[Measured], joint: bool
) -> Row:
    """Of all that were sent, sound or not: what waits in vain for a second meets more windows than others."""
    lost = [float((~each.ok).mean()) for each in (sides[0], *again) if len(each)]
    a, b = ((side.when_ns, ~side.ok) for side in sides)
    return share_row(figure, of, _seed(figure, of, where), again_floor(lost), a, b, paired=joint)
