"""Rows of ``orbitmesh plan``, against the epochs they come from and against closed forms."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from orbitmesh.emulator.constants import SPEED_OF_LIGHT_KM_PER_S
from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.find_node import find_node
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.plan import PlanRow, plan_rows
from orbitmesh.emulator.scenario import Scenario

DEMO = Scenario.load("demo")
START = DEMO.run.start_utc


def rows(*pairs: str, scenario: Scenario = DEMO, **keys: Any) -> list[PlanRow]:
    return list(plan_rows(scenario, pairs, **{"duration_ns": NS_PER_S, "step_ns": NS_PER_S, **keys}))


def test_a_row_for_each_instant_and_pair() -> None:
    found = rows("gw-london:gw-tokyo", "sat-0-0:gw-london", duration_ns=500_000_000, step_ns=100_000_000)
    assert [(row.t_ns, row.src, row.dst) for row in found] == [
        (t_ns, *pair)
        for t_ns in range(0, 500_000_000, 100_000_000)
        for pair in (("gw-london", "gw-tokyo"), ("sat-0-0", "gw-london"))
    ]


def test_a_step_that_does_not_divide_the_duration() -> None:
    assert [row.t_ns for row in rows("london:tokyo", duration_ns=1_000_000_000, step_ns=300_000_000)] == [
        0, 300_000_000, 600_000_000, 900_000_000,
    ]  # fmt: skip


def test_what_is_not_given_is_the_scenarios() -> None:
    found = list(plan_rows(DEMO, ["london:tokyo"]))
    assert [row.t_ns for row in found] == list(range(0, 60 * NS_PER_S, NS_PER_S))


def test_the_round_trip_is_twice_the_path_at_light_speed() -> None:
    place = Geometry(DEMO).epoch_at(30 * NS_PER_S).positions_itrs_km
    nodes = Geometry(DEMO).nodes
    (row,) = rows("gw-london:gw-sydney", start_utc=START + timedelta(seconds=30))
    on_the_way = place[[nodes.index[name] for name in row.path]]
    length_km = np.linalg.norm(np.diff(on_the_way, axis=0), axis=1).sum()
    assert row.rtt_ns == pytest.approx(2e9 * length_km / SPEED_OF_LIGHT_KM_PER_S, abs=0.51)
    assert (row.path[0], row.path[-1], row.hops) == ("gw-london", "gw-sydney", len(row.path) - 1)
    assert type(row.rtt_ns) is int
    # 17,000 km round the Earth: at least the chord through it, at most some detours
    assert 2e9 * 12_400 / SPEED_OF_LIGHT_KM_PER_S < row.rtt_ns < 250_000_000


def test_both_ways_take_as_long() -> None:
    there, back = rows("gw-london:gw-tokyo", "gw-tokyo:gw-london")
    assert there.rtt_ns is not None
    assert back.rtt_ns == pytest.approx(there.rtt_ns, abs=100)  # ties of 1 ns a hop
    assert there.hops == len(back.path) - 1


def test_any_start_is_an_instant_of_the_same_orbits() -> None:
    (direct,) = rows("london:tokyo", start_utc=START + timedelta(seconds=7))
    later = rows("london:tokyo", duration_ns=8 * NS_PER_S)[7]
    assert (direct.rtt_ns, direct.path) == (later.rtt_ns, later.path)
    assert rows("london:tokyo", start_utc=START - timedelta(hours=3))[0].path


def test_a_node_to_itself() -> None:
    assert rows("sat-3-7:sat-3-7") == [PlanRow(0, "sat-3-7", "sat-3-7", 0, 0, ("sat-3-7",))]


def test_satellites_that_host_nothing_can_be_asked_about() -> None:
    shell = Scenario.load("starlink-shell1")
    (row,) = rows("sat-3-7:sat-70-1", scenario=shell)
    assert not Geometry(shell).hosting[[3 * 22 + 7, 70 * 22 + 1]].any()
    assert row.path[-1] == "sat-70-1"


def test_no_way_is_empty() -> None:
    apart = DEMO.model_copy(update={"lasers": DEMO.lasers.model_copy(update={"pattern": "none"})})
    assert rows("gw-london:gw-tokyo", scenario=apart) == [
        PlanRow(0.0, "gw-london", "gw-tokyo", None, None, ())
    ]


def test_a_station_may_be_named_without_its_prefix() -> None:
    nodes = Geometry(DEMO).nodes
    assert find_node("london", nodes) == find_node("gw-london", nodes) == 66


def test_a_nodes_own_name_goes_before_a_stations() -> None:
    station = DEMO.ground.stations[0].model_copy(update={"name": "sat-0-0"})
    ground = DEMO.ground.model_copy(update={"stations": (station,)})
    nodes = Geometry(DEMO.model_copy(update={"ground": ground})).nodes
    assert find_node("sat-0-0", nodes) == 0
    assert find_node("gw-sat-0-0", nodes) == 66


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("gw-londn:gw-tokyo", r"there is no node 'gw-londn': did you mean 'gw-london'\?"),
        ("londno:gw-tokyo", r"there is no node 'londno': did you mean 'london'\?"),
        ("gw-tokyo:sat-6-0", r"there is no node 'sat-6-0': did you mean 'sat-\d+-\d+'\?"),
        ("gw-tokyo:qqqqq", "there is no node 'qqqqq': nodes: gw-london, "),
        ("gw-tokyo", "'gw-tokyo' is not a pair of nodes: write A:B"),
        ("a:b:c", "'a:b:c' is not a pair"),
        (":gw-tokyo", "':gw-tokyo' is not a pair"),
    ],
)
def test_a_wrong_pair_is_an_input_error_before_any_row(pair: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan_rows(DEMO, [pair])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"start_utc": datetime(2026, 11, 1)}, "has no offset from UTC: write 2026-11-01T00:00:00Z"),
        ({"step_ns": 0}, "must be above 0"),
        ({"duration_ns": -1}, "must be above 0"),
        ({"step_ns": 5}, "makes 12,000,000,000 rows, more than 10,000,000: take a shorter duration"),
    ],
)
def test_wrong_times(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        plan_rows(DEMO, ["london:tokyo"], **keys)


def test_no_pair() -> None:
    with pytest.raises(InputError, match="no pair of nodes is given"):
        plan_rows(DEMO, [])


def test_a_name_that_nobody_has_is_cut() -> None:
    with pytest.raises(InputError) as caught:
        find_node("x" * 100_000, Geometry(DEMO).nodes)
    assert "there is no node 'xxx" in str(caught.value)
    assert len(str(caught.value)) < 500
