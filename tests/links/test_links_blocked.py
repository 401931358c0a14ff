"""Lasers that can never be there are named before anything is run."""

from __future__ import annotations

from typing import Any

import pytest
from test_links_pattern import fleet

from orbitmesh.emulator.links.lasers import LaserMesh
from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.scenario import Scenario

RUN = {"start": "2026-11-01T00:00:00Z"}


def said(code: str, **lasers: Any) -> list[str]:
    scenario = Scenario.model_validate(
        {"name": "toy", "constellation": {"shells": [{"code": code}]}, "lasers": lasers, "run": RUN}
    )
    return LaserMesh(scenario, fleet({"code": code})).gaps


def test_planes_of_five_at_1200_km_are_blocked_by_the_earth() -> None:
    """A chord of 72 degrees passes 247 km under the ground: 7,578 km · cos 36° = 6,131."""
    (sentence,) = [text for text in said("D:1200:60:20/4/1") if "within its planes" in text]
    assert sentence == (
        "shell 'shell-1': no laser within its planes is ever there: the Earth is in the way "
        "(lasers must pass 80 km above it); put more satellites into a plane, or fly higher"
    )


@pytest.mark.parametrize("code", ["D:550:53:1584/72/39", "S:780:86.4:66/6/1", "D:1400:60:24/4/1"])
def test_shells_that_close_have_nothing_said_of_them(code: str) -> None:
    assert said(code) == []


def test_one_plane_that_is_too_sparse_is_named_by_its_satellites() -> None:
    plane = {"altitude": "780 km", "inclination": "86 deg"}
    planes = [
        plane | {"raan": "0 deg", "satellites": 11},
        plane | {"raan": "30 deg", "satellites": 4},
        plane | {"raan": "60 deg", "satellites": 11},
    ]
    shells = [{"name": "mixed", "star": True, "planes": planes}]
    scenario = Scenario.model_validate({"name": "toy", "constellation": {"shells": shells}, "run": RUN})
    (sentence,) = [text for text in LaserMesh(scenario, fleet(*shells)).gaps if "within its planes" in text]
    assert sentence == (
        "shell 'mixed': 4 of 26 lasers within its planes are at no time there (sat-1-0 to sat-1-1, "
        "sat-1-0 to sat-1-3, sat-1-1 to sat-1-2, …): the Earth is in the way (lasers must pass 80 km "
        'above it); put more satellites into a plane, or fly higher, or let pattern = "nearest" choose'
    )


@pytest.mark.parametrize("name", ["demo", "pocket", "starlink-shell1", "ai1-pilot"])
def test_what_is_shipped_has_nothing_said_of_it(name: str) -> None:
    scenario = Scenario.load(name)
    made = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
    assert LaserMesh(scenario, made).gaps == []


def test_out_of_reach() -> None:
    sentences = said("D:550:53:264/12/0", **{"max-range": "1000 km"})
    assert [text.split(":")[1] for text in sentences] == [" no laser within its planes is ever there"]
    assert "further than they carry; take a stronger terminal" in sentences[0]
