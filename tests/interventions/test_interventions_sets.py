"""Sets of nodes in the names of what fails: the same as those of plans."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from orbitmesh.emulator.errors import InputError, UnknownName
from orbitmesh.emulator.find_node import find_nodes
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.interventions import Named, resolve
from orbitmesh.emulator.node_names import NodeNames
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.faults import name_problem


@cache
def demo() -> tuple[Scenario, Geometry]:
    scenario = Scenario.load("demo")
    return scenario, Geometry(scenario)


def named(what: str) -> Named:
    scenario, geometry = demo()
    return resolve(what, geometry.nodes, scenario.ground.stations, [None])


def names(of: Named) -> list[str]:
    nodes = demo()[1].nodes
    found = [*of.nodes.tolist(), *of.antennas.tolist()]
    return [nodes.names[node] for node in found]


def test_nodes_antennas_and_links_may_be_named_by_sets() -> None:
    nodes = demo()[1].nodes
    gateways = list(nodes.names[nodes.n_satellites :])
    assert names(named("gw-*")) == names(named("gw-*/antenna")) == gateways
    assert len(named("gw-*").nodes) == len(named("gw-*/antenna").antennas) == len(gateways) == 8
    assert named("sat-3-*").nodes.tolist() == named("plane-3").nodes.tolist()
    keys = named("sat-0-*:GW-LON*").links
    london = nodes.index["gw-london"]
    assert [(key >> 32, key & 0xFFFFFFFF) for key in keys.tolist()] == [(a, london) for a in range(11)]
    # whatever the order of the words, once each, and none of a node with itself
    assert named("gw-lon*:sat-0-*").links.tolist() == keys.tolist()
    assert len(named("sat-0-*:sat-0-*").links) == 11 * 10 / 2
    assert len(named("sat-0-*:*-*").links) == 11 * 10 / 2 + 11 * 55 + 11 * 8


@pytest.mark.parametrize(
    ("wrong", "kind", "says"),
    [
        ("gw-x*", UnknownName, r"no node is called like 'gw-x\*'"),
        ("plane-*", InputError, "planes are named singly, as plane-3; sets are of nodes, as sat-3-"),
        ("*" * 257, InputError, "has 257 characters: at most 256 make a name or a set"),
        ("gw-*:gw-*", InputError, "no link that can be"),
        ("sat-0-0:sat-0-[0]", InputError, "no link that can be"),
        ("sat-*/antenna", InputError, "sat-0-0 is a satellite, whose links are lasers"),
        ("*/antenna", InputError, "sat-0-0 is a satellite, whose links are lasers"),
        ("gw-x*/antenna", UnknownName, "no node is called like"),
        ("gw-lodnon", UnknownName, "did you mean 'gw-london'"),
    ],
)
def test_what_is_wrong_with_a_set_is_said(wrong: str, kind: type[InputError], says: str) -> None:
    with pytest.raises(kind, match=says):
        named(wrong)


def test_more_links_than_anybody_means_are_refused() -> None:
    scenario = Scenario.load("starlink-shell1")
    nodes = Geometry(scenario).nodes
    with pytest.raises(InputError, match=r"names 2,509,056 links that could be, and at most 20,000"):
        resolve("sat-*:sat-*", nodes, scenario.ground.stations, [None])
    assert len(resolve("sat-*:gw-lon*", nodes, scenario.ground.stations, [None]).links) == 1584


def test_what_is_within_a_set() -> None:
    gateways, links = named("gw-*"), named("sat-0-*:sat-*")
    assert named("gw-london").is_within(gateways)
    assert gateways.is_within(gateways)
    assert not gateways.is_within(named("gw-london"))
    assert not named("gw-london/antenna").is_within(gateways)
    assert not named("sat-0-0:gw-london").is_within(gateways)
    assert named("sat-0-3:sat-1-3").is_within(links)
    assert not named("sat-1-3:sat-2-3").is_within(links)


def test_a_set_of_gateways_reads_no_name_of_a_satellite() -> None:
    """Of a million that takes a second, while the mesh runs."""
    nodes = demo()[1].nodes

    ends = (0, -1)  # that an error would name

    class Read(NodeNames):
        def __getitem__(self, node):  # type: ignore[no-untyped-def,override]
            assert isinstance(node, slice) or node in ends or node >= nodes.n_satellites, node
            return super().__getitem__(node)

    gateways = [nodes.names[node] for node in range(nodes.n_satellites, len(nodes))]
    plane, slot = (np.asarray(each, np.int32) for each in (nodes.plane, nodes.slot))
    read = type(nodes)(
        Read(plane, slot, gateways), nodes.n_satellites, nodes.shell, plane, slot, nodes.known_as
    )
    assert len(find_nodes("gw-*", read)) == 8


def test_a_scenario_may_name_sets() -> None:
    assert name_problem("gw-t*", ["london"]) is None
    assert name_problem("sat-1-*:gw-t*", ["london"]) is None
    assert name_problem("gw-tokyo", ["london"]) is not None
