"""Names that satellites bring from a file: who is meant, what is refused, and host names."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.known_names import FileName, KnownAs
from orbitmesh.emulator.node_names import NodeNames
from orbitmesh.emulator.run.node_specs import tasks_of
from orbitmesh.emulator.scenario.model import Compute

FILE = {
    0: FileName("ISS (ZARYA)", 25544),
    1: FileName("MYSAT-1", 70001),
    2: FileName("TBA", 70002),
    3: FileName("tba", 70003),
    4: FileName("SAT-0-1", 70004),
    5: FileName("GW-London", 70005),
    6: FileName("25544", 70006),
    7: FileName("0x7f", 70007),
    8: FileName("", 70008),
    9: FileName("Спутник", None),
    10: FileName("OBJECT A", 70010),
    11: FileName("OBJECT-A", 70011),
}


def nodes() -> Nodes:
    n = 13
    plane, slot = np.zeros(n, np.int32), np.arange(n, dtype=np.int32)
    names = NodeNames(plane, slot, ["gw-london"])
    return Nodes(names, n, np.zeros(n, np.int32), plane, slot, KnownAs(names, FILE))


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("MYSAT-1", 1), ("mysat-1", 1), ("70001", 1), ("norad-70001", 1), ("NORAD-70001", 1),
        ("iss (zarya)", 0), ("ISS  (ZARYA) ", 0), ("iss-zarya", 0), ("norad-25544", 6),
        ("OBJECT A", 10), ("object-a", 11), ("70008", 8), ("спутник", 9), ("0070010", 10),
        # a node's own name is never another's
        ("sat-0-1", 1), ("gw-london", 13), ("sat-0-4", 4), ("70004", 4), ("70005", 5),
        ("nobody", -1), ("", -1), ("sat-0-13", -1), ("7000", -1), ("0", -1),
    ],
)  # fmt: skip
def test_who_is_meant(name: str, node: int) -> None:
    if name == "norad-25544":
        node = 0  # a number in a name is no catalogue number
    found = nodes()
    assert found.named(name) == node
    assert found.own_name(name) == (found.names[node] if node >= 0 else name)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("TBA", "sat-0-2 (TBA, 70002), sat-0-3 (tba, 70003)"),
        ("25544", "sat-0-0 (ISS (ZARYA), 25544), sat-0-6 (25544, 70006)"),
    ],
)
def test_what_may_be_several_is_refused_with_the_choices(name: str, choices: str) -> None:
    with pytest.raises(InputError) as caught:
        nodes().named(name)
    assert str(caught.value) == (
        f"'{name}' may be 2 satellites: {choices}; "
        "write the node's own name, sat-<plane>-<slot>, or the catalogue number"
    )


def test_host_names() -> None:
    known = nodes().known_as
    assert {node: known.host_names(node) for node in range(13)} == {
        0: ("iss-zarya", "norad-25544"),
        1: ("mysat-1", "norad-70001"),
        2: ("norad-70002",),
        3: ("norad-70003",),
        4: ("norad-70004",),  # sat-0-1 and gw-london are other nodes' own
        5: ("norad-70005",),
        6: ("norad-70006",),  # programs take these two for addresses
        7: ("norad-70007",),
        8: ("norad-70008",),
        9: (),
        10: ("norad-70010",),  # object-a would be two
        11: ("norad-70011",),
        12: (),
    }


def test_what_a_file_cannot_name_is_said() -> None:
    (said,) = nodes().known_as.hidden()
    assert said == (
        "2 satellites of a file have names that another node has: 'SAT-0-1' is that node's own, and the "
        "file's is sat-0-4 (SAT-0-1, 70004); use its own name or its catalogue number"
    )


def test_a_file_that_names_its_satellites_as_we_do_hides_nothing() -> None:
    plane, slot = np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    names = NodeNames(plane, slot)
    known = KnownAs(names, {i: FileName(f"SAT-0-{i}", 100 + i) for i in range(3)})
    assert known.hidden() == []


def test_they_pass_between_processes() -> None:
    again = pickle.loads(pickle.dumps(nodes()))
    assert again.named("mysat-1") == 1
    assert again.known_as.to_dict()["sat-0-0"] == {
        "name": "ISS (ZARYA)",
        "catalog_number": 25544,
        "host_names": ["iss-zarya", "norad-25544"],
    }
    assert again.known_as.said(8) == "sat-0-8 (norad-70008)"
    assert again.known_as.said(1, short=True) == "sat-0-1 (MYSAT-1)"
    assert again.known_as.said(12) == "sat-0-12"


def test_a_task_is_sent_to_the_node_that_is_meant() -> None:
    task = {"kind": "checksum", "size": 10}
    compute = Compute.model_validate(
        {"tasks": [task | {"satellite": name} for name in ("mysat-1", "25545", "nearest", "sat-0-4")]}
    )
    plane, slot = np.zeros(3, np.int32), np.arange(3, dtype=np.int32)
    names = NodeNames(plane, slot, ["gw-london"])
    known = {0: FileName("MYSAT-1", 7), 1: FileName("B", 25545), 2: FileName("Nearest", 8)}
    mesh = Nodes(names, 3, plane, plane, slot, KnownAs(names, known))
    targets = [task.target for task in tasks_of("gw-london", compute, mesh)]
    assert targets == ["sat-0-0", "sat-0-1", "nearest", "sat-0-4"]
