"""A station that nobody ever sees is refused; one with gaps is warned of."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.links.coverage import Window, check_coverage, reach
from orbitmesh.emulator.links.visibility import Stations
from orbitmesh.emulator.orbit import Fleet, station_positions_itrs_km, station_zeniths_itrs
from orbitmesh.emulator.scenario import Scenario, loads

TEXT = """name = "toy"
[constellation]
shells = [{{ {shell} }}]
[ground]
min-elevation = "{mask} deg"
[[ground.stations]]
name = "quito"
latitude = "-0.2 deg"
longitude = "-78.5 deg"
[[ground.stations]]
name = "there"
latitude = "{latitude} deg"
longitude = "{longitude} deg"
{limit}
[run]
start = 2026-11-01T00:00:00Z
duration = "{duration}"
"""
STARLINK = 'code = "D:550:53:1584/72/39"'
GEO = (
    'planes = [{ altitude = "35786 km", inclination = "0 deg", raan = "0 deg", '
    'phase = "321 deg", satellites = 1 }]'  # over 80 deg west at the start
)


def toy(
    shell: str = STARLINK,
    latitude: float = 0.0,
    longitude: float = 0.0,
    limit: str = "",
    duration: str = "60 s",
    mask: float = 25,
) -> tuple[Scenario, Fleet, Stations]:
    text = TEXT.format(
        shell=shell, latitude=latitude, longitude=longitude, limit=limit, duration=duration, mask=mask
    )
    scenario = loads(text)
    fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
    places = scenario.ground.stations
    return (
        scenario,
        fleet,
        Stations.of(
            scenario.ground, station_positions_itrs_km(places, "WGS84"), station_zeniths_itrs(places)
        ),
    )


@pytest.mark.parametrize(
    ("latitude", "limit", "said"),
    [
        (85.0, "", r"none rises \(the best stays \d.* below the horizon\); move it"),
        (-64.5, "", r"highest stands at 1\d\.\d deg, where the mask is 25 deg; lower its min-elevation"),
        (0.0, 'max-slant-range = "400 km"', r"nearest is 5\d\d km away.*400 km; raise its max-slant-range"),
    ],
)
def test_a_station_out_of_reach_is_refused_with_the_next_step(latitude: float, limit: str, said: str) -> None:
    scenario, fleet, stations = toy(latitude=latitude, limit=limit)
    with pytest.raises(ScenarioError, match=rf"'there' never sees a satellite: .*{said}") as caught:
        check_coverage(scenario, fleet, stations, whole(scenario))
    assert caught.value.key == "ground.stations[1]"
    assert caught.value.line == 10


def test_a_station_that_the_orbit_could_pass_and_does_not() -> None:
    scenario, fleet, stations = toy(GEO, longitude=100.0)
    with pytest.raises(
        ScenarioError, match="'there' never sees a satellite: in the day from the start none rises"
    ):
        check_coverage(scenario, fleet, stations, whole(scenario))


def test_shipped_scenarios_are_seen_all_the_time(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("demo", "pocket", "starlink-shell1"):
        scenario = Scenario.load(name)
        fleet = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base)
        places = scenario.ground.stations
        check_coverage(
            scenario,
            fleet,
            Stations.of(
                scenario.ground, station_positions_itrs_km(places, "WGS84"), station_zeniths_itrs(places)
            ),
            whole(scenario),
        )
    assert caplog.records == []


def test_a_gap_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    scenario, fleet, stations = toy('code = "D:550:53:120/6/1"', latitude=40, duration="1 h")
    with caplog.at_level(logging.WARNING):
        check_coverage(scenario, fleet, stations, whole(scenario))
    assert any(
        "station there sees no satellite in" in text and "of 61 samples" in text for text in caplog.messages
    )


def test_a_run_too_short_to_see_anybody_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    shell = 'planes = [{ altitude = "550 km", inclination = "53 deg", raan = "0 deg", satellites = 1 }]'
    scenario, fleet, stations = toy(shell, latitude=40, longitude=10, mask=5)
    with caplog.at_level(logging.WARNING):
        check_coverage(scenario, fleet, stations, whole(scenario))
    assert any(
        "station there sees no satellite during the run (the next one " in text for text in caplog.messages
    )


def test_no_stations_nothing_to_check() -> None:
    scenario, fleet, stations = toy()
    check_coverage(scenario, fleet, stations.subset([]), whole(scenario))


@pytest.mark.parametrize("code", ["D:550:53:120/6/1", "S:780:86.4:66/6/1", "D:1200:30:40/5/1"])
def test_no_satellite_does_better_than_its_reach(code: str) -> None:
    _, fleet, _ = toy(f'code = "{code}"')
    latitude = np.radians(np.arange(-90, 91, 10.0))
    zenith = np.column_stack([np.cos(latitude), np.zeros_like(latitude), np.sin(latitude)])
    m = len(latitude)
    places = Stations(
        tuple(map(str, range(m))), 6370.0 * zenith, zenith, np.zeros(m), np.full(m, np.inf), (1,) * m
    )
    elevation_rad, range_km = reach(places, fleet)
    times = np.arange(0, 86_400, 300, dtype=np.int64) * NS_PER_S
    position = fleet.states_itrs(times).position_km
    for time in range(len(times)):
        look = places.look(position[:, time])
        assert (np.arcsin(look.sine_elevation) <= elevation_rad + 1e-9).all()
        assert (look.range_km >= range_km - 1e-9).all()


def whole(scenario: Scenario) -> Window:
    return Window(0, scenario.run.duration_ns)


def test_the_window_is_what_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    scenario, fleet, both = toy('code = "D:780:60:1/1/0"')
    stations = both.subset([1])
    day_ns = 24 * 3600 * 10**9
    seen = [
        t for t in range(0, day_ns, 30 * 10**9)
        if stations.look(fleet.states_itrs(np.array([t])).position_km[:, 0]).visible.any()
    ]  # fmt: skip
    with caplog.at_level(logging.WARNING):
        check_coverage(scenario, fleet, stations, Window(seen[0], 10**9, "plan"))
        assert not caplog.records
        check_coverage(scenario, fleet, stations, Window(seen[0] + 1800 * 10**9, 10**9, "plan"))
    assert "sees no satellite during the plan" in caplog.text
