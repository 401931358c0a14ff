"""From a scenario to its epochs: orbit, links and routing put together.  Pure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from .arrays import pair_keys, read_only
from .epoch import Bool, Epoch, Float64, Int32, Links, Nodes, Ports, RouteRows, Routes
from .ground_choice import GroundChoice
from .hosting import accelerator_hosts, who_hosts
from .interventions import Force, Interventions
from .interventions.of_scenario import of_scenario
from .known_names import KnownAs
from .links.coverage import Window, check_coverage
from .links.ground import Selection
from .links.joined import joined
from .links.lasers import LaserMesh, Lasers
from .links.visibility import Stations
from .node_names import NodeNames
from .orbit import Arrangement, Fleet, Propagation, station_positions_itrs_km, station_zeniths_itrs
from .platform import Draws
from .platform.fleet import FleetPlatforms
from .platform.of_scenario import fleet_platforms
from .routing.repair import repaired
from .routing.shortest import shortest_routes
from .routing.shortest import weights as link_weights
from .scenario import Scenario
from .series import EXACT_UP_TO, TOGETHER_NS, Before, Series

_LOOKS_AHEAD = 17  # a satellite that has decayed stays down: the last instant decides, the others say when


def nodes_of(fleet: Fleet, scenario: Scenario) -> Nodes:
    """Who is in the mesh of a scenario whose satellites these are."""
    names = NodeNames(fleet.plane, fleet.slot, [f"gw-{station.name}" for station in scenario.ground.stations])
    known = KnownAs(names, fleet.file_names)
    return Nodes(names, len(fleet), fleet.shell, fleet.plane, fleet.slot, known)


class Geometry:
    """Epochs of a scenario.

    ``nodes`` says who there is; ``hosting``, (n_nodes,) bool, who runs a
    process (gateways always do); ``destinations``, (d,) int32 rising, whom
    routes lead to: at first those that host something.  Raises ScenarioError
    or ElementsError for what cannot be emulated.

    All that lasts is in the scenario, but for ``destinations``: a geometry is
    made in the process that uses it, from a scenario that was sent there.
    """

    nodes: Nodes
    hosting: Bool
    destinations: Int32

    def __init__(self, scenario: Scenario, window: Window | None = None) -> None:
        """``window``: what stations are checked for; by default the scenario's run."""
        self._scenario = scenario
        ground = scenario.ground
        self._fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
        self.nodes = nodes_of(self._fleet, scenario)
        self._stations = Stations.of(
            ground,
            station_positions_itrs_km(ground.stations, ground.ellipsoid),
            station_zeniths_itrs(ground.stations),
        )
        self._mesh = LaserMesh(scenario, self._fleet)
        self.hosting = read_only(who_hosts(scenario, self.nodes))
        self.set_destinations(np.flatnonzero(self.hosting).tolist())
        self._ground = GroundChoice(
            scenario, self._fleet, self.nodes, self._stations, self.hosting, self._links, self._routes
        )
        self._platforms = (
            None
            if scenario.platform is None
            else fleet_platforms(scenario, self._fleet, accelerator_hosts(scenario, self.nodes, self.hosting))
        )
        self._draws: Draws | None = None
        window = window or Window(0, scenario.run.duration_ns)
        self.interventions = Interventions(len(self.nodes), self.nodes.n_satellites)
        if scenario.faults:
            until_ns = window.begin_sim_ns + window.duration_ns
            self.interventions = of_scenario(scenario, self.nodes, lambda: self.epoch_at(0), until_ns)
        check_coverage(scenario, self._fleet, self._stations, window)

    @property
    def cautions(self) -> list[str]:
        """What of the constellation is not as one would think, a sentence each."""
        unfit = [caution for each in self.arrangements for caution in each.caution()]
        return [*unfit, *self.nodes.known_as.hidden(), *self._mesh.gaps]

    @property
    def platforms(self) -> FleetPlatforms | None:
        """What follows power and heat; None where the scenario has none."""
        return self._platforms

    @property
    def arrangements(self) -> tuple[Arrangement, ...]:
        """How the satellites of each file lie in planes and slots."""
        return self._fleet.arrangements

    @property
    def offsets(self) -> tuple[str, ...]:
        """Of each shell, which slots +grid joins across planes, in words."""
        return self._mesh.offsets

    @property
    def ground_links(self) -> str:
        """By which policy stations choose satellites, in words; where the scenario is silent, also why."""
        return self._ground.policy_said

    @property
    def propagation(self) -> tuple[Propagation, ...]:
        """How the satellites of each shell are moved, and how far off that may be."""
        return self._fleet.propagation

    def add_destinations(self, nodes: Iterable[int]) -> None:
        """Route to these nodes too, from the next epoch on."""
        self.set_destinations([*self.destinations.tolist(), *nodes])

    def remove_destinations(self, nodes: Iterable[int]) -> None:
        """From the next epoch on, do not route to these nodes, unless they host a process."""
        gone = [node for node in nodes if not self.hosting[node]]
        self.set_destinations(np.setdiff1d(self.destinations, gone).tolist())

    def more_routes(self, epoch: Epoch, nodes: Iterable[int]) -> RouteRows:
        """For an epoch made before: to those of the nodes that it has no routes to."""
        new = np.setdiff1d(np.array([*nodes], np.int32), epoch.routes.destinations)
        found = self._routes(epoch.links, epoch.routes.ports, new)
        found = self._repaired(found, epoch.links, epoch.sim_ns)
        return RouteRows(found.destinations, found.code)

    def set_destinations(self, nodes: Iterable[int]) -> None:
        """Route to these nodes only, from the next epoch on; IndexError for one that is not there."""
        destinations = np.unique(np.array([*nodes], np.int32))
        if len(destinations) and not 0 <= destinations[0] <= destinations[-1] < len(self.nodes):
            raise IndexError(f"nodes are numbered 0 to {len(self.nodes) - 1}, got {destinations.tolist()}")
        self.destinations = read_only(destinations)

    def set_draws(self, draws: Draws | None) -> None:
        """What accelerators drew and would have, from the next epoch on; all others go by the load model."""
        self._draws = draws

    @property
    def fleet(self) -> Fleet:
        return self._fleet

    @property
    def grazing_altitude_km(self) -> float:
        return self._scenario.lasers.grazing_altitude_km

    @property
    def laser_range_km(self) -> float:
        """No laser of the scenario reaches further; inf where nothing says so."""
        return self._mesh.max_range_km

    @property
    def stations(self) -> Stations:
        return self._stations

    def check_orbits(self, begin_sim_ns: int, end_sim_ns: int) -> None:
        """ElementsError for a satellite that decays meanwhile, before hours have been spent on it."""
        self._fleet.check_orbits(np.linspace(begin_sim_ns, end_sim_ns, _LOOKS_AHEAD).astype(np.int64))

    def epochs(self, start_sim_ns: int, step_ns: int, *, at_faults: bool = True) -> Series:
        """Epochs from an instant on, without end; numbered from 0.

        An epoch is a matter of its instant alone, but for what is held on to:
        ground links (but of the policy ``nearest``), lasers between shells, and which
        terminals the lasers of the pattern ``nearest`` are at.  Two series agree if
        they begin at the same instant with the same step.  ``at_faults``: also where
        something fails or is restored between two steps.
        """
        between = self._next_change_ns if at_faults else lambda after_sim_ns: None
        return Series(self._epoch, self.nothing_before(), start_sim_ns, step_ns, between)

    def _next_change_ns(self, after_sim_ns: int) -> int | None:
        """When something fails, is restored, or is known to have been; None: never, or not between steps."""
        if not len(self.interventions) or len(self.nodes) > EXACT_UP_TO:
            return None
        return self.interventions.next_change_ns(
            after_sim_ns,
            self._scenario.routing.reaction_ns,
            TOGETHER_NS,
            self._scenario.routing.local_repair_ns,
        )

    def forget_before(self, sim_ns: int) -> None:
        """No epoch of before that instant is made any more."""
        self.interventions.forget_before(sim_ns - self._scenario.routing.reaction_ns)

    def epoch_at(self, sim_ns: int) -> Epoch:
        """One epoch, as the first of a series: with nothing held from before."""
        return self._epoch(0, sim_ns, self.nothing_before())[0]

    def after(self, before: Before, sim_ns: int) -> tuple[Epoch, Before]:
        """The epoch of an instant that follows from another, numbered 0, and what the next follows from."""
        return self._epoch(0, sim_ns, before)

    def nothing_before(self) -> Before:
        return Before(Selection.nothing(self.nodes.n_gateways), self._mesh.nothing_held())

    def _epoch(self, number: int, sim_ns: int, before: Before) -> tuple[Epoch, Before]:
        states = self._fleet.states_itrs(np.array([sim_ns], np.int64))
        satellite_itrs_km = states.position_km[:, 0]
        lasers = self._mesh.at(satellite_itrs_km, before.lasers)
        known = self.known_at(sim_ns)  # what routes and stations go by
        if known is not None:
            lasers = known.left_of(lasers)
        at_rest = np.zeros_like(self._stations.position_itrs_km)  # in the Earth-fixed frame
        position_itrs_km = np.concatenate([satellite_itrs_km, self._stations.position_itrs_km])
        velocity_km_per_s = np.concatenate([states.velocity_km_per_s[:, 0], at_rest])
        selection = self._ground.choose(
            sim_ns, position_itrs_km, velocity_km_per_s, lasers, before.selection, known
        )
        links, ports = self._links(position_itrs_km, velocity_km_per_s, lasers, selection)
        if len(self.interventions):
            force = self.interventions.at(sim_ns)
            links = force.over(links, lambda: self._left(before), is_known=force is known)
        routes = self._repaired(self._routes(links, ports, self.destinations), links, sim_ns)
        platforms, kept = None, None
        if self._platforms is not None:
            platforms, kept = self._platforms.at(
                before.platforms, sim_ns, satellite_itrs_km, states.velocity_km_per_s[:, 0], self._draws
            )
        epoch = Epoch(number, sim_ns, read_only(position_itrs_km), links, routes, platforms)
        return epoch, Before(selection, lasers.held, kept, self._parted(before, selection, sim_ns))

    def _routes(self, links: Links, ports: Ports, destinations: Int32) -> Routes:
        return shortest_routes(
            self.nodes.n_satellites,
            len(self.nodes),
            links,
            destinations,
            self._scenario.routing.metric,
            self._scenario.ground.relay,
            ports=ports,
            plane=self.nodes.plane,
        )

    def _repaired(self, routes: Routes, links: Links, sim_ns: int) -> Routes:
        """With the detours of those who know that a link of theirs is broken, while routes do not."""
        local_ns = self._scenario.routing.local_repair_ns
        if local_ns is None or links.up is None:
            return routes
        known = self.interventions.at(sim_ns - local_ns)
        if not known.breaks:
            return routes
        # what has been restored since is up, and is used at once
        down = known.hits(links.a, links.b) & ~links.up
        cost = link_weights(links, self._scenario.routing.metric, len(self.nodes))
        return repaired(routes, cost, down, relay=self._scenario.ground.relay)

    def _linked(self, selection: Selection) -> Int32:
        """(m, 2) nodes."""
        return selection.pairs() + np.array([0, self.nodes.n_satellites], np.int32)

    def _left(self, before: Before) -> Int32:
        """(m, 2) nodes: ground links of before, of which some linger."""
        return np.concatenate([self._linked(before.selection), *(pairs for _, pairs in before.parted)])

    def _parted(self, before: Before, now: Selection, sim_ns: int) -> tuple[tuple[int, Int32], ...]:
        linked = self._linked(before.selection)
        gone = linked[~np.isin(pair_keys(*linked.T), pair_keys(*self._linked(now).T))]
        kept = tuple(each for each in before.parted if each[0] > sim_ns)
        return (*kept, (sim_ns + self._scenario.ground.overlap_ns, gone)) if len(gone) else kept

    def known_at(self, sim_ns: int) -> Force | None:
        """What has failed as far as routes know; None: nothing."""
        known_sim_ns = sim_ns - self._scenario.routing.reaction_ns
        force = self.interventions.at(known_sim_ns) if len(self.interventions) else None
        return force if force is not None and force.breaks else None

    def _links(
        self, position_itrs_km: Float64, velocity_km_per_s: Float64, lasers: Lasers, selection: Selection
    ) -> tuple[Links, Ports]:
        return joined(
            lasers, selection, position_itrs_km, velocity_km_per_s,
            n_satellites=self.nodes.n_satellites, slots=self._mesh.laser_slots, ground=self._scenario.ground,
        )  # fmt: skip
