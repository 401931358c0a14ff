"""Shells from codes and planes: where their satellites stand, and who neighbours whom."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4.api import SatrecArray

from orbitmesh.emulator.orbit import Fleet, ShellLayout
from orbitmesh.emulator.orbit.elements import Generated, OrbitalPlane
from orbitmesh.emulator.orbit.gravity import (
    GRAVITY,
    kozai_mean_motion_rad_per_min,
    sun_synchronous_inclination_rad,
)
from orbitmesh.emulator.orbit.propagate import states_itrs
from orbitmesh.emulator.orbit.shells import slot_shifts
from orbitmesh.emulator.orbit.time import unix_ns
from orbitmesh.emulator.scenario.constellation import Constellation

START = datetime(2026, 11, 1, tzinfo=UTC)
WGS72 = GRAVITY["WGS72"]

SEMI_MAJOR_TOLERANCE_KM = 1e-8
ANGLE_TOLERANCE_RAD = 1e-12
# J3 moves a circular mean orbit by up to 8 km, J2's short-period terms by up to 7 km: see OrbitalPlane
RADIUS_SWING_KM = 15.0


def fleet(*shells: dict[str, Any], **constellation: Any) -> Fleet:
    return Fleet.build(
        Constellation.model_validate({"shells": list(shells), **constellation}), START, Path.cwd()
    )


def plane(raan_deg: float, phase_deg: float, satellites: int, **more: Any) -> dict[str, Any]:
    return {
        "altitude": "550 km",
        "inclination": "53 deg",
        "raan": f"{raan_deg!r} deg",
        "phase": f"{phase_deg!r} deg",
        "satellites": satellites,
        **more,
    }


def positions_km(fleet: Fleet, sim_ns: int = 0) -> np.ndarray:
    return fleet.states_itrs(np.array([sim_ns])).position_km[:, 0]


# -- elements -------------------------------------------------------------------------------------


def test_planes_of_two_slots_have_neighbours_too() -> None:
    """The next plane leads by three quarters of a slot: its second slot is the nearer, one on or one back."""
    for ahead, shift in ((0.25, 0), (0.75, 1), (1.25, 1), (1.75, 0)):
        here = np.array([0.0, np.pi])
        assert slot_shifts(np.concatenate([here, here - ahead * np.pi]), (2, 2))[0] == shift


def test_walker_delta_by_its_definition() -> None:
    """RAAN of plane p is 360° p/P, anomaly of slot k 360° (k/(T/P) + F p/T)."""
    made = fleet({"code": "D:550:53:1584/72/39"})
    assert len(made) == 1584
    for index in (0, 1, 21, 22, 700, 1583):
        p, k = divmod(index, 22)
        satrec = made.elements[index].satrec
        assert satrec.nodeo == pytest.approx(2 * np.pi * p / 72, abs=ANGLE_TOLERANCE_RAD)
        anomaly = 2 * np.pi * (k / 22 + 39 * p / 1584) % (2 * np.pi)
        assert satrec.mo == pytest.approx(anomaly, abs=ANGLE_TOLERANCE_RAD)
        assert satrec.inclo == pytest.approx(np.radians(53), abs=ANGLE_TOLERANCE_RAD)
        assert (satrec.ecco, satrec.bstar) == (0, 0)


def test_walker_star_spreads_its_planes_over_half_a_turn_and_takes_a_first_anomaly() -> None:
    made = fleet({"code": "S:780:86.4:66/6/1:12.5"})
    assert [made.elements[11 * p].satrec.nodeo for p in range(6)] == pytest.approx(
        [np.pi * p / 6 for p in range(6)], abs=ANGLE_TOLERANCE_RAD
    )
    assert [made.elements[11 * p].satrec.mo for p in range(6)] == pytest.approx(
        [np.radians(12.5 + 360 * p / 66) for p in range(6)], abs=ANGLE_TOLERANCE_RAD
    )
    assert made.shells[0].star


@pytest.mark.parametrize("gravity", ["WGS72", "WGS84"])
@given(
    altitude_km=st.floats(min_value=200, max_value=2000),
    inclination_rad=st.floats(min_value=0, max_value=np.pi),
    eccentricity=st.floats(min_value=0, max_value=0.01),
)
def test_the_altitude_is_that_of_sgp4s_own_semi_major_axis(
    gravity: str, altitude_km: float, inclination_rad: float, eccentricity: float
) -> None:
    constants = GRAVITY[gravity]  # type: ignore[index]
    made = Generated(
        [OrbitalPlane(altitude_km, inclination_rad, 1.0, 2.0, 1, eccentricity)], START, constants
    )
    semi_major_km = made[0].satrec.a * constants.radius_km
    assert semi_major_km == pytest.approx(constants.radius_km + altitude_km, abs=SEMI_MAJOR_TOLERANCE_KM)
    mean_motion = kozai_mean_motion_rad_per_min(altitude_km, inclination_rad, eccentricity, constants)
    assert made[0].satrec.no_kozai == mean_motion


@pytest.mark.parametrize(
    "code", ["D:550:53:66/6/1", "S:780:86.4:66/6/1", "D:600:97.79:66/6/1", "D:600:0:66/6/1"]
)
def test_the_radius_stays_near_the_altitude(code: str) -> None:
    states = fleet({"code": code}).states_itrs(np.arange(0, 6000, 60) * 10**9)
    altitude_km = np.linalg.norm(states.position_km, axis=-1) - WGS72.radius_km
    assert np.abs(altitude_km - float(code.split(":")[1])).max() < RADIUS_SWING_KM


def test_an_equatorial_satellite_stands_where_it_should() -> None:
    """At RAAN 0 and anomaly 0 it stands at the angle -GMST; a quarter of the plane on, 90 degrees east."""
    found = positions_km(fleet({"code": "D:600:0:4/1/0"}))
    longitude = np.arctan2(found[:, 1], found[:, 0])
    days = (START - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() / 86_400
    gmst = np.radians(280.46061837 + 360.98564736629 * days)  # Meeus 12.4, of the same GMST-82
    assert np.exp(1j * longitude[0]) == pytest.approx(np.exp(-1j * gmst), abs=1e-6)
    assert np.exp(1j * (longitude[1:] - longitude[0])) == pytest.approx([1j, -1, -1j], abs=1e-4)


def test_explicit_planes_make_a_walker_shell_too() -> None:
    code = fleet({"code": "D:550:53:66/6/2"})
    planes = fleet({"planes": [plane(60 * p, 360 * 2 * p / 66, 11) for p in range(6)]})
    assert np.abs(positions_km(code, 10**12) - positions_km(planes, 10**12)).max() < 1e-6


def test_an_eccentric_plane_has_its_perigee_where_it_says() -> None:
    eccentric = plane(0.0, 0.0, 2, eccentricity=0.05, altitude="1500 km")
    eccentric["argument-of-perigee"] = "90 deg"
    found = positions_km(fleet({"planes": [eccentric]}))
    semi_major_km = WGS72.radius_km + 1500
    radius_km = np.linalg.norm(found, axis=1)
    assert radius_km == pytest.approx([semi_major_km * 0.95, semi_major_km * 1.05], abs=RADIUS_SWING_KM)
    # a quarter of a turn past the node: as far north as the inclination goes
    assert np.degrees(np.arcsin(found[0, 2] / radius_km[0])) == pytest.approx(53, abs=0.1)


def test_epoch_of_the_elements_may_differ_from_the_start() -> None:
    same = fleet({"code": "D:550:53:6/2/1"})
    earlier = fleet({"code": "D:550:53:6/2/1"}, epoch="2026-10-31T00:00:00Z")
    # a day of regression of the nodes: -4.5 degrees at 550 km and 53 degrees
    satrec = earlier.elements[0].satrec
    assert np.degrees(satrec.nodedot * 1440) == pytest.approx(-4.49, abs=0.02)
    # a day before the start it stood as the other does at the start, but for the Earth's turn
    now, then = positions_km(same), positions_km(earlier, -86_400 * 10**9)
    turn = np.exp(-2j * np.pi * 1.002737909350795)
    np.testing.assert_allclose(now[:, 0] + 1j * now[:, 1], (then[:, 0] + 1j * then[:, 1]) * turn, atol=1e-5)
    np.testing.assert_allclose(now[:, 2], then[:, 2], atol=1e-5)


@pytest.mark.parametrize(("altitude_km", "inclination_deg"), [(600, 97.79), (800, 98.60)])
def test_sun_synchronous(altitude_km: float, inclination_deg: float) -> None:
    """The values of the field's textbooks, and SGP4's own node of such an orbit follows the Sun."""
    inclination = sun_synchronous_inclination_rad(altitude_km, WGS72)
    assert np.degrees(inclination) == pytest.approx(inclination_deg, abs=0.005)
    satrec = Generated([OrbitalPlane(altitude_km, inclination, 0, 0, 1)], START, WGS72)[0].satrec
    assert np.degrees(satrec.nodedot * 1440) == pytest.approx(0.9856, abs=0.004)  # J4 is left out


def test_no_orbit_far_out_is_sun_synchronous() -> None:
    with pytest.raises(ValueError, match="choose one below 5974 km"):
        sun_synchronous_inclination_rad(6000, WGS72)


# -- neighbours -----------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 8), st.integers(2, 9), st.data())
def test_the_wrap_of_a_walker_shell_goes_on_as_its_planes_do(
    n_planes: int, n_slots: int, data: st.DataObject
) -> None:
    """A plane P, made by the rule for plane p, is plane 0 with its slots shifted by ``wrap_slot_shift``."""
    phasing = data.draw(st.integers(0, n_planes - 1))
    total = n_planes * n_slots
    made = fleet({"code": f"D:550:53:{total}/{n_planes}/{phasing}"})
    beyond = OrbitalPlane(550, np.radians(53), 2 * np.pi, 2 * np.pi * phasing * n_planes / total, n_slots)
    virtual = states_itrs(
        SatrecArray([each.satrec for each in Generated([beyond], START, WGS72)]),
        np.array([unix_ns(START)]),
        0.0,
    ).position_km[:, 0]
    shift = made.shells[0].wrap_slot_shift
    assert shift == phasing % n_slots
    first_plane = positions_km(made)[:n_slots]
    np.testing.assert_allclose(np.roll(first_plane, -shift, axis=0), virtual, atol=1e-6)


def test_lasers_across_the_wrap_are_as_long_as_the_others() -> None:
    made = fleet({"code": "D:550:53:1584/72/39"})
    pairs = made.shells[0].cross_plane_pairs()
    assert len(pairs) == 1584
    found = positions_km(made)
    range_km = np.linalg.norm(found[pairs[:, 0]] - found[pairs[:, 1]], axis=1)
    wrap = made.plane[pairs[:, 1]] - made.plane[pairs[:, 0]] == 71
    assert wrap.sum() == 22
    assert range_km[wrap].min() == pytest.approx(range_km[~wrap].min(), abs=1)
    assert range_km[wrap].max() == pytest.approx(range_km[~wrap].max(), abs=1)
    # without the shift they would not be
    unshifted = np.linalg.norm(found[71 * 22 :] - found[:22], axis=1)
    assert unshifted.min() > 2 * range_km.max()


def test_a_star_has_no_neighbours_across_its_seam() -> None:
    made = fleet({"code": "S:780:86.4:66/6/1"})
    pairs = made.shells[0].cross_plane_pairs()
    assert len(pairs) == 5 * 11
    assert set((made.plane[pairs[:, 1]] - made.plane[pairs[:, 0]]).tolist()) == {1}


def test_two_planes_neighbour_each_other_once_and_one_plane_nobody() -> None:
    assert len(fleet({"code": "D:550:53:20/2/0"}).shells[0].cross_plane_pairs()) == 10
    assert fleet({"code": "D:550:53:10/1/0"}).shells[0].cross_plane_pairs().shape == (0, 2)


def test_shifts_of_free_phases_are_the_nearest_slots() -> None:
    """Planes turned by whole slots, and a little more, are matched again."""
    offsets_slots = [0.0, 3.2, -1.7, 4.9]
    made = fleet({"planes": [plane(90 * p, 36 * offsets_slots[p], 10) for p in range(4)]})
    steps = np.diff([*offsets_slots, 0.0])  # how far the next plane lies ahead, in slots
    assert made.shells[0].slot_shift.tolist() == [round(-step) % 10 for step in steps]


@given(st.integers(3, 12), st.data())
def test_shifts_are_the_best_by_brute_force(n_slots: int, data: st.DataObject) -> None:
    angle = st.floats(min_value=0, max_value=6.28)
    ours = np.array(data.draw(st.lists(angle, min_size=n_slots, max_size=n_slots)))
    theirs = np.array(data.draw(st.lists(angle, min_size=n_slots, max_size=n_slots)))
    shifts = slot_shifts(np.concatenate([ours, theirs]), (n_slots, n_slots))
    likeness = [np.cos(np.roll(theirs, -s) - ours).sum() for s in range(n_slots)]
    # of a tie, either; half a slot off counts as one
    assert likeness[shifts[0]] > max(likeness) - 0.02 * n_slots


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ((0, 3, 5, 5), (1, 11, 8, 11)),
        ((1, 10, 3, 5), (6, 5, 6, 9)),
        ((3, 7, 1, 1), (5, 0, 7, 6)),
    ],
)
def test_phases_without_order_that_look_half_a_slot_off_take_the_likeliest_shift(
    ours: tuple[int, ...], theirs: tuple[int, ...]
) -> None:
    """Phases in twelfths of a turn, found by search: their resultant points half a slot aside."""
    here, there = np.array(ours) * np.pi / 6, np.array(theirs) * np.pi / 6
    likeness = [np.cos(np.roll(there, -s) - here).sum() for s in range(4)]
    assert slot_shifts(np.concatenate([here, there]), (4, 4))[0] == np.argmax(likeness)


def test_half_a_slot_off_keeps_the_slot_as_published_simulators_have_it() -> None:
    made = fleet({"planes": [plane(360 * p / 4, (p % 2) * 18.0, 10) for p in range(4)]})
    assert made.shells[0].slot_shift.tolist() == [0, 0, 0, 0]


def test_planes_of_unequal_sizes_have_pairs_of_the_nearest() -> None:
    made = fleet({"planes": [plane(0, 0, 4), plane(40, 10, 8)], "star": True})
    shell = made.shells[0]
    assert (shell.slots, shell.n_slots, shell.even) == ((4, 8), 8, False)
    assert shell.cross_plane_pairs().tolist() == [[0, 4], [1, 6], [2, 8], [3, 10]]
    other = fleet({"planes": [plane(40, 10, 8), plane(0, 0, 4)], "star": True}).shells[0]
    assert other.cross_plane_pairs().tolist() == [[0, 8], [2, 9], [4, 10], [6, 11]]


# -- several shells -------------------------------------------------------------------------------


def test_planes_number_on_across_shells() -> None:
    made = fleet(
        {"code": "D:550:53:6/3/1+S:780:86.4:4/2/0", "name": "both"},
        {"planes": [plane(0, 0, 2), plane(90, 0, 3)]},
    )
    assert [(s.name, s.first, s.first_plane, s.slots, s.star) for s in made.shells] == [
        ("both.1", 0, 0, (2, 2, 2), False),
        ("both.2", 6, 3, (2, 2), True),
        ("shell-2", 10, 5, (2, 3), False),
    ]
    assert made.names[:3] == ("sat-0-0", "sat-0-1", "sat-1-0")
    assert made.names[-3:] == ("sat-6-0", "sat-6-1", "sat-6-2")
    assert made.plane.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6]
    assert made.slot.tolist() == [0, 1] * 6 + [0, 1, 2]
    assert made.shell.tolist() == [0] * 6 + [1] * 4 + [2] * 5
    assert len(made) == 15
    pairs: ShellLayout = made.shells[1]
    assert pairs.cross_plane_pairs().tolist() == [[6, 8], [7, 9]]


def test_states_have_the_shapes_they_say() -> None:
    made = fleet({"code": "D:550:53:6/3/1"})
    states = made.states_itrs(np.arange(5) * 10**9)
    assert states.position_km.shape == states.velocity_km_per_s.shape == (6, 5, 3)
    assert states.error.shape == (6, 5)
    assert states.error.dtype == np.uint8
    one_by_one = [made.states_itrs(np.array([i * 10**9])).position_km[:, 0] for i in range(5)]
    np.testing.assert_array_equal(states.position_km, np.stack(one_by_one, axis=1))
