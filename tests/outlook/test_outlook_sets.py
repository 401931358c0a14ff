"""Which pairs are meant by sets of names."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.known_names import FileName, KnownAs
from orbitmesh.emulator.node_names import NodeNames
from orbitmesh.emulator.outlook.figures import names_of
from orbitmesh.emulator.outlook.sets import has_sets, pairs_of
from orbitmesh.emulator.scenario import Scenario


@cache
def demo() -> Geometry:
    return Geometry(Scenario.load("demo"))


def meant(*texts: str, geometry: Geometry | None = None) -> list[tuple[str, str]]:
    geometry = geometry or demo()
    pairs = pairs_of(texts, geometry.nodes, geometry.hosting)
    return [names_of(pairs, geometry.nodes, pair) for pair in range(len(pairs))]


def test_all_gateways_with_all_others() -> None:
    found = meant("gw-*:gw-*")
    assert len(found) == len(set(found)) == 8 * 7
    assert all(a != b and a.startswith("gw-") and b.startswith("gw-") for a, b in found)


def test_a_pattern_is_of_nodes_and_of_stations_whatever_the_case() -> None:
    assert meant("LOND*:gw-tokyo") == meant("gw-lon?on:tokyo") == [("gw-london", "gw-tokyo")]
    assert len(meant("sat-[01]-*:london")) == 22


def test_each_pair_once_in_the_order_of_the_words() -> None:
    assert meant("gw-tokyo:gw-london", "gw-*:gw-london")[:2] == [
        ("gw-tokyo", "gw-london"),
        ("gw-new-york", "gw-london"),
    ]


def test_nearest_is_behind_the_colon() -> None:
    assert meant("gw-lon*:nearest") == [("gw-london", "nearest")]
    with pytest.raises(InputError, match="behind the colon"):
        meant("nearest:gw-london")


def test_a_name_with_a_wildcard_in_it_is_its_node_first() -> None:
    plane, slot = np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    names = NodeNames(plane, slot, ["gw-london"])
    known = KnownAs(names, {0: FileName("NOVA [*]", 101), 1: FileName("NOVA 2", 102)})
    nodes = Nodes(names, 3, plane, plane, slot, known)
    some = np.ones(4, np.bool_)
    assert pairs_of(["nova [*]:gw-london"], nodes, some).sources.tolist() == [0]
    assert pairs_of(["nova*:gw-london"], nodes, some).sources.tolist() == [0, 1]


def test_a_node_with_itself_is_left_out_of_sets_alone() -> None:
    assert meant("gw-london:gw-london") == [("gw-london", "gw-london")]
    assert len(meant("gw-london:gw-*")) == 7


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("gw-x*:gw-london", "no node is called like 'gw-x\\*'"),
        ("gw-lodnon:gw-*", "did you mean 'gw-london'"),
        ("gw-london", "not a pair"),
        ("a:b:c", "not a pair"),
        (":gw-*", "not a pair"),
    ],
)
def test_what_is_wrong_is_said(wrong: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        meant(wrong)


def test_too_many_are_refused_before_they_are_made() -> None:
    shell = Geometry(Scenario.load("starlink-shell1"))
    with pytest.raises(InputError, match=r"more than 100,000 pairs \(1,584 × 1,584\)"):
        meant("sat-*:sat-*", geometry=shell)


def test_which_words_are_sets() -> None:
    assert has_sets(["gw-a:gw-b", "gw-*:gw-b"])
    assert has_sets(["gw-a:nearest"])
    assert not has_sets(["gw-a:gw-nearest"])
