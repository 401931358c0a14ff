"""Which plane a run is built on."""

from __future__ import annotations

import numpy as np
import pytest

from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.plane.fake import FakeBackend
from orbitmesh.emulator.plane.planes import WIRED_UP_TO, choose_plane, links_for, make_plane
from orbitmesh.emulator.scenario import loads

TEXT = """
name = "two"
[constellation]
shells = [{ code = "D:550:53:2/1/0" }]
[lasers]
pattern = "none"
[run]
start = 2026-11-01T00:00:00Z
"""


@pytest.mark.parametrize("links", ["engine", "fake"])
def test_auto_takes_the_fabric_for_many_satellites_and_says_why(links: str) -> None:
    few, many = (choose_plane("auto", links, n) for n in (WIRED_UP_TO, WIRED_UP_TO + 1))
    assert (few.name, few.reason) == ("wired", "wired plane (300 satellites; fabric above 300)")
    assert (many.name, many.reason) == ("fabric", "fabric plane (301 satellites; wired up to 300)")


def test_auto_stays_wired_on_links_that_only_it_has() -> None:
    choice = choose_plane("auto", "netem", 1_000_000)
    assert choice.name == "wired"
    assert "1,000,000 satellites, but netem's links" in choice.reason


@pytest.mark.parametrize("asked", ["wired", "fabric"])
def test_a_plane_that_is_named_is_taken(asked: str) -> None:
    for n_satellites in (1, 10_000):
        assert choose_plane(asked, "engine", n_satellites).name == asked


def test_the_fabric_takes_the_engine_and_refuses_netem() -> None:
    assert [links_for("fabric", links) for links in ("auto", "engine", "fake")] == [
        "engine",
        "engine",
        "fake",
    ]
    assert [links_for(plane, "netem") for plane in ("auto", "wired")] == ["netem", "netem"]
    with pytest.raises(InputError, match="netem carries only links of the wired plane"):
        links_for("fabric", "netem")
    with pytest.raises(InputError, match="no plane is named 'fabrik'; there are wired, fabric, auto"):
        links_for("fabrik", "fake")


def test_the_keys_of_a_scenario() -> None:
    plain = loads(TEXT)
    assert (plain.run.plane, plain.run.lengthen_step, plain.engine.wait) == ("auto", False, "adaptive")
    assert plain.engine.awake
    assert not loads(TEXT + "[engine]\nawake = false\n").engine.awake
    chosen = loads(TEXT + 'plane = "fabric"\nlengthen-step = true\n[engine]\nwait = "poll"\n')
    assert (chosen.run.plane, chosen.run.lengthen_step, chosen.engine.wait) == ("fabric", True, "poll")
    with pytest.raises(InputError, match=r"engine\.wait"):
        loads(TEXT + '[engine]\nwait = "hope"\n')


def test_the_wired_plane_refuses_a_background_load() -> None:
    scenario = loads(TEXT + "[background]\nlasers = 0.3\n")
    zeros = np.zeros(2, np.int32)
    nodes = Nodes(("sat-0-0", "sat-1-0"), 2, zeros, np.arange(2, dtype=np.int32), zeros)
    wired, hosting = choose_plane("auto", "fake", 2), np.ones(2, np.bool_)
    with pytest.raises(InputError, match=r"background.*only the fabric carries a background load"):
        make_plane(wired, nodes, scenario, hosting, FakeBackend(), 1, lambda *_: None)
