"""When a pair has a way: intervals without a gap, their edges where the geometry changes."""

from __future__ import annotations

import numpy as np

from orbitmesh.emulator.contact_plan import TOLERANCE_NS, next_way, ways
from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.links.contacts import station_contacts
from orbitmesh.emulator.links.passes import states_of
from orbitmesh.emulator.links.visibility import Stations
from orbitmesh.emulator.orbit import Fleet, station_positions_itrs_km, station_zeniths_itrs
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.scenario import loads

LONELY = """
name = "lonely"
[constellation]
shells = [{ code = "D:600:53:1/1/0" }]
[lasers]
pattern = "none"
[ground]
min-elevation = "5 deg"
policy = "nearest"
[[ground.stations]]
name = "quito"
latitude = "-0.18 deg"
longitude = "-78.47 deg"
[run]
start = 2026-11-01T00:00:00Z
duration = "36 h"
step = "60 s"
"""


def test_ways_to_a_lonely_satellite_are_its_passes() -> None:
    scenario = loads(LONELY)
    geometry, run = Geometry(scenario), scenario.run
    found = list(ways(geometry, 1, 0, 0, run.duration_ns, run.step_ns))
    assert [each.begin_sim_ns for each in found[1:]] == [each.end_sim_ns for each in found[:-1]]
    assert (found[0].begin_sim_ns, found[-1].end_sim_ns) == (0, run.duration_ns)
    fleet = Fleet.build(scenario.constellation, run.start_utc, scenario.base)
    ground = scenario.ground
    stations = Stations.of(
        ground,
        station_positions_itrs_km(ground.stations, ground.ellipsoid),
        station_zeniths_itrs(ground.stations),
    )
    passes = station_contacts(
        stations,
        np.array([0]),
        np.array([0]),
        lambda who, when: states_of(fleet, who, when),
        0,
        run.duration_ns,
    )
    there = [each for each in found if each.path is not None]
    assert len(there) == len(passes) >= 3
    for interval, (begin_ns, end_ns) in zip(there, passes.of(0), strict=True):
        assert interval.path == (1, 0)
        assert 0 <= interval.begin_sim_ns - begin_ns <= TOLERANCE_NS
        assert abs(interval.end_sim_ns - end_ns) <= TOLERANCE_NS
        # light from the horizon of 5 degrees at 600 km: 2,330 km
        assert interval.begin_delay_ns is not None
        assert 7.7e6 < interval.begin_delay_ns < 7.85e6
    after_ns = passes.of(0)[0][1] + NS_PER_S
    again_ns = next_way(geometry, 1, 0, after_ns, run.duration_ns, run.step_ns)
    assert again_ns is not None
    assert abs(again_ns - there[1].begin_sim_ns) <= TOLERANCE_NS
    assert (
        next_way(geometry, 1, 0, passes.of(0)[0][1] + NS_PER_S, there[1].begin_sim_ns - NS_PER_S, run.step_ns)
        is None
    )


def test_each_path_of_a_constellation_holds_where_the_run_would_take_it() -> None:
    scenario = Scenario.load("demo")
    geometry = Geometry(scenario)
    source, destination = geometry.nodes.index["gw-london"], geometry.nodes.index["gw-tokyo"]
    found = list(ways(geometry, source, destination, 0, 300 * NS_PER_S, NS_PER_S * 10))
    assert len(found) > 1
    epochs = geometry.epochs(0, NS_PER_S * 10)
    for k in range(30):
        epoch = next(epochs)
        assert epoch.sim_ns == k * 10 * NS_PER_S
        interval = next(each for each in found if each.begin_sim_ns <= epoch.sim_ns < each.end_sim_ns)
        assert epoch.path(source, destination) == interval.path
