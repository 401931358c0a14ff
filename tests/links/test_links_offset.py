"""Which slots +grid joins across planes: by brute force over a turn, and for every published shell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_links_pattern import fleet

from orbitmesh.emulator.links.offset import Offset, offset_grid
from orbitmesh.emulator.links.pattern import plus_grid
from orbitmesh.emulator.scenario.model import Lasers

# Starlink Gen1, Kuiper, OneWeb, Iridium: altitude, inclination, planes, slots as published.  Phasing is not,
# but for the first (the constellation code's draft).
PUBLISHED = {
    "D:550:53:1584/72/39": (72, 22), "D:540:53.2:1584/72/39": (72, 22), "D:570:70:720/36/11": (36, 20),
    "D:560:97.6:348/6/1": (6, 58), "D:560:97.6:172/4/1": (4, 43),
    "D:630:51.9:1156/34/1": (34, 34), "D:610:42:1296/36/1": (36, 36), "D:590:33:784/28/1": (28, 28),
    "S:1200:87.9:588/12/1": (12, 49), "S:780:86.4:66/6/1": (6, 11),
}  # fmt: skip
TURN = np.linspace(0, 5740, 24).astype(np.int64) * 10**9


def mean_square_km2(code: str, offset: int) -> float:
    made = fleet({"code": code})
    pairs = offset_grid(made, offset).shells[0].cross_plane_pairs()
    at = made.states_itrs(TURN).position_km
    return float(np.square(at[pairs[:, 0]] - at[pairs[:, 1]]).sum(axis=-1).mean())


@pytest.mark.parametrize("code", PUBLISHED)
def test_nearest_is_the_shortest_by_brute_force(code: str) -> None:
    made = fleet({"code": code})
    shell = offset_grid(made, None).shells[0]
    slots = shell.n_slots
    chosen = int(shell.slot_shift[0])
    near = [mean_square_km2(code, s) for s in (chosen - 1, chosen, chosen + 1)]
    assert near[1] <= min(near) * (1 + 1e-3)
    if slots < 30:
        every = [mean_square_km2(code, s) for s in range(slots)]
        assert every[chosen] <= min(every) * (1 + 1e-3)


@pytest.mark.parametrize("offset", [None, 0, "phase"])
@pytest.mark.parametrize("code", PUBLISHED)
def test_published_shells_are_whole(code: str, offset: Offset | None) -> None:
    whole(code, PUBLISHED[code], offset)


@pytest.mark.parametrize("inclination_deg", range(30, 105, 2))
@pytest.mark.parametrize(("kind", "planes", "slots", "phasing"), [("D", 12, 10, 5), ("S", 6, 11, 2)])
def test_every_inclination_is_whole(
    kind: str, planes: int, slots: int, phasing: int, inclination_deg: int
) -> None:
    code = f"{kind}:900:{inclination_deg}:{planes * slots}/{planes}/{phasing}"
    whole(code, (planes, slots), None)
    made = fleet({"code": code})
    chosen = int(offset_grid(made, None).shells[0].slot_shift[0])
    found = [mean_square_km2(code, s) for s in (chosen - 1, chosen, chosen + 1)]
    assert found[1] <= min(found) * (1 + 1e-3)


def whole(code: str, shape: tuple[int, int], offset: Offset | None) -> None:
    """Planes by slots; each satellite joined to both in its plane, and one in each plane beside it."""
    made = fleet({"code": code})
    n_planes, n_slots = shape
    grid = offset_grid(made, offset)
    (shell,) = grid.shells
    assert (shell.n_planes, set(shell.slots), len(made)) == (n_planes, {n_slots}, n_planes * n_slots)
    pairs, _ = plus_grid(grid.shells)
    joined = [set() for _ in range(len(made))]  # type: list[set[int]]
    for a, b in pairs.tolist():
        joined[a].add(b)
        joined[b].add(a)
    for row, others in enumerate(joined):
        plane, slot = divmod(row, n_slots)
        mine = {other % n_slots for other in others if other // n_slots == plane}
        assert mine == {(slot + 1) % n_slots, (slot - 1) % n_slots}
        beside = sorted(other // n_slots for other in others if other // n_slots != plane)
        expected = {(plane + 1) % n_planes, (plane - 1) % n_planes}
        if shell.star:
            expected = {p for p in (plane - 1, plane + 1) if 0 <= p < n_planes}
        assert beside == sorted(expected)


def test_across_the_wrap_lasers_are_as_long_as_elsewhere() -> None:
    made = fleet({"code": "D:550:53:1584/72/39"})
    shell = offset_grid(made, "nearest").shells[0]
    assert shell.slot_shift.tolist() == [21] * 71 + [16]  # one back; at the wrap 39 of 22 slots more
    pairs = shell.cross_plane_pairs()
    at = made.states_itrs(TURN).position_km
    range_km = np.linalg.norm(at[pairs[:, 0]] - at[pairs[:, 1]], axis=-1)
    wrap = made.plane[pairs[:, 1]] - made.plane[pairs[:, 0]] == 71
    assert range_km[wrap].max() == pytest.approx(range_km[~wrap].max(), abs=2)


def test_zero_is_what_codes_had_before() -> None:
    made = fleet({"code": "D:550:53:1584/72/39"})
    assert offset_grid(made, 0).shells[0].slot_shift.tolist() == made.shells[0].slot_shift.tolist()
    assert offset_grid(made, 0).chosen == ("shell-1 0 slots from plane to plane, -5 at the wrap",)


def half_slots(n_planes: int, n_slots: int) -> dict[str, Any]:
    """As Hypatia makes them: every second plane half a slot on."""
    return {
        "planes": [
            {"altitude": "550 km", "inclination": "53 deg", "raan": f"{360 * p / n_planes} deg",
             "phase": f"{(p % 2) * 180 / n_slots} deg", "satellites": n_slots}
            for p in range(n_planes)
        ]
    }  # fmt: skip


@pytest.mark.parametrize("offset", [None, 0, "phase"])
def test_planes_half_a_slot_off_stay_joined_by_slot(offset: Offset | None) -> None:
    made = fleet(half_slots(72, 22))
    assert offset_grid(made, offset).shells[0].slot_shift.tolist() == [0] * 72


def test_nearest_of_planes_half_a_slot_off_goes_back_where_the_next_is_ahead() -> None:
    shifts = offset_grid(fleet(half_slots(72, 22)), "nearest").shells[0].slot_shift.tolist()
    assert shifts == [21, 0] * 36


@pytest.mark.parametrize("wrong", ["far", 1.5, True, 10**9])
def test_what_is_no_offset_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match='none of these: "nearest", "phase", a number of slots'):
        Lasers.model_validate({"cross-plane-offset": wrong})
