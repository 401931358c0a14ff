"""Whether what packets met in a plane is what the pure computation says, and other planes too.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

#: A kernel's stamp of arrival is translated between two clocks: so much earlier than commanded is not early.
STAMP_NS = 1_000
#: Of a laser's rate: how far the sum of two flows, and each one's part, may be off.
RATE_RATIO, SHARE_RATIO = 0.03, 0.06
#: Of the time that a full queue takes to drain: how far what packets waited may be off.
WAIT_RATIO = 0.15


@dataclass(frozen=True)
class Errors:
    """Of one stream of datagrams.  None where none came."""

    packets: int
    lost: int
    reordered: int
    min_ns: int | None
    p50_ns: int | None
    p99_ns: int | None
    max_ns: int | None


@dataclass(frozen=True)
class Way:
    """Names of the nodes from end to end: as the epoch has it, and as packets that expired found it."""

    planned: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True)
class Delay:
    """Of a stream over so many links: measured minus commanded."""

    source: str
    destination: str
    hops: int
    errors: Errors


@dataclass(frozen=True)
class Flow:
    """``came_bps`` of the ``offered_bps`` came; its datagrams waited ``waited_ns`` (p50) for the laser."""

    offered_bps: float
    came_bps: float
    waited_ns: float


@dataclass(frozen=True)
class Sharing:
    """Two flows that want more together than the laser they share has; ``queue_ns``: a full queue's time."""

    laser: str
    rate_bps: float
    queue_ns: float
    flows: tuple[Flow, ...]


@dataclass(frozen=True)
class Seen:
    """What packets met in one plane; ``unlike``: what the backend has in force other than commanded."""

    plane: str
    backend: str
    wait: str
    ways: tuple[Way, ...]
    delays: tuple[Delay, ...]
    sharing: Sharing
    unlike: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Seen:
        """From what ``dataclasses.asdict`` made of it, and JSON of that."""
        ways = tuple(Way(tuple(row["planned"]), tuple(row["found"])) for row in raw["ways"])
        delays = tuple(Delay(**{**row, "errors": Errors(**row["errors"])}) for row in raw["delays"])
        sharing = raw["sharing"]
        flows = tuple(Flow(**row) for row in sharing["flows"])
        return cls(
            **{
                **raw,
                "ways": ways,
                "delays": delays,
                "sharing": Sharing(**{**sharing, "flows": flows}),
                "unlike": tuple(raw["unlike"]),
            }
        )


def disagreements(
    seen: Sequence[Seen], bound_ns: Callable[[Seen, int], float], by: Literal["p50", "min"] = "p50"
) -> list[str]:
    """Sentences; none where all agree.

    ``bound_ns(seen, hops)`` is the error that is stated for it: of the median datagram, or of the one that
    is the least late, which tells an emulator's error from a machine that does much else.
    """
    found = [sentence for one in seen for sentence in _by_itself(one, bound_ns, by)]
    for one, other in pairwise(seen):
        found += _between(one, other)
    return found


def _by_itself(seen: Seen, bound_ns: Callable[[Seen, int], float], by: str) -> list[str]:
    """Against the pure computation."""
    found = [f"{seen.plane}: {sentence}" for sentence in seen.unlike]
    for way in seen.ways:
        if way.found != way.planned:
            found.append(f"{seen.plane}: packets go {' '.join(way.found)}, and not {' '.join(way.planned)}")
    for delay in seen.delays:
        pair, errors, most_ns = (
            f"{delay.source} to {delay.destination}",
            delay.errors,
            bound_ns(seen, delay.hops),
        )
        if errors.lost or errors.min_ns is None or errors.p50_ns is None:
            found.append(f"{seen.plane}: {pair}: {errors.lost} of {errors.packets} datagrams are lost")
            continue
        if errors.reordered:
            found.append(f"{seen.plane}: {pair}: {errors.reordered} datagrams are out of order")
        if errors.min_ns < -STAMP_NS:
            found.append(f"{seen.plane}: {pair}: a datagram is {-errors.min_ns / 1e3:.1f} us early")
        late_ns = errors.p50_ns if by == "p50" else errors.min_ns
        if late_ns > most_ns:
            found.append(
                f"{seen.plane}: {pair}: datagrams are {late_ns / 1e3:.1f} us late ({by}), "
                f"and the stated error of {delay.hops} hops is {most_ns / 1e3:.1f} us"
            )
    return found + [f"{seen.plane}: {sentence}" for sentence in _queueing(seen.sharing)]


def _queueing(sharing: Sharing) -> list[str]:
    """One queue, first come first served: each flow gets of the rate what it has of the demand, and all wait
    for the same full queue."""
    found = []
    laser, rate = f"laser {sharing.laser} of {sharing.rate_bps / 1e6:.2f} Mbit/s", sharing.rate_bps
    offered = sum(flow.offered_bps for flow in sharing.flows)
    came = sum(flow.came_bps for flow in sharing.flows)
    if abs(came / rate - 1) > RATE_RATIO:
        found.append(f"{laser} carried {came / 1e6:.2f} Mbit/s")
    for flow in sharing.flows:
        part_bps = rate * flow.offered_bps / offered
        if abs(flow.came_bps - part_bps) > SHARE_RATIO * rate:
            found.append(
                f"{laser}: of {flow.offered_bps / 1e6:.2f} Mbit/s came {flow.came_bps / 1e6:.2f}, "
                f"and a single queue would have let {part_bps / 1e6:.2f} through"
            )
        if abs(flow.waited_ns - sharing.queue_ns) > WAIT_RATIO * sharing.queue_ns:
            found.append(
                f"{laser}: a flow waited {flow.waited_ns / 1e6:.2f} ms, and the full queue is "
                f"{sharing.queue_ns / 1e6:.2f} ms long"
            )
    return found


def _between(one: Seen, other: Seen) -> list[str]:
    found = []
    theirs = {(way.planned[0], way.planned[-1]): way for way in other.ways}
    if theirs.keys() != {(way.planned[0], way.planned[-1]) for way in one.ways}:
        found.append(f"{one.plane} and {other.plane} were not asked for the same ways")
    for way in one.ways:
        there = theirs.get((way.planned[0], way.planned[-1]))
        if there is not None and there.found != way.found:
            found.append(
                f"packets go {' '.join(way.found)} in the {one.plane} plane, "
                f"and {' '.join(there.found)} in the {other.plane} one"
            )
    for mine, its in zip(one.sharing.flows, other.sharing.flows, strict=True):
        if abs(mine.came_bps - its.came_bps) > SHARE_RATIO * one.sharing.rate_bps:
            found.append(
                f"of the same flow over laser {one.sharing.laser} came {mine.came_bps / 1e6:.2f} Mbit/s "
                f"in the {one.plane} plane, and {its.came_bps / 1e6:.2f} in the {other.plane} one"
            )
    return found
