"""Which satellites the stations of a scenario are linked to at an instant: the policy, and what it is given.

The least delay is that of whole ways, so links and routes are made for it of all that could be.  Pure.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from .epoch import Bool, Epoch, Float64, Int32, Int64, Links, Nodes, Ports, Routes
from .interventions import Force
from .links.ground import Selection, select
from .links.lasers import Lasers
from .links.least_delay import CANDIDATES, GATEWAYS_AT_ONCE, MOST_WAYS, choose_all, standing_for, weights
from .links.passes import remaining_ns, states_of
from .links.visibility import Sight, Stations
from .orbit import Fleet
from .scenario import Scenario


class Join(Protocol):
    """The links of an instant, with the ports that lead to them."""

    def __call__(
        self, position_itrs_km: Float64, velocity_km_per_s: Float64, lasers: Lasers, selection: Selection
    ) -> tuple[Links, Ports]: ...


class Route(Protocol):
    def __call__(self, links: Links, ports: Ports, destinations: Int32) -> Routes: ...


class GroundChoice:
    def __init__(
        self,
        scenario: Scenario,
        fleet: Fleet,
        nodes: Nodes,
        stations: Stations,
        hosting: Bool,
        join: Join,
        route: Route,
    ) -> None:
        """``hosting``, (n_nodes,): whom ground links are weighed for."""
        self._fleet, self._stations, self._n_satellites = fleet, stations, nodes.n_satellites
        self._join, self._route = join, route
        self._hosts = standing_for(hosting, len(fleet))
        self._n_ways = len(nodes) * (len(self._hosts) + nodes.n_gateways)
        self._asked, self._margin_ns = scenario.ground.policy, scenario.ground.handover_margin_ns
        self.policy = self._asked or ("least-delay" if self._n_ways <= MOST_WAYS else "nearest")

    @property
    def policy_said(self) -> str:
        """In words; where the scenario is silent, also why."""
        if self._asked is not None:
            return self.policy
        if self.policy == "least-delay":
            return "least-delay (ground.policy is not given)"
        return (
            f"nearest, since ground.policy is not given and least-delay would look for {self._n_ways:,} ways "
            f"a tick (up to {MOST_WAYS:,} it is taken by itself)"
        )

    def choose(
        self,
        sim_ns: int,
        position_itrs_km: Float64,
        velocity_km_per_s: Float64,
        lasers: Lasers,
        previous: Selection,
        known: Force | None,
    ) -> Selection:
        """``previous``: of the epoch before; ``known``: what has failed as far as routes know."""
        if self.policy == "least-delay":
            return self._least_delay(position_itrs_km, velocity_km_per_s, lasers, previous, known)
        return self._select(sim_ns, position_itrs_km[: self._n_satellites], previous, known)

    def _least_delay(
        self,
        position_itrs_km: Float64,
        velocity_km_per_s: Float64,
        lasers: Lasers,
        previous: Selection,
        known: Force | None,
    ) -> Selection:
        """By the ways over all that stations could be linked to, at both ends: so both choose alike."""
        stations = self._stations
        sight = stations.sight(np.ascontiguousarray(position_itrs_km[: self._n_satellites]))
        sight, antennas = self._left(sight, known)
        sight = sight.nearest(max([CANDIDATES, *antennas]))
        seen = [sight.of(row)[0] for row in range(len(stations))]
        torn = [row for row, some in enumerate(seen) if len(some) > antennas[row]]
        if not torn:
            return Selection(tuple(tuple(some.tolist()) for some in seen))
        who = np.unique(np.concatenate([seen[row] for row in torn]))
        beyond_ns = self._ways_ns(who, seen, position_itrs_km, velocity_km_per_s, lasers)
        weight = self._weights
        if not weight.any():  # a station alone, and nobody to speak with: the nearest
            beyond_ns, weight = np.zeros((1, len(who))), np.ones((len(stations), 1))
        return Selection(
            choose_all(
                previous.satellites, antennas, sight, who, beyond_ns, weight,
                self._margin_ns,
            )
        )  # fmt: skip

    @cached_property
    def _weights(self) -> Float64:
        """(gateways, hosts + gateways): what each destination counts for each station."""
        n = len(self._stations)
        return np.array([weights(len(self._hosts), n, row) for row in range(n)])

    def _ways_ns(
        self,
        who: Int32,
        seen: list[Int32],
        position_itrs_km: Float64,
        velocity_km_per_s: Float64,
        lasers: Lasers,
    ) -> Float64:
        """(hosts + gateways, who) float64: from each satellite, with gateways linked to all they see.

        So many gateways at a time as port codes carry; over those of another time no way
        leads, also where they relay.
        """
        n, found = self._n_satellites, []
        for first in range(0, len(seen), GATEWAYS_AT_ONCE):
            rows = range(first, min(first + GATEWAYS_AT_ONCE, len(seen)))
            linked = [tuple(some.tolist()) if row in rows else () for row, some in enumerate(seen)]
            links, ports = self._join(position_itrs_km, velocity_km_per_s, lasers, Selection(tuple(linked)))
            gateways = np.array(rows, np.int32) + np.int32(n)
            to = gateways if first else np.concatenate([self._hosts, gateways])
            epoch = Epoch(0, 0, position_itrs_km, links, self._route(links, ports, to))
            found.append(epoch.way_delays_ns(who, to))
        return np.concatenate(found)

    def _left(self, sight: Sight, known: Force | None) -> tuple[Sight, tuple[int, ...]]:
        """What stations can be linked to, and by how many antennas."""
        antennas = self._stations.antennas
        if known is None:
            return sight, antennas
        return known.seen(sight, antennas, self._n_satellites), known.antennas_left(antennas)

    def _select(
        self, sim_ns: int, satellite_itrs_km: Float64, previous: Selection, known: Force | None
    ) -> Selection:
        stations = self._stations

        def remaining(rows: Int64, satellites: Int64) -> Float64:
            return remaining_ns(
                stations, rows, satellites, sim_ns, lambda who, when: states_of(self._fleet, who, when)
            )

        sight, antennas = self._left(stations.sight(satellite_itrs_km), known)
        assert self.policy != "least-delay"
        return select(previous, self.policy, antennas, sight, remaining)
