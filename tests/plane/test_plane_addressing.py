"""Addresses follow from a node's place, are unique, and refuse what does not fit."""

from __future__ import annotations

import numpy as np
import plane_toys as toys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.plane import addressing


def test_satellite_and_gateway_addresses_as_published() -> None:
    mesh = toys.nodes(6, 11, 2)
    addresses = addressing.assign(mesh)
    assert addresses[mesh.index["sat-0-0"]] == "10.0.0.1"
    assert addresses[mesh.index["sat-3-7"]] == "10.0.3.8"
    assert addresses[mesh.index["gw-station0"]] == "172.16.0.1"
    assert addresses[mesh.index["gw-station1"]] == "172.16.0.2"


def _one_plane(n: int) -> Nodes:
    zeros = np.zeros(n, np.int32)
    return Nodes(tuple(f"sat-0-{i}" for i in range(n)), n, zeros, zeros, np.arange(n, dtype=np.int32))


def test_a_plane_of_more_than_255_slots_takes_more_bits() -> None:
    assert addressing.assign(_one_plane(255))[254] == "10.0.0.255"
    assert addressing.assign(_one_plane(300))[299] == "10.0.1.44"


@given(st.integers(1, 40), st.integers(1, 400), st.integers(0, 50))
def test_unique_and_within_their_blocks(planes: int, slots: int, gateways: int) -> None:
    plane, slot = np.divmod(np.arange(planes * slots, dtype=np.int32), slots)
    names = tuple(str(i) for i in range(planes * slots + gateways))
    mesh = Nodes(names, planes * slots, np.zeros(planes * slots, np.int32), plane, slot)
    ipv4 = addressing.assign(mesh).ipv4.astype(np.int64)
    assert len(np.unique(ipv4)) == len(mesh)
    assert (ipv4[: mesh.n_satellites] >> 24 == 10).all()
    assert (ipv4[mesh.n_satellites :] >> 20 == (172 << 4) + 1).all()


def test_too_many_planes_are_refused_with_the_figure() -> None:
    n = 65_536
    plane = np.arange(n, dtype=np.int32)
    mesh = Nodes(tuple(map(str, range(n))), n, np.zeros(n, np.int32), plane, np.zeros(n, np.int32))
    with pytest.raises(
        ScenarioError, match=r"65536 planes of up to 1 satellites do not fit 10\.0\.0\.0/8.*65535"
    ):
        addressing.assign(mesh)


def test_two_satellites_in_one_place_are_named() -> None:
    zeros = np.zeros(2, np.int32)
    with pytest.raises(ScenarioError, match="a and b have the same plane and slot"):
        addressing.assign(Nodes(("a", "b"), 2, zeros, zeros, zeros))
