"""Round trips of pairs whose floors are known, published or from elsewhere."""

from __future__ import annotations

import math

import pytest

from orbitmesh.emulator.plan import PlanRow, plan_rows
from orbitmesh.emulator.scenario import Scenario, loads

S = 10**9
LONDON_NEW_YORK = (("london", 51.507, -0.128), ("new-york", 40.713, -74.006))
TARAWA_AUCKLAND = (("tarawa", 1.33, 172.98), ("auckland", -36.85, 174.76))
RIO_ST_PETERSBURG = (("rio", -22.90278, -43.2075), ("st-petersburg", 59.93272, 30.31288))


def scenario(shell: str, lasers: str, ground: str, places: tuple[tuple[str, float, float], ...]) -> Scenario:
    stations = "".join(
        f'[[ground.stations]]\nname = "{name}"\nlatitude = "{latitude} deg"\nlongitude = "{longitude} deg"\n'
        for name, latitude, longitude in places
    )
    return loads(
        f'name = "floor"\n[constellation]\nshells = [{shell}]\n[lasers]\n{lasers}\n[ground]\n{ground}\n'
        f"{stations}[compute]\nsatellites = 0\n"
        '[run]\nstart = 2000-01-01T00:00:00Z\nduration = "60 s"\nstep = "1 s"\n'
    )


def rtts_ms(rows: list[PlanRow]) -> list[float]:
    return [math.inf if row.rtt_ns is None else row.rtt_ns / 1e6 for row in rows]


@pytest.mark.parametrize(
    ("places", "pair", "lasers", "best_ms", "worst_ms"),
    [
        (LONDON_NEW_YORK, "london:new-york", "cross-plane-offset = 0", 42, 44),
        (TARAWA_AUCKLAND, "tarawa:auckland", "", 28, 65),
    ],
)
def test_starlink_by_eight_antennas(
    places: tuple[tuple[str, float, float], ...], pair: str, lasers: str, best_ms: float, worst_ms: float
) -> None:
    ground = 'min-elevation = "25 deg"\nantennas = 8\npolicy = "least-delay"'
    made = scenario('{ code = "D:550:53:1584/72/39" }', lasers, ground, places)
    found = rtts_ms(list(plan_rows(made, [pair], duration_ns=5760 * S, step_ns=480 * S)))
    assert best_ms <= min(found) <= max(found) <= worst_ms


def test_rio_to_st_petersburg_by_the_first_shell_of_kuiper() -> None:
    """As Hypatia makes it: every second plane half a slot on, equal slots joined, a cone of 30 degrees."""
    planes = ", ".join(
        f'{{ altitude = "630 km", inclination = "51.9 deg", raan = "{360 * p / 34} deg", '
        f'phase = "{180 / 34 * (p % 2)} deg", satellites = 34 }}'
        for p in range(34)
    )
    reach_km = math.hypot(630, 630 / math.tan(math.radians(30)))
    ground = f'ellipsoid = "WGS72"\nmax-slant-range = "{reach_km:.3f} km"\nantennas = 100\npolicy = "nearest"'
    made = scenario(f"{{ planes = [{planes}] }}", "cross-plane-offset = 0", ground, RIO_ST_PETERSBURG)
    rows = list(plan_rows(made, ["rio:st-petersburg"], duration_ns=34 * S, step_ns=S // 10))
    before, after = rtts_ms(rows)[328:330]
    assert (rows[329].t_ns, round(before, 1), round(after, 1)) == (329 * S // 10, 95.7, 110.9)
