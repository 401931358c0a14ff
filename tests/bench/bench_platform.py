"""What the platforms of a constellation cost a tick: surroundings and state of each satellite.

    python tests/bench/bench_platform.py [--satellites 100000 1000000] [--turns 21]

Medians of the wall time in ms, one process, one thread; positions are those of
a Walker shell at 600 km and 30 degrees, and the demand is 120 kW of AI1 each.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from orbitmesh.emulator.constants import EARTH_RADIUS_KM
from orbitmesh.emulator.platform import Platform, State, advance, surroundings
from orbitmesh.emulator.presets import preset

SUN_AU = np.array([0.9, -0.35, -0.15])


def places_km(n: int) -> np.ndarray:
    planes = 100
    raan = np.repeat(np.arange(planes) * 2 * np.pi / planes, n // planes)
    u = np.tile(np.arange(n // planes) * 2 * np.pi / (n // planes), planes)
    tilt = np.radians(30)
    x, y, z = np.cos(u), np.sin(u) * np.cos(tilt), np.sin(u) * np.sin(tilt)
    turned = [x * np.cos(raan) - y * np.sin(raan), x * np.sin(raan) + y * np.cos(raan), z]
    return (EARTH_RADIUS_KM + 600) * np.column_stack(turned)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--satellites", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--turns", type=int, default=21)
    options = parser.parse_args()
    platform = Platform.of(preset("platform", "ai1"))
    print("satellites  surroundings ms  advance ms  tick ms")
    for n in options.satellites:
        position_km = places_km(n)
        state = State(np.full(len(position_km), platform.battery_j), np.full(len(position_km), 330.0))
        took = []
        for _ in range(options.turns):
            began = time.perf_counter()
            around = surroundings(platform, position_km, SUN_AU)
            between = time.perf_counter()
            state, _ = advance(platform, state, around, platform.average_w, 10.0)
            took.append((between - began, time.perf_counter() - between))
        first, second = np.median(np.array(took), axis=0) * 1e3
        whole = np.median(np.sum(took, axis=1)) * 1e3
        print(f"{len(position_km):10,}  {first:15.1f}  {second:10.1f}  {whole:7.1f}")


if __name__ == "__main__":
    main()
