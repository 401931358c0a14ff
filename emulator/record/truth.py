"""What physics says of a sample: path, propagation delay, and the least time it can have taken.  Pure.

An epoch is true of an emulated instant; its links and routes came into force
between ``began`` and ``in_force`` (all CLOCK_MONOTONIC of the machine, which
every node shares), and stay in force until the next one's, however late that
is.  Meanwhile each link's delay goes on by its slope::

    D(t) = delay_ns + slope_ns_per_s (course.sim_at(t) - epoch.sim_ns)

by the course of emulated time: one ns of the machine's clock counts as one ns
of it, as ``ratio`` of them at another speed, and as none while it is paused.
What is asked of time (a pause, a speed) begins a span of the same epoch with
another course.  A paced clock stands still while the host is late; the links'
delays do not.

*Faster than light.*  Between sending and answer a packet can only have crossed
links of the epochs in force in that interval, each at some instant of it.

- One epoch: it went by that epoch's routes, and took at least the sum over the
  hops of the lesser of D(sent) and D(done); D is linear, so nothing in between
  is less.
- More than one: routes may have changed under way.  The least is then the
  shortest path over all links of those epochs together, each with its least
  delay over them and over the interval.  It needs no assumption on how fast a
  satellite moves, as a bound from straight lines would, and is never looser.

That compares with the delays that were commanded.  That those are themselves
no shorter than the straight line between the nodes is checked once per epoch
(``light.shorter_than_light``), so that no chain of links can be either.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from orbitmesh.wire.spec import Sample

from ..constants import SPEED_OF_LIGHT_KM_PER_S
from ..course import Course
from ..epoch import HELD_BACK_BY, NS_PER_S, Epoch, Nodes
from .light import Light
from .serialisation import packets_bytes, serialisation_ns
from .spans import Span, Way, least_routed_ns, shortest_ns

KEEP_NS = 60 * NS_PER_S
# Of a million satellites an epoch takes some 300 MB: four of them, 20 s at a step of 5 s.
KEEP_BYTES = 1_300_000_000


@dataclass(frozen=True)
class Truth:
    """What the commanded network says of one sample; None where there was no way at the instant of sending.

    All durations are there and back.  ``propagation_ns`` is what physics allows
    along the path: the way there and the way of the answer, both as routed and
    as long as they were at the instant of sending.  ``straight_line_ns`` is
    light in vacuum straight through everything, there and back.  Rates are of
    the narrowest link on either way (0: unlimited).  ``serialisation_ns`` is
    None where the sample does not say how many bytes it sent.  ``one_path`` is
    False where the routed path changed before the answer came.
    """

    epoch_number: int
    sim_ns: int
    straddles_epoch: bool
    one_path: bool
    straight_line_ns: float
    path: str | None = None
    path_backward: str | None = None
    hops: int | None = None
    propagation_ns: float | None = None
    narrowest_rate_bps: int | None = None
    narrowest_emulated_bps: int | None = None
    serialisation_ns: float | None = None
    narrowest: str | None = None  # of the links with a rate: "a>b"


@dataclass(frozen=True)
class PathChange:
    """The routed path of a pair changed with an epoch; delays are one way at that instant, None: no way."""

    epoch_number: int
    sim_ns: int
    src: str
    dst: str
    old_path: str | None
    new_path: str | None
    old_delay_ns: float | None
    new_delay_ns: float | None


def emulated_bps(rate_bps: int, rate_scale: float) -> int:
    """What a link of this physical rate carries in the emulation; 0 = unlimited."""
    return round(rate_bps * rate_scale)


class History:
    """The epochs of the last ``keep_ns``, or fewer that fit ``keep_bytes``, but always two.

    Epochs are added in the order in which they came into force.
    """

    def __init__(
        self, nodes: Nodes, rate_scale: float, keep_ns: int = KEEP_NS, keep_bytes: int = KEEP_BYTES
    ) -> None:
        self._nodes, self._rate_scale = nodes, rate_scale
        self._keep_ns, self._keep_bytes = keep_ns, keep_bytes
        self._spans: list[Span] = []

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def decided_until_mono_ns(self) -> int | None:
        """Up to here no epoch can be missing: the latest was in force by then."""
        return self._spans[-1].in_force_mono_ns if self._spans else None

    def add(self, epoch: Epoch, course: Course | int, began_mono_ns: int, in_force_mono_ns: int) -> None:
        """``course`` as Recorder.epoch has it."""
        if isinstance(course, int):
            course = Course(epoch.sim_ns, course)
        self._append(Span(epoch, course, began_mono_ns, in_force_mono_ns, self._nodes.names))

    def turn(self, course: Course, began_mono_ns: int, in_force_mono_ns: int) -> None:
        """Emulated time goes another way; the epoch in force stays."""
        if self._spans:
            self._append(self._spans[-1].turned(course, began_mono_ns, in_force_mono_ns))

    def _append(self, span: Span) -> None:
        self._spans.append(span)
        epoch, in_force_mono_ns = span.epoch, span.in_force_mono_ns
        oldest_ns = in_force_mono_ns - self._keep_ns
        # a span stays for as long as its successor came into force after what is still asked for
        while len(self._spans) > 2 and self._spans[1].in_force_mono_ns < oldest_ns:
            del self._spans[0]
        most = max(2, self._keep_bytes // max(epoch.n_bytes, 1))
        del self._spans[:-most]

    def truth(self, sample: Sample) -> Truth | None:
        """None where no epoch is kept that was in force when the sample was sent."""
        row = self._row(sample.sent_mono_ns)
        if row < 0:
            return None
        span = self._spans[row]
        source, destination = self._nodes.index[sample.src], self._nodes.index[sample.dst]
        involved = self._involved(row, _done_mono_ns(sample))
        forward, backward = span.way(source, destination), span.way(destination, source)
        ways = [(s.way(source, destination), s.way(destination, source)) for s in involved]
        common = Truth(
            epoch_number=span.epoch.number,
            sim_ns=self._sim_ns(row, sample.sent_mono_ns),
            straddles_epoch=len(involved) > 1,
            one_path=all(_nodes(a) == _nodes(forward) and _nodes(b) == _nodes(backward) for a, b in ways),
            straight_line_ns=2 * self._distance_km(row, source, destination, sample.sent_mono_ns)
            / SPEED_OF_LIGHT_KM_PER_S * NS_PER_S,
        )  # fmt: skip
        if forward is None or backward is None:
            return common
        ahead_s = span.ahead_s(sample.sent_mono_ns)
        rates = np.concatenate([forward.rate_bps, backward.rate_bps])
        narrowest_bps = int(min(rates[rates > 0], default=0))
        return replace(
            common,
            path=forward.text,
            path_backward=backward.text,
            hops=forward.hops,
            propagation_ns=forward.propagation_ns(ahead_s) + backward.propagation_ns(ahead_s),
            narrowest_rate_bps=narrowest_bps,
            narrowest_emulated_bps=emulated_bps(narrowest_bps, self._rate_scale),
            serialisation_ns=self._serialisation_ns(sample, forward, backward),
            narrowest=self._narrowest(forward, backward, narrowest_bps),
        )

    def ways(self, sample: Sample) -> tuple[Way | None, Way | None, float]:
        """The ways there and back as routed when it was sent, and how long (s) after that epoch's instant.

        (None, None, 0) where no epoch is kept that was in force then.
        """
        row = self._row(sample.sent_mono_ns)
        if row < 0:
            return None, None, 0.0
        span = self._spans[row]
        source, destination = self._nodes.index[sample.src], self._nodes.index[sample.dst]
        return (
            span.way(source, destination),
            span.way(destination, source),
            span.ahead_s(sample.sent_mono_ns),
        )

    def light(self, sample: Sample) -> Light | None:
        """The tightest comparison; None for a sample without an answer, or without a known way."""
        row = self._row(sample.sent_mono_ns)
        if row < 0 or not sample.ok:
            return None
        source, destination = self._nodes.index[sample.src], self._nodes.index[sample.dst]
        interval = (sample.sent_mono_ns, _done_mono_ns(sample))
        spans = self._involved(row, interval[1])
        there = least_routed_ns(spans, source, destination, interval)
        back = least_routed_ns(spans, destination, source, interval)
        parts = [("the round trip", sample.measured_ns, _sum(there, back))]
        if sample.forward_ns > 0:
            parts.append(("the way there", sample.forward_ns, there))
        if sample.backward_ns > 0:
            parts.append(("the way back", sample.backward_ns, back))
        found = [
            Light(part, value_ns, least_ns) for part, value_ns, least_ns in parts if least_ns is not None
        ]
        if len(spans) > 1 and (len(found) < len(parts) or any(light.margin_ns < 0 for light in found)):
            # The routed paths of each epoch are paths over all their links too, so the
            # shortest one is no longer: it need not be looked for in any other case.
            one_way_ns = shortest_ns(spans, source, destination, interval)
            if one_way_ns is None:
                return None
            found = [
                Light(part, value_ns, one_way_ns * (2 if part == "the round trip" else 1))
                for part, value_ns, _ in parts
            ]
        return min(found, key=lambda light: light.margin_ns, default=None)

    def instant(self, mono_ns: int) -> tuple[Epoch | None, int | None]:
        """The epoch in force then, and the emulated instant; None: unknown."""
        row = self._row(mono_ns)
        return (None, None) if row < 0 else (self._spans[row].epoch, self._sim_ns(row, mono_ns))

    def throttled_by(self, satellite: str, mono_ns: int) -> str:
        """What held a satellite's computers back, as ``epoch.HELD_BACK_BY``; "" for nothing, or unknown."""
        row = self._row(mono_ns)
        if row < 0 or satellite not in self._nodes.index:
            return ""
        platforms = self._spans[row].epoch.platforms
        return "" if platforms is None else HELD_BACK_BY[int(platforms.cause[self._nodes.index[satellite]])]

    def changes(self, pairs: Sequence[tuple[str, str]]) -> Iterator[PathChange]:
        """How the routed paths of these pairs (src, dst) differ between the two latest epochs."""
        if len(self._spans) < 2:
            return
        old, new = self._spans[-2:]
        for src, dst in pairs:
            pair = self._nodes.index[src], self._nodes.index[dst]
            before, after = old.way(*pair), new.way(*pair)
            if _nodes(before) == _nodes(after):
                continue
            ahead_s = old.ahead_s(new.course.mono_ns)
            yield PathChange(
                new.epoch.number,
                new.epoch.sim_ns,
                src,
                dst,
                before.text if before else None,
                after.text if after else None,
                before.propagation_ns(ahead_s) if before else None,
                after.propagation_ns(0.0) if after else None,
            )

    def _row(self, mono_ns: int) -> int:
        """The span whose routes were all in force at an instant; -1 before the first."""
        return bisect_right(self._spans, mono_ns, key=lambda span: span.in_force_mono_ns) - 1

    def _involved(self, row: int, done_mono_ns: int) -> list[Span]:
        """That span, and all that began to come into force by the end of the sample."""
        return [self._spans[row], *(s for s in self._spans[row + 1 :] if s.began_mono_ns <= done_mono_ns)]

    def _sim_ns(self, row: int, mono_ns: int) -> int:
        span = self._spans[row]
        sim_ns = span.course.sim_at(mono_ns)
        if row + 1 < len(self._spans):
            # A paced clock may have stood still at the next epoch's instant, but not beyond t0: a tick that
            # is late by the machine's clock has its instant where it should be.
            after = self._spans[row + 1]
            reached_ns = after.course.sim_at(max(mono_ns, after.course.mono_ns))
            sim_ns = min(sim_ns, max(reached_ns, span.course.sim_ns))
        return sim_ns

    def _distance_km(self, row: int, source: int, destination: int, mono_ns: int) -> float:
        """Along a straight line; positions between or beyond two epochs on the line through both.

        The orbit's curvature over a step of 1 s costs about a metre.
        """
        span = self._spans[row]
        position_km = span.epoch.positions_itrs_km
        since_ns = self._sim_ns(row, mono_ns) - span.epoch.sim_ns
        rows = (*range(row + 1, len(self._spans)), *range(row - 1, -1, -1))
        others = (self._spans[k] for k in rows)
        other = next((each for each in others if each.epoch.sim_ns != span.epoch.sim_ns), None)
        ends = position_km[[source, destination]]
        if other is not None and since_ns:
            share = since_ns / (other.epoch.sim_ns - span.epoch.sim_ns)
            ends = ends + (other.epoch.positions_itrs_km[[source, destination]] - ends) * share
        return float(np.linalg.norm(ends[0] - ends[1]))

    def _narrowest(self, forward: Way, backward: Way, rate_bps: int) -> str | None:
        """The first link of that rate on the way there and back."""
        if rate_bps == 0:
            return None
        for way in (forward, backward):
            for hop in np.flatnonzero(way.rate_bps == rate_bps)[:1].tolist():
                return ">".join(self._nodes.names[node] for node in way.nodes[hop : hop + 2])
        return None

    def _serialisation_ns(self, sample: Sample, forward: Way, backward: Way) -> float | None:
        if sample.bytes_up == 0 and sample.bytes_down == 0:
            return None
        total_ns = 0.0
        for way, payload_bytes in ((forward, sample.bytes_up), (backward, sample.bytes_down)):
            rates_bps = np.round(way.rate_bps * self._rate_scale).astype(np.int64)
            total_ns += serialisation_ns(*packets_bytes(sample.kind, payload_bytes), rates_bps)
        return total_ns


def _done_mono_ns(sample: Sample) -> int:
    return max(sample.done_mono_ns, sample.sent_mono_ns + sample.measured_ns)


def _nodes(way: Way | None) -> tuple[int, ...] | None:
    return None if way is None else way.nodes


def _sum(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a + b
