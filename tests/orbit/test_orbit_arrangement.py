"""A file in any order gives the neighbours of the shell that it holds, and says how well that fits."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sgp4.api import WGS72, Satrec
from sgp4.exporter import export_tle

from orbitmesh.emulator.orbit import Arrangement, Fleet
from orbitmesh.emulator.scenario.constellation import Constellation

START = datetime(2026, 11, 1, tzinfo=UTC)
SGP4_EPOCH = datetime(1949, 12, 31, tzinfo=UTC)


def walker(code: str) -> list[Satrec]:
    """Of a code, by plane and slot; the numbers are those places."""
    fleet = Fleet.build(Constellation.model_validate({"shells": [{"code": code}]}), START, Path())
    return [each.satrec for each in fleet.elements]


def entry(number: int, satrec: Satrec, epoch: datetime = START, **changed: float) -> str:
    """Two lines of a satellite like another, under its own number and name, with some angles turned (rad)."""
    made = Satrec()
    made.sgp4init(
        WGS72, "i", number, (epoch - SGP4_EPOCH) / timedelta(days=1), 0.0, 0.0, 0.0, satrec.ecco,
        satrec.argpo, satrec.inclo + changed.get("tilt", 0.0),
        (satrec.mo + changed.get("ahead", 0.0)) % (2 * np.pi),
        satrec.no_kozai, (satrec.nodeo + changed.get("east", 0.0)) % (2 * np.pi),
    )  # fmt: skip
    made.classification, made.intldesg = "U", "26001A"
    made.elnum, made.revnum, made.ephtype = 1, 1, 0
    return "\n".join([f"SHELL {number}", *export_tle(made)])


def built(folder: Path, entries: list[str], shape: list[int], *, star: bool = False) -> Fleet:
    (folder / "shell.tle").write_text("\n".join(entries) + "\n")
    shell = {"name": "flying", "tle": "shell.tle", "shape": shape, "star": star}
    return Fleet.build(Constellation.model_validate({"shells": [shell]}), START, folder)


def neighbours(fleet: Fleet) -> set[frozenset[int]]:
    """Across planes and along them, as pairs of catalogue numbers."""
    (layout,) = fleet.shells
    number = [each.catalog for each in fleet.elements]
    pairs = {frozenset((number[a], number[b])) for a, b in layout.cross_plane_pairs().tolist()}
    first = 0
    for size in layout.slots:
        ring = number[first : first + size]
        pairs |= {frozenset(pair) for pair in zip(ring, [*ring[1:], ring[0]], strict=True)}
        first += size
    return pairs


SHELLS = [
    pytest.param("D:550:53:60/6/1", False, id="delta"),
    pytest.param("D:550:53:60/6/0", False, id="delta without phasing"),
    pytest.param("D:550:53:60/6/5", False, id="delta, nearly a slot ahead"),
    pytest.param("D:1200:104:40/5/2", False, id="retrograde"),
    pytest.param("S:780:86.4:66/6/3", True, id="star, half a slot ahead"),
    pytest.param("D:600:50:24/1/0", False, id="one plane"),
]


@pytest.mark.parametrize(("code", "star"), SHELLS)
@pytest.mark.parametrize("seed", range(5))
def test_a_shuffled_file_has_the_neighbours_of_its_shell(
    tmp_path: Path, code: str, star: bool, seed: int
) -> None:
    shell = walker(code)
    planes = int(code.split("/")[1])
    entries = [entry(101 + i, each) for i, each in enumerate(shell)]
    shape = [planes, len(shell) // planes]
    sorted_file = built(tmp_path, entries, shape, star=star)
    assert sorted_file.arrangements[0].order == "file"
    assert [each.catalog for each in sorted_file.elements] == [*range(101, 101 + len(shell))]
    random.Random(seed).shuffle(entries)
    shuffled = built(tmp_path, entries, shape, star=star)
    (arrangement,) = shuffled.arrangements
    assert arrangement.order == "found"
    assert arrangement.caution() == []
    assert arrangement.fit.node_deg < 0.001
    assert arrangement.fit.slot_deg < 0.02  # the lines hold four digits of a degree
    assert neighbours(shuffled) == neighbours(sorted_file)
    if not star:  # the file's first is the first
        assert entries[0].startswith(f"SHELL {shuffled.elements[0].catalog}\n")


def test_elements_of_several_days_are_carried_to_one_instant(tmp_path: Path) -> None:
    """Nodes of a shell at 53 degrees drift by 4.5 degrees a day, more than half of the planes' spacing."""
    shell, shape = walker("D:550:53:240/48/7"), [48, 5]
    entries, early = [], {}
    rates = shell[0]
    for i, each in enumerate(shell):
        days = i * 7 % 5
        minutes = -days * 1440.0
        drift = {"east": rates.nodedot * minutes, "ahead": (rates.mdot + rates.argpdot) * minutes}
        entries.append(entry(101 + i, each, START - timedelta(days=days), **drift))
        early[days] = True
    assert len(early) == 5
    sorted_file = built(tmp_path, entries, shape)
    random.Random(1).shuffle(entries)
    shuffled = built(tmp_path, entries, shape)
    assert shuffled.arrangements[0].order == "found"
    assert shuffled.arrangements[0].fit.node_deg < 0.01
    assert neighbours(shuffled) == neighbours(sorted_file)


