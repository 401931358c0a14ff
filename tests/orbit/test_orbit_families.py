"""Satellites interpolated in their family against SGP4 for each of them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sgp4.api import SatrecArray

from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.errors import ElementsError
from orbitmesh.emulator.orbit import Fleet, States
from orbitmesh.emulator.orbit.families import FAMILY_ERROR_KM
from orbitmesh.emulator.orbit.propagate import states_itrs
from orbitmesh.emulator.scenario.constellation import Constellation

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY_NS = 86_400 * NS_PER_S
VELOCITY_TOLERANCE_KM_PER_S = 1e-9  # 1 µm/s: as a share of the velocity it is more than 1 mm is of the place
DUT1_S = 0.3


def fleet(*shells: dict[str, Any], **more: Any) -> Fleet:
    made = {"shells": list(shells), "dut1-seconds": DUT1_S, **more}
    return Fleet.build(Constellation.model_validate(made), START, Path.cwd())


def planes(count: int, satellites: int, **more: Any) -> dict[str, Any]:
    plane = {"altitude": "550 km", "inclination": "53 deg", "satellites": satellites, **more}
    return {
        "planes": [
            plane | {"raan": f"{360 * p / count!r} deg", "phase": f"{17.3 * p!r} deg"} for p in range(count)
        ]
    }


SHELLS = {
    "delta": {"code": "D:550:53:4000/40/13:77.7"},
    "star": {"code": "S:780:86.4:2400/24/5"},
    "equatorial": {"code": "D:600:0:1500/3/1"},
    "retrograde": {"code": "D:560:97.6:1500/30/29+D:560:180:600/2/1"},
    "polar, high": {"code": "D:5000:90:1200/12/7"},
    "slightly eccentric": planes(8, 300, **{"eccentricity": 0.001, "argument-of-perigee": "90 deg"}),
    "more eccentric": planes(3, 4000, altitude="1500 km", eccentricity=0.08),
    "much eccentric": planes(
        2, 9000, altitude="5000 km", **{"eccentricity": 0.4, "argument-of-perigee": "270 deg"}
    ),
}


def by_sgp4(fleet: Fleet, satellites: np.ndarray, sim_ns: np.ndarray) -> States:
    satrecs = SatrecArray([fleet.elements[i].satrec for i in satellites.tolist()])
    return states_itrs(satrecs, fleet.start_unix_ns + sim_ns, fleet.dut1_s)


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_interpolated_states_are_those_of_sgp4(shell: dict[str, Any]) -> None:
    """Random satellites at random instants of two days, the Earth turning under them."""
    made = fleet(shell)
    assert None not in made.propagator.families
    random = np.random.default_rng(5)
    satellites = np.sort(random.choice(len(made), 400, replace=False))
    when = np.sort(random.integers(-DAY_NS, DAY_NS, 12))
    expected = by_sgp4(made, satellites, when)
    every = made.states_itrs(when)
    chosen = States(
        every.position_km[satellites], every.velocity_km_per_s[satellites], every.error[satellites]
    )
    for found in (chosen, made.states_of(satellites, when)):
        off_km = np.linalg.norm(found.position_km - expected.position_km, axis=-1)
        assert off_km.max() < FAMILY_ERROR_KM
        np.testing.assert_allclose(
            found.velocity_km_per_s, expected.velocity_km_per_s, atol=VELOCITY_TOLERANCE_KM_PER_S, rtol=0
        )
        assert not found.error.any()
    # what is said of the error is what is found
    said_km = max(family.error_km for family in made.propagator.families if family is not None)
    off_km = np.linalg.norm(chosen.position_km - expected.position_km, axis=-1)
    assert said_km / 10 < off_km.max() < 3 * said_km


def test_an_epoch_before_the_start() -> None:
    made = fleet({"code": "D:550:53:1584/72/39"}, epoch="2026-10-20T03:04:05.678901Z")
    some, when = np.array([0, 1, 700, 1583]), np.array([0, DAY_NS])
    off_km = made.states_itrs(when).position_km[some] - by_sgp4(made, some, when).position_km
    assert np.linalg.norm(off_km, axis=-1).max() < FAMILY_ERROR_KM


def test_all_of_a_family_where_planes_of_others_lie_between() -> None:
    """Two kinds of planes in turn, and a few satellites of a third kind that SGP4 propagates itself."""
    one, other = planes(3, 600)["planes"], planes(3, 400, altitude="600 km")["planes"]
    few = planes(2, 5, altitude="700 km")["planes"]
    made = fleet({"planes": [*(plane for pair in zip(one, other, strict=True) for plane in pair), *few]})
    families = made.propagator.families
    assert (families[0], families[1]) == (families[4], families[5])
    assert families[0] is not families[1]
    assert families[6:] == (None, None)
    when = np.array([3600 * NS_PER_S])
    every = np.arange(len(made))
    expected = by_sgp4(made, every, when).position_km
    assert np.linalg.norm(made.states_itrs(when).position_km - expected, axis=-1).max() < FAMILY_ERROR_KM
    assert np.linalg.norm(made.states_of(every, when).position_km - expected, axis=-1).max() < FAMILY_ERROR_KM
    np.testing.assert_array_equal(made.states_itrs(when).position_km[3000:], expected[3000:])


def test_shells_of_one_kind_share_their_family() -> None:
    made = fleet({"code": "D:550:53:400/4/0+D:550:53:300/3/1:10"})  # neither is large enough alone
    assert len({id(family) for family in made.propagator.families}) == 1
    assert made.propagator.families[0] is not None


@pytest.mark.parametrize(
    "shell",
    [
        {"code": "D:550:53:66/6/1"},  # few
        {"code": "D:20200:55:1200/6/1"},  # the Sun and the Moon pull each orbit by its own node
        planes(1, 1500, altitude="25000 km", eccentricity=0.7),
    ],
)
def test_what_is_no_family_is_sgp4_itself(shell: dict[str, Any]) -> None:
    made = fleet(shell)
    assert set(made.propagator.families) == {None}
    some, when = np.array([0, 7, len(made) - 1]), np.array([0, DAY_NS])
    for found in (made.states_itrs(when).position_km[some], made.states_of(some, when).position_km):
        np.testing.assert_array_equal(found, by_sgp4(made, some, when).position_km)


def test_satellites_that_come_down_are_those_of_sgp4() -> None:
    """A perigee at the ground, which J3 lowers as it turns: some are in orbit at the start and not later."""
    low = planes(2, 1500, altitude="600 km", eccentricity=600 / 6978.135)
    made = fleet(low)
    assert None not in made.propagator.families
    every, when = np.arange(len(made)), np.array([0, 5 * DAY_NS])
    expected = by_sgp4(made, every, when)
    down = expected.error != 0
    assert not down[:, 0].any()
    assert 0 < down[:, 1].sum() < 100
    for found in (made.states_itrs(when, check=False), made.states_of(every, when)):
        np.testing.assert_array_equal(found.error, expected.error)
        np.testing.assert_array_equal(np.isnan(found.position_km).all(axis=2), down)
        off_km = np.linalg.norm(found.position_km - expected.position_km, axis=-1)
        assert off_km[~down].max() < FAMILY_ERROR_KM
    made.check_orbits(when[:1])
    first = int(np.argmax(down[:, 1]))
    with pytest.raises(ElementsError, match=rf"satellite {made.names[first]} is not in orbit at 2026-11-06T"):
        made.check_orbits(when)


def test_the_order_of_satellites_asked_for_is_that_of_the_answer() -> None:
    made = fleet({"code": "D:550:53:4000/40/13"}, {"code": "D:600:53:20/4/1"})
    when = np.array([0, NS_PER_S])
    for satellites in (np.array([4007, 3, 2500, 3]), np.random.default_rng(1).permutation(len(made))):
        expected = made.states_itrs(when).position_km[satellites]
        off_km = np.linalg.norm(made.states_of(satellites, when).position_km - expected, axis=-1)
        assert off_km.max() < FAMILY_ERROR_KM


def test_making_a_family_writes_no_satellite_down(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fleet({"code": "D:550:53:100000/100/1"})
    monkeypatch.setattr("orbitmesh.emulator.orbit.elements.make_satrec", None)  # nobody may call it
    assert made.states_itrs(np.array([0])).position_km.shape == (100_000, 1, 3)
    assert made.names[99_999] == "sat-99-999"


def test_what_is_said_of_each_shell() -> None:
    made = fleet({"code": "D:550:53:4000/40/13", "name": "large"}, {"code": "D:600:53:20/4/1"})
    large, small = made.propagation
    assert (large.shell, large.satellites, large.method) == (
        "large",
        4000,
        "SGP4 at 256 anomalies, interpolated",
    )
    assert 0 < large.error_km < FAMILY_ERROR_KM / 10
    assert (small.shell, small.satellites, small.method, small.error_km) == ("shell-2", 20, "SGP4", 0.0)
