"""What the accelerators of a satellite have drawn, as its process tells it from time to time.

Sums since the process began, so that a report that is lost takes nothing with it; instants are
CLOCK_MONOTONIC of the machine.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

EVENT = "energy"


@dataclass(frozen=True)
class EnergyReport:
    """``drawn_j``: really, background requests and idling included.  ``asked_j``: if they had had full power
    while they computed, or had something to compute.  ValueError where it makes no sense."""

    name: str
    at_mono_ns: int
    drawn_j: float
    asked_j: float

    def __post_init__(self) -> None:
        if not (0 <= self.drawn_j < math.inf and 0 <= self.asked_j < math.inf):
            raise ValueError(f"{self.name} tells of {self.drawn_j} J drawn and {self.asked_j} J asked for")

    def to_event(self) -> dict[str, Any]:
        return {"event": EVENT} | asdict(self)

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> EnergyReport:
        return cls(
            str(event["name"]), int(event["at_mono_ns"]), float(event["drawn_j"]), float(event["asked_j"])
        )
