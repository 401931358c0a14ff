"""Ways of many pairs over time, against the epochs that they come from, and against closed forms."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from orbitmesh.emulator.constants import EARTH_MEAN_RADIUS_KM
from orbitmesh.emulator.epoch import NS_PER_S, UNUSED
from orbitmesh.emulator.errors import ProcessDied
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.links.coverage import Window
from orbitmesh.emulator.orbit import station_positions_itrs_km
from orbitmesh.emulator.outlook.elsewhere import Elsewhere
from orbitmesh.emulator.outlook.figures import contact_table, pair_figures
from orbitmesh.emulator.outlook.line import shortest_line_km
from orbitmesh.emulator.outlook.sets import Pairs, pairs_of
from orbitmesh.emulator.outlook.sweep import Sweep, sweep
from orbitmesh.emulator.plan import PlanWindow, plan_rows
from orbitmesh.emulator.scenario import Scenario

DEMO, SHELL = Scenario.load("demo"), Scenario.load("starlink-shell1")
STEP_NS = 20 * NS_PER_S
WORDS = ("gw-*:gw-tokyo", "gw-london:nearest", "sat-0-0:gw-sydney")


def swept(
    scenario: Scenario, words: tuple[str, ...], n: int, n_processes: int
) -> tuple[Sweep, Pairs, Geometry]:
    window = PlanWindow(0, n * STEP_NS, STEP_NS)
    geometry = Geometry(scenario, Window(0, window.duration_ns, "plan"))
    pairs = pairs_of(words, geometry.nodes, geometry.hosting)
    found = sweep(scenario, geometry, window, pairs, paths=True, n_processes=n_processes)
    return found, pairs, geometry


@cache
def alone() -> tuple[Sweep, Pairs, Geometry]:
    return swept(DEMO, WORDS, 60, 1)


def test_delays_and_paths_are_those_of_the_plan_row_by_row() -> None:
    found, pairs, geometry = alone()
    rows = list(plan_rows(DEMO, WORDS, duration_ns=60 * STEP_NS, step_ns=STEP_NS))
    assert len(rows) == 60 * len(pairs)
    path: dict[int, tuple[str, ...]] = {}
    for at, row in enumerate(rows):
        k, pair = divmod(at, len(pairs))
        if (k, pair) in found.paths:
            path[pair] = tuple(geometry.nodes.names[node] for node in found.paths[k, pair])
        assert path[pair] == row.path
        if row.rtt_ns is None:
            assert found.delay_ns[k, pair] == np.inf
        else:
            assert 2 * found.delay_ns[k, pair] == pytest.approx(row.rtt_ns, abs=1)
            assert geometry.nodes.names[found.end[k, pair]] == row.dst


def test_a_path_is_told_where_another_begins_and_nowhere_else() -> None:
    found, pairs, _ = alone()
    assert {pair for k, pair in found.paths if k == 0} == set(range(len(pairs)))
    path: dict[int, tuple[int, ...]] = {}
    for k, pair in sorted(found.paths):
        assert found.paths[k, pair] != path.get(pair)
        path[pair] = found.paths[k, pair]
    assert len(found.paths) > len(pairs), "no path changed: the window does not test this"


@pytest.mark.parametrize("scenario", [DEMO, SHELL], ids=lambda scenario: scenario.name)
def test_parted_among_processes_it_is_the_same_to_the_last_digit(scenario: Scenario) -> None:
    """In starlink-shell1 stations hold on to satellites: what a part begins with is not what it should be."""
    words = ("gw-london:gw-*", "gw-tokyo:nearest")
    one, _, _ = swept(scenario, words, 45, 1)
    three, _, _ = swept(scenario, words, 45, 3)
    for mine, theirs in zip(one._arrays(), three._arrays(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert one.paths == three.paths


def test_what_fails_elsewhere_is_raised_here() -> None:
    with Elsewhere(("no scenario",)) as other, pytest.raises(ProcessDied, match="status 1"):
        other.result()


def test_figures_of_a_pair_are_those_of_its_rows() -> None:
    found, pairs, geometry = alone()
    rows = list(plan_rows(DEMO, WORDS, duration_ns=60 * STEP_NS, step_ns=STEP_NS))
    for pair, each in enumerate(pair_figures(found, pairs, geometry.nodes, STEP_NS)):
        mine = rows[pair :: len(pairs)]
        rtts = sorted(row.rtt_ns for row in mine if row.rtt_ns is not None)
        assert (each.rtt_least_ns, each.rtt_worst_ns) == (
            pytest.approx(rtts[0], abs=1), pytest.approx(rtts[-1], abs=1),
        )  # fmt: skip
        assert each.rtt_p50_ns == pytest.approx(rtts[(len(rtts) - 1) // 2], abs=1)
        assert each.available_ratio == len(rtts) / 60
        assert each.path_changes == sum(a.path != b.path for a, b in itertools.pairwise(mine))
        assert mine[(each.worst_t_ns or 0) // STEP_NS].rtt_ns == pytest.approx(rtts[-1], abs=1)
        assert each.stretch_p50_ratio is not None
        assert each.stretch_p50_ratio >= 1 - 0.006, (
            "no way is shorter than the line, but for the Earth's shape"
        )


def made(ways: list[int]) -> Sweep:
    """One pair; a number for each instant's path, 0: none."""
    delay_ns = np.array([[1e6 * way if way else np.inf] for way in ways])
    mark = np.array([[way] for way in ways], np.uint64)
    stretch = np.where(np.isfinite(delay_ns), 1.5, np.nan).astype(np.float32)
    paths = {(k, 0): ((0, 1) if way else ()) for k, way in enumerate(ways) if k == 0 or way != ways[k - 1]}
    return Sweep(delay_ns, mark, np.where(mark == 0, UNUSED, 1).astype(np.int32), stretch, paths)


