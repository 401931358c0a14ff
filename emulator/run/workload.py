"""What the nodes of a run have to do: whom to measure, whom to serve, what to train, and at what speed.

They are told when they start, and with each tick what has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from orbitmesh.wire.load import LoadSpec
from orbitmesh.wire.spec import NodeSpec

from ..assignment import Assignment
from ..course import if_it_comes
from ..epoch import Epoch
from ..platform import Draws
from ..scenario.serving import serving_spec
from .background_requests import BackgroundRequests
from .capacities import Capacities
from .draws import DrawsBook, announce, report_interval_ns
from .leave_orders import LeaveOrders
from .node_processes import NodeProcesses
from .node_specs import node_specs, serving_specs
from .running import RunningMesh
from .silent_load import SilentLoad
from .ticks import Tick
from .training import ring_nodes, specs_of


class Workload:
    """Of a mesh that is built; ``specs`` for the processes, ``begin`` when they are there.

    ``loads``: the customers of each gateway; ``tell_draws`` gets what accelerators drew.  ``feel`` and
    ``tick`` in the conductor's thread.
    """

    def __init__(
        self,
        mesh: RunningMesh,
        loads: Mapping[str, tuple[LoadSpec, ...]],
        orders: NodeProcesses,
        tell_draws: Callable[[Draws], None],
        caution: Callable[[str], None],
    ) -> None:
        self._mesh, self._loads, self._orders = mesh, loads, orders
        scenario, nodes = mesh.scenario, mesh.nodes
        self._assignment: Assignment | None = None
        self._last: Tick | None = None
        self._told: Assignment | None = None  # what nodes go by: nothing more while they warm up
        self._ring = [nodes.names[n] for n in ring_nodes(scenario, nodes, mesh.hosting)]
        self._draws: DrawsBook | None = None
        every = [load for of in loads.values() for load in of]
        self._others = BackgroundRequests(nodes, every, scenario.run.step_ns, orders.serve)
        self._silent_load: SilentLoad | None = None
        self._leaves: LeaveOrders | None = None
        if scenario.serving is None:
            working = {nodes.index[name]: name for name in self._ring}
        else:
            satellites = (int(n) for n in mesh.hosting.nonzero()[0] if not nodes.is_gateway(int(n)))
            working = {n: nodes.names[n] for n in satellites}
            self._silent_load = SilentLoad(
                self._others,
                serving_spec(scenario.serving),
                scenario.run.rate_scale,
                mesh.plane.load_links,
                caution,
            )
        if working:
            self._follow_draws(working, tell_draws, caution)
        self._capacities = Capacities(working, self._tell_capacity)

    def _follow_draws(
        self, satellites: dict[int, str], tell: Callable[[Draws], None], caution: Callable[[str], None]
    ) -> None:
        """What their accelerators draw is their satellites' load, where the scenario says so."""
        platform = self._mesh.scenario.platform
        if platform is None or platform.load != "measured" or self._mesh.backend.name == "fake":
            return
        interval_ns = report_interval_ns(self._mesh.scenario.run.step_ns)
        self._draws = DrawsBook(
            satellites, interval_ns, self._orders.dead, tell, announce(self._mesh.feed, caution)
        )
        self._orders.on_energy = self._draws.heard

    # ---- the start

    def specs(self, epoch: Epoch) -> list[NodeSpec]:
        """Of all node processes.  ScenarioError where a member of the ring has no way to the next."""
        mesh = self._mesh
        training = specs_of(mesh.scenario, mesh.nodes, mesh.hosting, epoch, self._address)
        return node_specs(
            mesh.nodes,
            mesh.hosting,
            mesh.scenario.compute,
            mesh.seed,
            self._address,
            serving_specs(mesh.scenario, mesh.nodes, mesh.hosting),
            self._loads,
            training,
        )

    def begin(self, at_mono_ns: int) -> None:
        """All processes are there: from that instant on they measure, ask and train."""
        self._capacities.begin()
        if self._draws is not None:
            self._draws.begin(time.monotonic_ns())
        self._others.begin(at_mono_ns)
        for name in self._ring:
            self._orders.serve(name, train_from_mono_ns=at_mono_ns)
        mesh = self._mesh
        self._leaves = LeaveOrders(
            mesh.nodes, self._address, mesh.scenario.run.rate_scale, mesh.clock.mono_ns, self._orders.serve
        )
        self._told = now = self._assignment
        assert now is not None
        self._assign(None, now, quiet_until_mono_ns=at_mono_ns)

    # ---- ticks

    def feel(self, tick: Tick) -> None:
        """Before the next epoch is asked for, which feels it."""
        if self._draws is not None:
            self._draws.at_tick(time.monotonic_ns())

    def tick(self, tick: Tick) -> None:
        self._assignment = tick.assignment
        if self._mesh.began_sim_ns is not None:
            before, self._told = self._told, tick.assignment
            self._assign(before, tick.assignment)
        self._capacities.tick(tick.epoch.platforms, tick.assignment.power_again)
        self._load(tick)
        if self._leaves is not None:
            self._leaves.tick(tick)

    def beat(self, now_mono_ns: int) -> None:
        """Several times a second between ticks: requests come in real time, however far apart ticks are."""
        last, step_ns = self._last, self._mesh.scenario.run.step_ns
        if last is None or now_mono_ns - last.t0_mono_ns < step_ns:
            return
        self._load(replace(last, t0_mono_ns=now_mono_ns))

    def turned(self) -> None:
        """Instants of the machine's clock that nodes were told are others now."""
        if self._mesh.began_sim_ns is None or self._told is None:
            return
        self._assign(replace(self._told, refused={}), self._told)  # those that are to ask again
        self._capacities.anew()
        if self._leaves is not None and self._last is not None:
            self._leaves.again()
            self._leaves.tick(self._last)

    def _load(self, tick: Tick) -> None:
        self._last = tick
        self._others.tick(tick)
        if self._silent_load is not None:
            self._silent_load.tick(tick)

    def _assign(self, before: Assignment | None, now: Assignment, **more: int) -> None:
        self._orders.assign(before, now, self._mesh.nodes, self._address, self._mesh.clock.mono_ns, **more)

    def _tell_capacity(self, name: str, ratio: float, again_sim_ns: int | None) -> None:
        again: dict[str, Any] = {}
        if ratio == 0:
            again["power_again_mono_ns"] = (
                None if again_sim_ns is None else if_it_comes(self._mesh.clock.mono_ns(again_sim_ns))
            )
        self._orders.serve(name, capacity_ratio=ratio, **again)

    def _address(self, node: int) -> str:
        return self._mesh.plane.addresses[node]
