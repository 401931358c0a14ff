"""Epochs that are put together from the API's columns are those of the mesh, array by array."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from orbitmesh.control.v1 import control_pb2 as pb
from orbitmesh.emulator.client.columns import Columns
from orbitmesh.emulator.control.api import epoch_messages
from orbitmesh.emulator.control.api.epoch_messages import Wanted, diff_messages, state_messages
from orbitmesh.emulator.epoch import Epoch, Links, Nodes, Platforms, Ports, Routes
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.scenario import Scenario

ALL = Wanted(positions=True, routes=True, platforms=True)


@pytest.fixture(scope="module")
def mesh() -> tuple[Nodes, list[Epoch]]:
    """Five epochs with power and heat; a link that is slow in the fourth, one that is down in the last."""
    geometry = Geometry(Scenario.load("ai1-inference"))
    n = len(geometry.nodes)
    geometry.set_destinations(range(n - 3, n))
    series = geometry.epochs(0, 20 * 10**9)
    epochs = [next(series) for _ in range(5)]
    slow = epochs[3].links.rate_ab_bps.copy()
    slow[3] //= 2
    epochs[3] = replace(epochs[3], links=replace(epochs[3].links, rate_ab_bps=slow))
    up = np.ones(len(epochs[4].links), bool)
    up[5] = False
    epochs[4] = replace(epochs[4], links=replace(epochs[4].links, up=up))
    return geometry.nodes, epochs


def same(found: Epoch, epoch: Epoch) -> None:
    assert (found.number, found.sim_ns) == (epoch.number, epoch.sim_ns)
    assert (found.positions_itrs_km == epoch.positions_itrs_km).all()
    for each in fields(Links):
        if each.name in ("broken", "loss_ratio"):
            continue  # nobody who watches needs them
        one, other = getattr(found.links, each.name), getattr(epoch.links, each.name)
        assert (one is None and other is None) or (one == other).all(), each.name
    assert (found.routes.destinations == epoch.routes.destinations).all()
    assert (found.routes.next_node == epoch.routes.next_node).all()
    assert epoch.platforms is not None
    assert found.platforms is not None
    for each in fields(Platforms):
        one, other = getattr(found.platforms, each.name), getattr(epoch.platforms, each.name)
        assert one.dtype == other.dtype
        assert (one == other).all(), each.name


@pytest.mark.parametrize("rows_per_part", [60_000, 50])
def test_they_are_the_epochs_themselves(
    mesh: tuple[Nodes, list[Epoch]], rows_per_part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(epoch_messages, "ROWS_PER_PART", rows_per_part)
    nodes, epochs = mesh
    columns, told = Columns(nodes.n_satellites), []
    for i, epoch in enumerate(epochs):
        parts = diff_messages(i, epochs[i - 1], epoch, ALL) if i else state_messages(i, epoch, nodes, ALL)
        for part in parts:
            found = columns.take(pb.WatchEpochsResponse.FromString(part))
            assert (found is None) == (part is not parts[-1])
        assert found is not None
        told.append(found)
    for found, epoch in zip(told, epochs, strict=True):  # those of before are what they were
        same(found, epoch)
    for part in state_messages(9, epochs[1], nodes, ALL):  # one that was too slow is told all again
        found = columns.take(pb.WatchEpochsResponse.FromString(part))
    assert found is not None
    same(found, epochs[1])
    destination = int(found.routes.destinations[0])
    assert found.path(0, destination) == epochs[1].path(0, destination)


def test_without_routes_there_are_no_ways(mesh: tuple[Nodes, list[Epoch]]) -> None:
    nodes, epochs = mesh
    (part,) = state_messages(0, epochs[0], nodes, Wanted(positions=True))
    found = Columns(nodes.n_satellites).take(pb.WatchEpochsResponse.FromString(part))
    assert found is not None
    assert isinstance(found.routes, Routes)
    assert isinstance(found.routes.ports, Ports)
    assert found.path(0, len(nodes) - 1) is None
    assert found.platforms is None