def test_outages_and_changes_in_a_row_by_hand() -> None:
    _, _, geometry = alone()
    pair = Pairs(np.array([0], np.int32), np.array([1], np.int32), np.array([], np.int32))
    (each,) = pair_figures(made([0, 0, 3, 3, 4, 0, 0, 0, 3, 0]), pair, geometry.nodes, NS_PER_S)
    assert (each.available_ratio, each.longest_outage_ns, each.path_changes) == (0.4, 3 * NS_PER_S, 5)
    assert (each.rtt_least_ns, each.rtt_p50_ns, each.rtt_worst_ns, each.worst_t_ns) == (
        6_000_000, 6_000_000, 8_000_000, 4 * NS_PER_S,
    )  # fmt: skip
    (never,) = pair_figures(made([0, 0]), pair, geometry.nodes, NS_PER_S)
    assert (never.rtt_p50_ns, never.available_ratio, never.longest_outage_ns) == (None, 0.0, 2 * NS_PER_S)


def test_the_contact_table_covers_the_window_without_a_gap() -> None:
    _, _, geometry = alone()
    pair = Pairs(np.array([0], np.int32), np.array([1], np.int32), np.array([], np.int32))
    rows = list(contact_table(made([0, 3, 3, 4]), pair, geometry.nodes, NS_PER_S, 3_500_000_000))
    assert [(row.begin_ns, row.end_ns, row.begins, row.ends, bool(row.path)) for row in rows] == [
        (0, 1_000_000_000, False, True, False),
        (1_000_000_000, 3_000_000_000, True, True, True),
        (3_000_000_000, 3_500_000_000, True, False, True),
    ]
    assert (rows[1].rtt_begin_ns, rows[1].rtt_last_ns, rows[1].hops) == (6_000_000, 6_000_000, 1)


def test_the_line_between_two_stations_is_the_geodesic() -> None:
    """JFK to LHR, 5,551.759 km on WGS84: the example of GeographicLib (GeodSolve -i)."""
    ground = DEMO.ground
    jfk, lhr = (
        station.model_copy(
            update={"latitude_rad": np.radians(latitude), "longitude_rad": np.radians(longitude)}
        )
        for station, latitude, longitude in zip(ground.stations, (40.6, 51.6), (-73.8, -0.5), strict=False)
    )
    a, b = station_positions_itrs_km((jfk, lhr), ground.ellipsoid)
    assert shortest_line_km(a[None], b[None])[0] == pytest.approx(5551.7594, rel=0.006)


def test_the_line_is_straight_where_nothing_is_between_and_bends_around_the_earth_where_it_is() -> None:
    r = EARTH_MEAN_RADIUS_KM
    above, beside = np.array([[r + 550.0, 0, 0]]), np.array([[r, 300.0, 0]])
    assert shortest_line_km(above, beside)[0] == pytest.approx(np.hypot(550, 300))
    other_side = np.array([[-(r + 550.0), 0, 0]])
    tangent, angle = np.sqrt((r + 550) ** 2 - r**2), np.arccos(r / (r + 550))
    assert shortest_line_km(above, other_side)[0] == pytest.approx(2 * tangent + r * (np.pi - 2 * angle))
    # a moment before and after it touches the Earth: no step
    a = np.array([[r + 550.0, 0, 0]])
    turned = [2 * angle - 1e-6, 2 * angle + 1e-6]
    lines = [float(shortest_line_km(a, (r + 550) * np.array([[np.cos(t), np.sin(t), 0]]))[0]) for t in turned]
    assert lines[1] - lines[0] == pytest.approx(2e-6 * (r + 550) * r / (r + 550), rel=1e-3)


def test_no_way_of_the_shell_is_shorter_than_the_line() -> None:
    found, _, _ = swept(SHELL, ("gw-*:gw-*",), 3, 1)
    stretch = found.stretch_ratio[np.isfinite(found.delay_ns)]
    assert stretch.min() > 0.994
    assert np.median(stretch) < 1.6
