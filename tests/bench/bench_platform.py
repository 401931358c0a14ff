"""What the platforms of a constellation cost: all of a tick, its parts, and the turn before the start.

    python tests/bench/bench_platform.py [--satellites 100000 1000000] [--turns 21]

Medians of the wall time in ms, one process, one thread; positions are those of
a Walker shell at 600 km and 30 degrees, and the demand is 120 kW of AI1 each.
"shells": all of a tick where two halves have platforms of their own, by the
local hour, and 200 satellites report what they draw.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from orbitmesh.emulator.constants import EARTH_RADIUS_KM
from orbitmesh.emulator.epoch import NS_PER_S
from orbitmesh.emulator.platform import Accelerators, Draws, FleetPlatforms, advance, surroundings
from orbitmesh.emulator.scenario.satellite import ShellPlatform as Section

SUN_AU = np.array([0.9, -0.35, -0.15])
START_UNIX_NS = 1_793_491_200 * NS_PER_S  # 2026-11-01


def places_km(n: int) -> np.ndarray:
    planes = 100
    raan = np.repeat(np.arange(planes) * 2 * np.pi / planes, n // planes)
    u = np.tile(np.arange(n // planes) * 2 * np.pi / (n // planes), planes)
    tilt = np.radians(30)
    x, y, z = np.cos(u), np.sin(u) * np.cos(tilt), np.sin(u) * np.sin(tilt)
    turned = [x * np.cos(raan) - y * np.sin(raan), x * np.sin(raan) + y * np.cos(raan), z]
    return (EARTH_RADIUS_KM + 600) * np.column_stack(turned)


def of_two_shells_ms(place_km: np.ndarray, speed: np.ndarray, turns: int) -> float:
    n = len(place_km)
    hours = tuple(float(hour) for hour in range(24))
    shells = [
        (Section.model_validate({"preset": "ai1", "hours": hours}), n // 2),
        (Section.model_validate({"preset": "jpl-1mw", "hours": hours}), n - n // 2),
    ]
    fleet = FleetPlatforms(shells, START_UNIX_NS, 0.0, cards=Accelerators(11e3, 100e3))
    some = np.linspace(0, n - 1, 200).astype(np.int64)
    draws = Draws(some, np.full(200, 50e3), np.full(200, 60e3))
    _, kept = fleet.at(None, 0, place_km, speed)
    took = []
    for turn in range(1, turns + 1):
        began = time.perf_counter()
        _, kept = fleet.at(kept, turn * 10 * NS_PER_S, place_km, speed, draws)
        took.append(time.perf_counter() - began)
    return float(np.median(took)) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--satellites", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--turns", type=int, default=21)
    options = parser.parse_args()
    print("satellites  surroundings ms  advance ms  all of a tick ms  begin s  shells ms")
    for n in options.satellites:
        place_km = places_km(n)
        speed = np.cross([0.0, 0.0, 1e-3], place_km)
        demand_w = np.full(len(place_km), 120e3)
        fleet = FleetPlatforms([(Section(), len(place_km))], START_UNIX_NS, 0.0)
        platform = fleet.kinds[0].platform
        began = time.perf_counter()
        _, kept = fleet.at(None, 0, place_km, speed)
        begin_s = time.perf_counter() - began
        took = []
        for turn in range(1, options.turns + 1):
            at = [time.perf_counter()]
            around = surroundings(platform, place_km, SUN_AU)
            at.append(time.perf_counter())
            advance(platform, kept.state, around, demand_w, 10.0)
            at.append(time.perf_counter())
            _, kept = fleet.at(kept, turn * 10 * NS_PER_S, place_km, speed)
            at.append(time.perf_counter())
            took.append(np.diff(at))
        parts = np.median(took, axis=0) * 1e3
        shells_ms = of_two_shells_ms(place_km, speed, options.turns)
        print(
            f"{len(place_km):10,}  {parts[0]:15.1f}  {parts[1]:10.1f}  {parts[2]:16.1f}  {begin_s:7.2f}  "
            f"{shells_ms:9.1f}"
        )


if __name__ == "__main__":
    main()
