"""Why a gateway left a satellite: it had failed, it had set, or another was taken."""

from __future__ import annotations

import numpy as np

from orbitmesh.emulator.epoch import Bool, Int32
from orbitmesh.emulator.links.changes import Handover
from orbitmesh.emulator.links.handover_causes import with_causes
from orbitmesh.emulator.links.visibility import Stations

EARTH_KM = 6_378.0
# above the first station, above the second, and on the far side
PLACES = np.array(
    [[7_000.0, 0, 0], [0, 7_000.0, 0], [-7_000.0, 0, 0], [EARTH_KM, 0, 0], [0, EARTH_KM, 0]], np.float64
)
STATIONS = Stations(
    ("here", "there"), PLACES[3:], np.array([[1.0, 0, 0], [0, 1.0, 0]]),
    np.sin(np.radians([25.0, 25.0])), np.array([np.inf, np.inf]), (1, 1),
)  # fmt: skip


class Failures:
    def __init__(self, *dead: int, antennas_lost: tuple[int, int] = (0, 0)) -> None:
        self.dead, self.antennas_lost = dead, np.array(antennas_lost, np.int32)

    def hits(self, a: Int32, b: Int32) -> Bool:
        hit: Bool = np.isin(a, self.dead) | np.isin(b, self.dead)
        return hit


def causes(known: Failures | None, *handovers: Handover) -> list[str | None]:
    found = with_causes(handovers, STATIONS, 3, PLACES, known)
    assert [(each.gateway, each.left, each.joined) for each in found] == [
        (each.gateway, each.left, each.joined) for each in handovers
    ]
    return [each.cause for each in found]


def test_one_that_is_in_sight_still_was_left_for_another() -> None:
    assert causes(None, Handover(3, (0,), (1,)), Handover(4, (0,), (1,))) == ["chosen", "set"]
    assert causes(None, Handover(3, (), (0,)), Handover(3, (0, 2), (1,))) == [None, "set"]
    assert causes(None) == []


def test_what_had_failed_was_not_left_for_another_reason() -> None:
    assert causes(Failures(0), Handover(3, (0,), (1,)), Handover(4, (0, 1), ())) == ["failed", "failed"]
    assert causes(Failures(4), Handover(3, (0,), (1,)), Handover(4, (1,), ())) == ["chosen", "failed"]
    lost = Failures(antennas_lost=(1, 0))
    assert causes(lost, Handover(3, (0,), ()), Handover(3, (2,), ()), Handover(4, (1,), (2,))) == [
        "failed", "set", "chosen",
    ]  # fmt: skip
