"""What is exported: a geometry, some of its nodes, and a window of time in steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ..epoch import Epoch, Float64, Int64
from ..errors import InputError
from ..find_node import find_nodes
from ..geometry import Geometry

# satellites × instants: some 200 MB of CZML, some 20 s of a processor
MOST_POSITIONS = 5_000_000
# nodes × instants of which links are asked: some minutes
MOST_LOOKS = 100_000_000
_AT_ONCE = 400_000  # states


@dataclass(frozen=True, eq=False)
class Scene:
    """``satellites`` and ``gateways``, rising, are node indices; sim_ns counts from the scenario's start."""

    title: str
    geometry: Geometry
    scenario_start_utc: datetime
    begin_sim_ns: int
    duration_ns: int
    step_ns: int
    satellites: Int64
    gateways: Int64

    @classmethod
    def of(
        cls,
        title: str,
        geometry: Geometry,
        scenario_start_utc: datetime,
        begin_sim_ns: int,
        duration_ns: int,
        step_ns: int,
        nodes: Sequence[str] = (),
    ) -> Scene:
        """``nodes``: names and sets of them; none: all.  InputError for what nobody has."""
        everyone = geometry.nodes
        chosen = sorted({node for name in nodes for node in find_nodes(name, everyone)}) or range(
            len(everyone)
        )
        index = np.array(chosen, np.int64)
        n = everyone.n_satellites
        return cls(
            title, geometry, scenario_start_utc, begin_sim_ns, duration_ns, min(step_ns, duration_ns),
            index[index < n], index[index >= n],
        )  # fmt: skip

    @property
    def end_sim_ns(self) -> int:
        return self.begin_sim_ns + self.duration_ns

    @property
    def names(self) -> Sequence[str]:
        return self.geometry.nodes.names

    def known_as(self, node: int) -> str:
        """What its file calls a satellite; "" where none does."""
        known = self.geometry.nodes.known_as.by_node.get(node)
        return "" if known is None else str(known)

    def utc(self, sim_ns: int) -> str:
        """As 2026-11-01T00:00:00.000000Z."""
        at = self.scenario_start_utc + timedelta(microseconds=sim_ns // 1000)
        return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def interval(self, begin_sim_ns: int, end_sim_ns: int) -> str:
        return f"{self.utc(begin_sim_ns)}/{self.utc(end_sim_ns)}"

    def instants_ns(self, step_ns: int) -> Int64:
        """From the begin to the end of the window, both included, in steps; the last may be shorter."""
        steps = np.arange(self.begin_sim_ns, self.end_sim_ns, step_ns, dtype=np.int64)
        return np.append(steps, np.int64(self.end_sim_ns))

    def tracks(self, instants_ns: Int64) -> Iterator[tuple[int, Float64]]:
        """Of each satellite its positions, (t, 3) float64, ITRS, km.  InputError where that is too much."""
        if len(self.satellites) * len(instants_ns) > MOST_POSITIONS:
            raise InputError(
                f"{len(self.satellites):,} satellites at {len(instants_ns):,} instants are more than "
                f"{MOST_POSITIONS:,} positions: name fewer with --node 'sat-0-*', a shorter --duration, or a "
                "longer --step"
            )
        self.geometry.fleet.check_orbits(instants_ns[[0, -1]])
        some = max(1, _AT_ONCE // len(instants_ns))
        for first in range(0, len(self.satellites), some):
            chosen = self.satellites[first : first + some]
            states = self.geometry.fleet.states_of(chosen, instants_ns)
            yield from zip(chosen.tolist(), states.position_km, strict=True)

    def epochs(self) -> Iterator[Epoch]:
        """From the begin up to the end of the window, which is not among them, also where something fails."""
        instants = -(-self.duration_ns // self.step_ns)
        if instants * len(self.geometry.nodes) > MOST_LOOKS:
            raise InputError(
                f"links of {len(self.geometry.nodes):,} nodes at {instants:,} instants are more than "
                f"{MOST_LOOKS:,} looks: give a shorter --duration, or a longer --step"
            )
        self.geometry.set_destinations([])  # nobody's way is asked for
        for epoch in self.geometry.epochs(self.begin_sim_ns, self.step_ns):
            if epoch.sim_ns >= self.end_sim_ns:
                return
            yield epoch
