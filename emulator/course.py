"""How emulated time goes by the machine's clock: along a straight line, from one instant on.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

#: No instant of the machine's clock: emulated time stands still, and does not come there.
NEVER_MONO_NS = 1 << 62


def if_it_comes(mono_ns: int) -> int | None:
    """As it is told to somebody who may ask again then: None where nobody knows when that is."""
    return None if mono_ns >= NEVER_MONO_NS else mono_ns


@dataclass(frozen=True)
class Course:
    """At ``mono_ns`` (CLOCK_MONOTONIC) it is ``sim_ns``, and goes on ``ratio`` times as fast; 0: still."""

    sim_ns: int
    mono_ns: int
    ratio: float = 1.0

    @property
    def is_still(self) -> bool:
        return self.ratio == 0

    def sim_at(self, mono_ns: int) -> int:
        """The emulated instant; also before the course began, along the same line."""
        since_ns = mono_ns - self.mono_ns
        return self.sim_ns + (since_ns if self.ratio == 1 else round(since_ns * self.ratio))

    def mono_at(self, sim_ns: int) -> int:
        """When an emulated instant comes; NEVER_MONO_NS where it does not."""
        ahead_ns = sim_ns - self.sim_ns
        if self.ratio == 0:
            return self.mono_ns if ahead_ns <= 0 else NEVER_MONO_NS
        return self.mono_ns + (ahead_ns if self.ratio == 1 else round(ahead_ns / self.ratio))
