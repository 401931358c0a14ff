"""Names that are made as they are asked for, against the tuple and the dict that they stand for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.node_names import NodeIndex, NodeNames

SLOTS = (3, 1, 12)
GATEWAYS = ("gw-here", "gw-there")
WRITTEN = (*(f"sat-{p}-{k}" for p, size in enumerate(SLOTS) for k in range(size)), *GATEWAYS)


@pytest.fixture
def names() -> NodeNames:
    plane = np.repeat(np.arange(len(SLOTS)), SLOTS).astype(np.int32)
    slot = np.concatenate([np.arange(size) for size in SLOTS]).astype(np.int32)
    return NodeNames(plane, slot, GATEWAYS)


def test_they_are_those_written_down(names: NodeNames) -> None:
    assert names == WRITTEN
    assert names == WRITTEN
    assert tuple(names) == WRITTEN
    assert [names[i] for i in range(-len(names), len(names))] == [*WRITTEN, *WRITTEN]
    assert hash(names) == hash(WRITTEN)
    assert names != WRITTEN[:-1]
    with pytest.raises(IndexError):
        names[len(WRITTEN)]


@pytest.mark.parametrize(
    "part", [slice(4), slice(16, None), slice(-3, None), slice(2, 14, 5), slice(None, None, -1)]
)
def test_a_slice_is_as_that_of_a_tuple(names: NodeNames, part: slice) -> None:
    some, written = names[part], WRITTEN[part]
    assert some == written
    assert [some.index(name) for name in written] == list(range(len(written)))
    assert [name in some for name in WRITTEN] == [name in written for name in WRITTEN]


def test_each_name_is_found_and_no_other(names: NodeNames) -> None:
    index = NodeIndex(names)
    assert dict(index) == {name: i for i, name in enumerate(WRITTEN)}
    for wrong in (
        "sat-0-3",
        "sat-1-1",
        "sat-3-0",
        "sat-00-1",
        "sat-0-01",
        "sat-0--1",
        "sat-0-0 ",
        "sat-٠-0",
        "gw-",
    ):
        assert wrong not in index
        assert wrong not in names
        with pytest.raises(ValueError, match="is not among the names"):
            names.index(wrong)
    assert index.get("sat-999999999-999999999", -1) == -1


def test_nodes_survive_a_pickle(names: NodeNames) -> None:
    zero = np.zeros(16, np.int32)
    nodes = pickle.loads(pickle.dumps(Nodes(names, 16, zero, zero, zero)))
    assert (nodes.names, nodes.index["gw-there"], nodes.n_gateways) == (WRITTEN, 17, 2)
