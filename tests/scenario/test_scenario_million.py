"""A million satellites, from the scenario to routes: what must hold of all of them."""

from __future__ import annotations

import numpy as np
import pytest

from orbitmesh.emulator.constants import SPEED_OF_LIGHT_KM_PER_S
from orbitmesh.emulator.epoch import NO_WAY, NS_PER_S, Epoch, LinkKind
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.routing.shortest import TIE_NS
from orbitmesh.emulator.scenario import Scenario

N = 1_000_000


@pytest.fixture(scope="module")
def million() -> tuple[Geometry, Epoch]:
    geometry = Geometry(Scenario.load("ai1-million"))
    return geometry, geometry.epoch_at(30 * NS_PER_S)


def test_who_is_there(million: tuple[Geometry, Epoch]) -> None:
    geometry, _ = million
    nodes = geometry.nodes
    assert (nodes.n_satellites, nodes.n_gateways, int(geometry.hosting.sum())) == (N, 30, 130)
    assert nodes.names[N - 1] == "sat-1999-499"
    assert nodes.index["sat-417-221"] == 417 * 500 + 221
    assert np.bincount(nodes.shell).tolist() == [250_000] * 4


def test_every_satellite_has_its_four_neighbours_and_junctions_one_more(
    million: tuple[Geometry, Epoch],
) -> None:
    _, epoch = million
    degree = (epoch.routes.ports.laser_neighbour >= 0).sum(axis=1)
    assert degree.min() == 4
    # 2,500 junctions of one side at each of three borders, where shells overlap
    assert 10_000 < (degree == 5).sum() <= 2 * 3 * 2_500
    assert (epoch.links.kind == LinkKind.GROUND).sum() == 60


def test_delays_are_ranges_by_light(million: tuple[Geometry, Epoch]) -> None:
    _, epoch = million
    some = np.random.default_rng(1).integers(0, len(epoch.links), 10_000)
    a, b = epoch.links.a[some], epoch.links.b[some]
    range_km = np.linalg.norm(epoch.positions_itrs_km[b] - epoch.positions_itrs_km[a], axis=1)
    np.testing.assert_allclose(
        epoch.links.delay_ns[some], range_km / SPEED_OF_LIGHT_KM_PER_S * 1e9, rtol=1e-12
    )


def test_all_reach_all_and_no_way_can_be_made_shorter_by_a_neighbour(
    million: tuple[Geometry, Epoch],
) -> None:
    geometry, epoch = million
    everybody = np.arange(len(geometry.nodes), dtype=np.int32)
    ports, links = epoch.routes.ports, epoch.links
    some = np.random.default_rng(2).integers(0, N, 20_000)
    for destination in (geometry.nodes.index["gw-tokyo"], 350_000):
        code = epoch.routes.code[epoch.routes.row(destination)]
        assert np.flatnonzero(code == NO_WAY).tolist() == [destination]
        delay_ns = epoch.way_delays_ns(everybody, np.array([destination]))[0]
        assert np.isfinite(delay_ns).all()
        over, row = ports.laser_neighbour[some], ports.laser_row[some]
        via_ns = np.where(over >= 0, delay_ns[over] + links.delay_ns[row], np.inf)
        # each hop of a way may have taken a tie
        assert (via_ns.min(axis=1) > delay_ns[some] - 1000 * TIE_NS).all()
    far = epoch.path(geometry.nodes.index["gw-london"], geometry.nodes.index["gw-sydney"])
    assert far is not None
    assert epoch.path_delay_ns(far) > 16_990 / SPEED_OF_LIGHT_KM_PER_S * 1e9 * 0.75  # the chord, not the arc
