"""What is calibrated: a backend in a plane and, of the engine, a way of waiting; and the lines made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..plane.backend import LinkBackend
from ..plane.engine import EngineBackend
from ..plane.netem import NetemBackend
from .fabric_lab import FabricDetour, FabricLine
from .lab import Detour, Lab, Line, Setting, TwoLinks

Wait = Literal["sleep", "adaptive", "poll"]
PlaneName = Literal["wired", "fabric"]

MS = 1_000_000
REFERENCE_NS, REFERENCE_PER_SECOND = 5 * MS, 10_000


@dataclass(frozen=True)
class Subject:
    backend: str
    wait: Wait
    plane: PlaneName
    quick: bool

    def make(self, wait: Wait | None = None) -> LinkBackend:
        if self.backend == "engine":
            return EngineBackend(wait=wait or self.wait)
        return NetemBackend()

    def line(self, hops: int = 1, setting: Setting | None = None, *, wait: Wait | None = None) -> Lab:
        if self.plane == "fabric":
            return FabricLine(hops, setting, wait=wait or self.wait)
        return Line(self.make(wait), hops, setting)

    def detour(self, first_ns: int, other_ns: int) -> Detour:
        if self.plane == "fabric":
            return FabricDetour(first_ns, other_ns, wait=self.wait)
        return TwoLinks(self.make(), first_ns, other_ns)

    def count(self, per_second: int) -> int:
        """Packets of a stream."""
        return per_second // 2 if self.quick else max(per_second, min(2 * per_second, 20_000))
