"""Emulated time in a test's hand; as it was when the test ends."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import InputError
from ..find_node import find_node
from .quantities import duration_ns

if TYPE_CHECKING:
    from ..run.emulation import Emulation


@dataclass(frozen=True)
class PathChange:
    """Between two epochs: instants since the scenario's start, and the paths as names (None: no way)."""

    before_sim_ns: int
    after_sim_ns: int
    old_path: tuple[str, ...] | None
    new_path: tuple[str, ...] | None


class MeshClock:
    """Of one mesh.  ``step`` and ``go_to`` need one that stands: by ``pause()``, or clock="stepped"."""

    def __init__(self, mesh: Emulation) -> None:
        self._mesh = mesh
        self._paused, self._sped = False, False

    @property
    def sim_ns(self) -> int:
        """Emulated time now, since the scenario's start."""
        return int(self._mesh.clock.sim_ns())

    def pause(self) -> None:
        """Emulated time stands; packets go on flying, over links as they are."""
        self._mesh.pause()
        self._paused = True

    def resume(self) -> None:
        self._mesh.resume()
        self._paused = False

    def step(self, by: str | int) -> int:
        """Forward by a duration ("1 s"); returns when links and routes are those of then: the instant."""
        self._mesh.step(duration_ns(by) / 1e9)
        return self.sim_ns

    def go_to(self, sim_ns: int) -> int:
        """Forward to an instant; InputError for one that has been."""
        left_ns = sim_ns - self.sim_ns
        if left_ns < 0:
            raise InputError(
                f"{sim_ns / 1e9:g} s has been: it is {self.sim_ns / 1e9:g} s, and time goes forward"
            )
        return self.step(left_ns) if left_ns else self.sim_ns

    def speed(self, ratio: float) -> None:
        """So much emulated time in a second: 1 is real time."""
        self._mesh.speed(ratio)
        self._sped = ratio != 1

    def next_change(self, a: str, b: str, within: str = "10 min") -> PathChange:
        """When the path of two nodes next changes, worked out from geometry: a handover, or another laser.

        Faults are not foreseen.  InputError where it does not change in time.
        """
        from ..geometry import Geometry
        from ..links.coverage import Window

        scenario, now_ns = self._mesh.scenario, self.sim_ns
        until_ns = now_ns + duration_ns(within)
        geometry = Geometry(scenario, Window(0, until_ns))
        nodes = geometry.nodes
        source, destination = find_node(a, nodes), find_node(b, nodes)
        geometry.set_destinations([*geometry.destinations.tolist(), destination])
        before: tuple[int, tuple[int, ...] | None] | None = None
        # from the run's own begin: which links are held on to follows from it
        for epoch in geometry.epochs(0, scenario.run.step_ns, at_faults=False):
            path = epoch.path(source, destination)
            if before is not None and epoch.sim_ns > now_ns and path != before[1]:
                old, new = (
                    None if way is None else tuple(nodes.names[n] for n in way) for way in (before[1], path)
                )
                return PathChange(max(before[0], now_ns), epoch.sim_ns, old, new)
            if epoch.sim_ns > until_ns:
                break
            before = epoch.sim_ns, path
        raise InputError(f"the path from {a} to {b} does not change within {within}")

    def __enter__(self) -> MeshClock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._mesh.ended:
            return
        if self._sped:
            self.speed(1)
        if self._paused:
            self.resume()
