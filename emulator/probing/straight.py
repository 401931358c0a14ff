"""Whether emulated time went straight on between two looks.  Pure.

Where it did not, the mean of what links were told before and after is none.
"""

from __future__ import annotations

from dataclasses import dataclass

_OFF_RATIO, _OFF_NS = 0.05, 100_000_000  # what the looks themselves take


@dataclass(frozen=True)
class Look:
    """``ratio``: as many times as fast as the machine's clock it goes; 0: it is paused."""

    mono_ns: int
    sim_ns: int
    ratio: float


def went_straight(before: Look, after: Look) -> bool:
    if before.ratio != after.ratio:
        return False
    meant_ns = before.ratio * (after.mono_ns - before.mono_ns)
    off_ns = abs(after.sim_ns - before.sim_ns - meant_ns)
    return off_ns <= _OFF_RATIO * meant_ns + _OFF_NS * max(1.0, before.ratio)
