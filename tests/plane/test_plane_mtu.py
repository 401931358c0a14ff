"""Packets of more than 1,500 bytes, in both planes: they pass, or are told with the size that fits."""

from __future__ import annotations

import re
from collections.abc import Callable

import fabric_toys as fabric
import numpy as np
import plane_toys as toys
import pytest
from plane_rig import MESH, PAIRS, Rig, now_ns

from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.plane.mesh import MeshPlane

Make = Callable[[dict[str, str], dict[str, str]], MeshPlane]

pytestmark = [pytest.mark.netns, pytest.mark.beside]
JUMBO, PLAIN = {"mtu": "9000 B"}, {"mtu": "1500 B"}


def wired(lasers: dict[str, str], ground: dict[str, str]) -> MeshPlane:
    rig = Rig(lasers=lasers, ground=ground)
    rig.step(PAIRS)
    return rig.plane


def in_fabric(lasers: dict[str, str], ground: dict[str, str]) -> MeshPlane:
    scenario = toys.scenario(lasers=lasers, ground=ground)
    plane = FabricPlane(MESH, scenario, np.ones(len(MESH), bool))
    plane.build()
    epoch = fabric.epoch(MESH, fabric.Slots(MESH), PAIRS)
    plane.commit(plane.prepare(None, epoch), now_ns())
    return plane


def ping(plane: MeshPlane, source: str, target: str, data_bytes: int, cut: str) -> str:
    words = ["ping", "-c1", "-W2", "-M", cut, "-s", str(data_bytes), target]
    said, complaint, _ = plane.net.get(source).pexec(words)
    return str(said + complaint)


BOTH = pytest.mark.parametrize("make", [wired, in_fabric])


@BOTH
def test_packets_of_9000_bytes_pass_where_all_links_take_them(make: Make) -> None:
    plane = make(JUMBO, JUMBO)
    try:
        said = ping(plane, "gw-station0", "gw-station1", 8_972, "do")
        assert "1 received" in said, said
        said = ping(plane, "gw-station0", "gw-station1", 8_973, "do")
        assert re.search(r"mtu ?[=:] ?9000", said), said
    finally:
        plane.close()


@BOTH
def test_a_packet_too_long_for_a_link_is_refused_by_the_node_before_it(make: Make) -> None:
    plane = make(JUMBO, PLAIN)
    try:
        assert "1 received" in ping(plane, "sat-0-0", "sat-1-2", 8_900, "do")
        said = ping(plane, "sat-0-0", "gw-station1", 8_900, "do")
        assert "From sat-1-2 " in said, said  # it has the ground link
        assert re.search(r"mtu ?[=:] ?1500", said), said
        said = ping(plane, "gw-station0", "sat-1-2", 8_900, "do")  # its own link is the narrow one
        assert re.search(r"mtu ?[=:] ?1500", said), said
        said = ping(plane, "sat-0-0", "gw-station1", 8_900, "dont")
        assert "1 received" in said, said  # in parts
    finally:
        plane.close()


@BOTH
def test_links_take_1500_bytes_unless_told_otherwise(make: Make) -> None:
    plane = make({}, {})
    try:
        assert "1 received" in ping(plane, "gw-station0", "gw-station1", 1_472, "do")
        said = ping(plane, "gw-station0", "gw-station1", 1_473, "do")
        assert re.search(r"mtu ?[=:] ?1500", said), said
    finally:
        plane.close()
