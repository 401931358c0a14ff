"""Mininet's API on a mesh: what works, and what is refused in words; no packet is sent here."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import plane_toys as toys
import pytest
from mininet.cli import CLI
from mininet.log import lg, setLogLevel
from test_plane_fabric_banks import Rig

from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.known_names import FileName, KnownAs
from orbitmesh.emulator.node_names import NodeNames
from orbitmesh.emulator.plane.fabric.engine import FakeFabric
from orbitmesh.emulator.plane.fabric.net import FabricNet
from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.plane.fake import FakeBackend
from orbitmesh.emulator.plane.mininet.pings import check_number
from orbitmesh.emulator.plane.wired.plane import Plane

MESH = toys.nodes(2, 3, 2)
PAIRS = [*toys.torus(2, 3), (0, 6), (3, 7)]


@pytest.fixture
def net() -> Any:
    plane = Plane(MESH, toys.scenario(), FakeBackend())
    plane.build()
    plane.commit(plane.prepare(None, toys.epoch(MESH, PAIRS)), 0)
    yield plane.net
    plane.close()


REFUSED: dict[str, Callable[[Any], Any]] = {
    "addHost": lambda net: net.addHost("h1"),
    "addSwitch": lambda net: net.addSwitch("s1"),
    "addController": lambda net: net.addController("c0"),
    "addNAT": lambda net: net.addNAT(),
    "addLink": lambda net: net.addLink("sat-0-0", "sat-0-2"),
    "delLink": lambda net: net.delLink(net.links[0]),
    "delLinkBetween": lambda net: net.delLinkBetween(net["sat-0-0"], net["sat-0-1"]),
    "delHost": lambda net: net.delHost(net["sat-0-0"]),
    "delNode": lambda net: net.delNode(net["sat-0-0"]),
    "del": lambda net: net.__delitem__("sat-0-0"),
    "configLinkStatus": lambda net: net.configLinkStatus("sat-0-0", "sat-0-1", "down"),
    "buildFromTopo": lambda net: net.buildFromTopo(None),
    "runCpuLimitTest": lambda net: net.runCpuLimitTest(0.5),
    "node.setIP": lambda net: net["sat-0-0"].setIP("10.9.9.9"),
    "node.setMAC": lambda net: net["sat-0-0"].setMAC("02:00:00:00:00:01"),
    "node.setARP": lambda net: net["sat-0-0"].setARP("10.0.0.2", "02:00:00:00:00:01"),
    "node.setDefaultRoute": lambda net: net["sat-0-0"].setDefaultRoute("dev isl0"),
    "node.setHostRoute": lambda net: net["sat-0-0"].setHostRoute("10.0.0.2", "isl0"),
    "node.config": lambda net: net["sat-0-0"].config(ip="10.9.9.9"),
    "node.configDefault": lambda net: net["sat-0-0"].configDefault(ip="10.9.9.9"),
    "node.linkTo": lambda net: net["sat-0-0"].linkTo(net["sat-0-1"]),
    "node.deleteIntfs": lambda net: net["sat-0-0"].deleteIntfs(),
    "intf.setIP": lambda net: net["sat-0-0"].intfList()[0].setIP("10.9.9.9/8"),
    "intf.setMAC": lambda net: net["sat-0-0"].intfList()[0].setMAC("02:00:00:00:00:01"),
    "intf.config": lambda net: net["sat-0-0"].intfList()[0].config(bw=10),
    "intf.config down": lambda net: net["sat-0-0"].intfList()[0].config(up=False),
    "intf.ifconfig": lambda net: net["sat-0-0"].intfList()[0].ifconfig("down"),
    "intf.rename": lambda net: net["sat-0-0"].intfList()[0].rename("eth0"),
    "intf.delete": lambda net: net["sat-0-0"].intfList()[0].delete(),
    "link.stop": lambda net: net.links[0].stop(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_change_the_mesh_is_refused_in_words(net: Any, name: str) -> None:
    before = len(net.links), [host.name for host in net.hosts]
    with pytest.raises(InputError, match="come from its scenario: change the scenario, not the net"):
        REFUSED[name](net)
    assert (len(net.links), [host.name for host in net.hosts]) == before


def test_what_has_nothing_to_do_does_nothing(net: Any) -> None:
    net.build()
    net.start()
    net.staticArp()
    net.configHosts()
    assert net.waitConnected() is True
    node = net["sat-0-0"]
    assert (node.config(), node.intfList()[0].config(), node.configDefault()) == ({}, {}, None)


def test_links_between_two_nodes(net: Any) -> None:
    (link,) = net.linksBetween(net["sat-0-1"], net["sat-0-0"])
    assert {link.intf1.node.name, link.intf2.node.name} == {"sat-0-0", "sat-0-1"}
    assert net.linksBetween(net["gw-station0"], net["gw-station1"]) == []
    assert net["sat-0-0"].connectionsTo(net["sat-0-1"]) == [(link.intf1, link.intf2)]


def test_a_refusal_in_the_cli_is_a_sentence_and_the_cli_goes_on(
    net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script"
    script.write_text("link sat-0-0 sat-0-1 down\nnodes\n")
    said = io.StringIO()
    monkeypatch.setattr(lg.handlers[0], "stream", said)
    setLogLevel("output")
    try:
        with Path("/dev/null").open() as nothing:
            CLI(net, stdin=nothing, script=str(script))
    finally:
        setLogLevel("warning")
    assert "*** the links of a mesh come from its scenario" in said.getvalue()
    assert "available nodes are" in said.getvalue()


def test_pings_ask_for_routes_first_and_too_many_are_refused_with_the_number(net: Any) -> None:
    asked: list[list[str]] = []

    def no_room(names: list[str]) -> None:
        asked.append(list(names))
        raise InputError("8 nodes are to be routed to, and this run has room for 4")

    net.route_first = no_room
    two = ["sat-0-0", "sat-0-1"]
    for call, names in (
        (net.pingAll, list(MESH.names)), (net.pingAllFull, list(MESH.names)), (net.pingPair, two),
        (net.pingPairFull, two), (net.iperf, ["sat-0-0", "gw-station1"]),
    ):  # fmt: skip
        with pytest.raises(InputError, match="room for 4"):
            call()
        assert asked.pop() == names
    check_number(100)
    with pytest.raises(InputError, match=r"among 101 nodes would be 10,100, .* makes 10,000 at most"):
        check_number(101)


def test_mininet_gets_a_satellite_by_its_name_in_a_file() -> None:
    plane, slot = np.zeros(2, np.int32), np.arange(2, dtype=np.int32)
    names = NodeNames(plane, slot, ["gw-station0"])
    known = KnownAs(names, {0: FileName("MYSAT-1", 70001), 1: FileName("SAT-0-0", 70002)})
    mesh = Nodes(names, 2, plane, plane, slot, known)
    hosting = np.ones(3, bool)
    for net in (
        Plane(mesh, toys.scenario(), FakeBackend()).net,
        FabricPlane(mesh, Rig().scenario, hosting, FakeFabric).net,
    ):
        if isinstance(net, FabricNet):
            net.hosts_came([0, 1, 2])
        asked = ("mysat-1", "70001", "sat-0-0", "norad-70002", "gw-station0")
        got = ["sat-0-0", "sat-0-0", "sat-0-0", "sat-0-1", "gw-station0"]
        assert [net.get(name).name for name in asked] == got
        assert "MYSAT-1" in net
        assert "mysat-2" not in net
        assert "70001" not in net, "a port in a line of Mininet's CLI would become an address"
        with pytest.raises(KeyError, match="no node 'MYSAT-2'"):
            net.get("MYSAT-2")
