"""Whether a calibration is of the machine, or of what else ran on it: by its own floor and repeats.  Pure.

The floor (loopback, no link) is what the machine needs for the two ends alone;
what links add to it is a small multiple of it on any machine that was quiet, fast
or slow.  And what was measured twice must have come out alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from ..errors import FailureError
from .consistency import Errors
from .document import Calibration, OneWay

#: What the median over links may exceed the floor's by, for each link: so many floors, but not less nor more
#: than this.  A busy machine's floor is high too.
PER_LINK_FLOORS, PER_LINK_LEAST_NS, PER_LINK_MOST_NS = 10, 100_000, 500_000
#: What p99 over links may exceed the floor's by, for each link.
PER_LINK_TAIL_NS = 2_000_000
#: The floor itself: its p99 may be so many times its median, or this.
FLOOR_TAIL_FACTOR, FLOOR_TAIL_NS = 50, 1_000_000
#: Of the same stream measured twice: medians may differ by this factor where they differ by more than so
#: much, and p99s likewise (a shared machine stalls now and then).
MEDIAN_FACTOR, MEDIAN_NS = 3, 50_000
TAIL_FACTOR, TAIL_NS = 10, 1_000_000
#: What may be lost on a link without loss, beyond what the floor lost.
LOST_RATIO = 0.01


class CalibrationRefused(FailureError):
    """What was measured speaks against itself; says why, and that --force keeps it."""


def reasons_against(calibration: Calibration) -> tuple[str, ...]:
    """Sentences with figures; none where nothing speaks against it."""
    floors = [floor for floor in (calibration.floor, calibration.floor_again) if floor is not None]
    return (
        *_floor(floors),
        *_alike("loopback, without any link,", floors),
        *_links(calibration, floors),
        *_repeats(calibration),
    )


def checked(calibration: Calibration, *, force: bool = False) -> Calibration:
    """As it may be kept; with ``distrusted`` where it was forced.  CalibrationRefused otherwise."""
    reasons = reasons_against(calibration)
    if not reasons:
        return calibration
    if not force:
        more = f" ({len(reasons)} reasons in all)" if len(reasons) > 1 else ""
        raise CalibrationRefused(
            f"the calibration ({calibration.plane} plane, {calibration.backend}, waiting: "
            f"{calibration.wait}) is not kept: {reasons[0]}{more}; something else was running, or this "
            "machine cannot carry it: calibrate again when the machine is quiet, or keep it with --force, "
            "marked as distrusted"
        )
    return replace(calibration, distrusted="; ".join(reasons))


def distrust_of(calibration: Calibration) -> str | None:
    """For a run's budget; one kept by a version that did not look is looked at now."""
    return calibration.distrusted or "; ".join(reasons_against(calibration)) or None


def _floor(floors: list[Errors]) -> Iterator[str]:
    for floor in floors:
        if floor.p50_ns is None or floor.p99_ns is None:
            yield "over loopback no datagram came"
        elif floor.p99_ns > max(FLOOR_TAIL_FACTOR * floor.p50_ns, FLOOR_TAIL_NS):
            yield (
                f"over loopback, without any link, datagrams took {_ms(floor.p99_ns)} at p99 "
                f"({_ms(floor.p50_ns)} at p50)"
            )


def _links(calibration: Calibration, floors: list[Errors]) -> Iterator[str]:
    medians = [floor.p50_ns for floor in floors if floor.p50_ns is not None]
    if not medians:
        return
    floor_ns = min(medians)
    bound_ns = min(max(PER_LINK_FLOORS * floor_ns, PER_LINK_LEAST_NS), PER_LINK_MOST_NS)
    floor_lost = max(_lost(floor) for floor in floors)
    slowest = min((row.per_second for row in calibration.one_way), default=0)
    for row in (*calibration.one_way, *calibration.repeats):
        excess_ns = (row.errors.p50_ns or 0) - floor_ns
        if excess_ns > bound_ns * row.links:
            yield (
                f"{_stream(row)} came {_ms(row.errors.p50_ns or 0)} late at p50: "
                f"{_ms(excess_ns // row.links)} for each link, where {_ms(bound_ns)} is the most "
                f"beside a floor of {_ms(floor_ns)}"
            )
        elif (tail_ns := (row.errors.p99_ns or 0) - floor_ns) > PER_LINK_TAIL_NS * row.links:
            yield (
                f"{_stream(row)} came {_ms(row.errors.p99_ns or 0)} late at p99: "
                f"{_ms(tail_ns // row.links)} for each link, where {_ms(PER_LINK_TAIL_NS)} is the most"
            )
        elif row.per_second == slowest and row.links == 1 and _lost(row.errors) - floor_lost > LOST_RATIO:
            yield f"{_stream(row)} lost {row.errors.lost} of {row.errors.packets} datagrams without cause"


def _repeats(calibration: Calibration) -> Iterator[str]:
    def key(row: OneWay) -> tuple[int, int, int, str]:
        return row.links, row.delay_ns, row.per_second, row.wait

    for _, same in groupby(sorted((*calibration.one_way, *calibration.repeats), key=key), key):
        rows = list(same)
        yield from _alike(_stream(rows[0]), [row.errors for row in rows])


def _alike(what: str, repeats: list[Errors]) -> Iterator[str]:
    for name, factor, least_ns in (("p50", MEDIAN_FACTOR, MEDIAN_NS), ("p99", TAIL_FACTOR, TAIL_NS)):
        found = [value for errors in repeats if (value := getattr(errors, f"{name}_ns")) is not None]
        if len(found) > 1:
            low, high = min(found), max(found)
            if high > factor * max(low, 0) and high - low > least_ns:
                yield f"{what} measured twice, was {_ms(low)} late at {name} once and {_ms(high)} once"
                return


def _stream(row: OneWay) -> str:
    links = "one link" if row.links == 1 else f"{row.links} links in a row"
    return f"a stream over {links} of {row.delay_ns / 1e6:g} ms ({row.per_second:,}/s, waiting: {row.wait})"


def _lost(errors: Errors) -> float:
    return errors.lost / max(errors.packets, 1)


def _ms(duration_ns: int) -> str:
    return f"{duration_ns / 1e6:.3g} ms"
