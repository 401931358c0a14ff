"""What a scenario's fabric has room for, and what its links of each kind are."""

from __future__ import annotations

from ...epoch import Nodes
from ...links.terminals import laser_slots
from ...scenario import Scenario
from ..shaping import PATH_ROUND_TRIP_NS
from .table import KindParameters, Sizes

#: Destinations beyond the hosts of the scenario: room for hosts on demand, and for whom a user asks the way.
MORE_DESTINATIONS = 1024


def sizes_for(nodes: Nodes, scenario: Scenario, n_hosts: int) -> Sizes:
    """Room for each antenna of each station twice: its link, and the one that it has just left."""
    ground = scenario.ground
    antennas = sum(
        ground.antennas if station.antennas is None else station.antennas for station in ground.stations
    )
    return Sizes(
        n_nodes=len(nodes),
        n_satellites=nodes.n_satellites,
        laser_slots=laser_slots(scenario.lasers),
        ground_pipes=2 * 2 * max(antennas, 1),
        destinations=min(len(nodes), n_hosts + MORE_DESTINATIONS),
    )


def kinds(scenario: Scenario) -> tuple[KindParameters, KindParameters]:
    lasers, ground = (
        KindParameters(kind.queue_bytes or 0, PATH_ROUND_TRIP_NS, kind.loss_ratio, kind.mtu_bytes)
        for kind in (scenario.lasers, scenario.ground)
    )
    return lasers, ground