def test_the_fit_is_the_largest_distance_from_an_even_shell(tmp_path: Path) -> None:
    shell = walker("D:550:53:60/6/1")
    turned = {7: {"east": np.radians(0.6)}, 31: {"ahead": np.radians(2.0)}}
    entries = [entry(101 + i, each, **turned.get(i, {})) for i, each in enumerate(shell)]
    random.Random(3).shuffle(entries)
    (arrangement,) = built(tmp_path, entries, [6, 10]).arrangements
    # of ten, one that is off moves the mean that the others are held against
    assert arrangement.fit.node_deg == pytest.approx(0.6 * 9 / 10, abs=0.01)
    assert arrangement.fit.slot_deg == pytest.approx(2.0 * 9 / 10, abs=0.02)
    assert arrangement.fit.plane_deg == pytest.approx(0.06 * 5 / 6, abs=0.005)
    assert arrangement.caution() == []
    assert str(arrangement) == (
        "flying: planes and slots found, since the file is not sorted by them; at most 0.54 deg from a "
        "plane's node and 1.80 deg from an even slot, planes 0.05 deg from every 60 deg"
    )


def test_a_shape_that_is_not_that_of_the_shell_is_warned_of(tmp_path: Path) -> None:
    entries = [entry(101 + i, each) for i, each in enumerate(walker("D:550:53:60/6/1"))]
    (arrangement,) = built(tmp_path, entries, [10, 6]).arrangements
    (caution,) = arrangement.caution()
    assert caution.startswith("shell 'flying' is no even shell of 10 planes of 6: ")
    assert "deg from its plane's" in caution
    assert arrangement.to_dict()["is_poor"] is True


def test_planes_of_two_inclinations_are_warned_of(tmp_path: Path) -> None:
    shell = walker("D:550:53:60/6/1")
    entries = [entry(101 + i, each, tilt=np.radians(17.0 * (i % 2))) for i, each in enumerate(shell)]
    (caution,) = built(tmp_path, entries, [6, 10]).arrangements[0].caution()
    assert "inclinations in a plane differ by 8.5 deg" in caution


def test_a_file_without_a_shape_keeps_its_order(tmp_path: Path) -> None:
    entries = [entry(101 + i, each) for i, each in enumerate(walker("D:550:53:12/3/1"))]
    random.Random(2).shuffle(entries)
    (tmp_path / "shell.tle").write_text("\n".join(entries) + "\n")
    made = Fleet.build(Constellation.model_validate({"shells": [{"tle": "shell.tle"}]}), START, tmp_path)
    assert [f"SHELL {each.catalog}" for each in made.elements] == [each.split("\n")[0] for each in entries]
    (arrangement,) = made.arrangements
    assert (arrangement.order, arrangement.caution()) == ("no shape", [])
    assert str(arrangement) == "shell-1: 12 satellites as one plane, in the file's order (no shape)"


def test_a_file_that_is_sorted_the_other_way_round_keeps_its_order(tmp_path: Path) -> None:
    entries = [entry(101 + i, each) for i, each in enumerate(walker("D:550:53:60/6/1"))][::-1]
    made = built(tmp_path, entries, [6, 10])
    assert made.arrangements[0].order == "file"
    assert [each.catalog for each in made.elements] == [*range(160, 100, -1)]


def test_generated_shells_have_no_arrangement() -> None:
    made = Fleet.build(Constellation.model_validate({"shells": [{"code": "D:550:53:4/2/0"}]}), START, Path())
    none: tuple[Arrangement, ...] = ()
    assert made.arrangements == none
    assert dict(made.file_names) == {}
