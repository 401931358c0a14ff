"""The pure part of a tick: positions, links, routes, and the diff to the tick before.

    python tests/bench/bench_tick.py [--ticks 40] [SCENARIO ...]
    python tests/bench/bench_tick.py --sizes
    python tests/bench/bench_tick.py --destinations 130

Median and worst of the ticks, in ms of wall time in one process, by stage; and
what ``plan`` takes for 200 s at 100 ms for one pair of gateways.  ``--sizes``:
positions, links and routes to thirty gateways at 1,584, 4,408, 100,000 and a
million satellites, and the same work by plain numpy and scipy (plain_tick.py),
by turns.  ``--destinations``: a million satellites with so many, what routes
take, packing it for other processes, and copying it into the fabric's bank.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import numpy as np
from plain_tick import PlainTick

from orbitmesh.emulator import geometry as geometry_module
from orbitmesh.emulator.epoch import NS_PER_S, Epoch, LinkKind
from orbitmesh.emulator.epoch.diff import diff
from orbitmesh.emulator.feed.parcels import Parcel
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.ground_choice import GroundChoice
from orbitmesh.emulator.links.lasers import LaserMesh
from orbitmesh.emulator.memory_files import MemoryFiles
from orbitmesh.emulator.orbit import Fleet
from orbitmesh.emulator.plan import plan_rows
from orbitmesh.emulator.plane.fabric.engine import FakeFabric
from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.processes import keep_freed_memory
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.constellation import Constellation

WATCHED: tuple[tuple[Any, str, str], ...] = (
    (Fleet, "states_itrs", "positions"),
    (LaserMesh, "at", "lasers"),
    (GroundChoice, "_select", "ground"),
    (Geometry, "_links", "links"),
    (geometry_module, "shortest_routes", "routes"),
)
STAGES = (*(stage for _, _, stage in WATCHED), "tick", "plain", "diff", "parcel", "bank")
WIRED_NODES = 5_000  # a diff lists next hops: for the wired plane


def timed(spent_ms: dict[str, float], stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def measured(*arguments: Any, **keys: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*arguments, **keys)
        finally:
            spent_ms[stage] += (time.perf_counter() - began) * 1e3

    return measured


def measure(
    name: str, scenario: Scenario, count: int, *, plain_ticks: int = 0, into_bank: bool = False
) -> None:
    began = time.perf_counter()
    geometry = Geometry(scenario)
    built_ms = (time.perf_counter() - began) * 1e3
    nodes = geometry.nodes
    print(
        f"{name}: {nodes.n_satellites} satellites, {nodes.n_gateways} gateways, "
        f"{len(geometry.destinations)} destinations; geometry made in {built_ms:.0f} ms"
    )
    spent_ms: dict[str, float] = defaultdict(float)
    originals = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in WATCHED]
    for owner, attribute, stage in WATCHED:
        setattr(owner, attribute, timed(spent_ms, stage, getattr(owner, attribute)))
    rows: list[dict[str, float]] = []
    epochs, old, changed = geometry.epochs(0, NS_PER_S), None, []
    files, kept, plain = MemoryFiles(), deque[Any](maxlen=3), None
    plane = FabricPlane(nodes, scenario, geometry.hosting, FakeFabric) if into_bank else None
    if plane is not None:
        plane.build()
    if plain_ticks:
        plain = plain_of(scenario, geometry)
    try:
        for number in range(count):
            spent_ms.clear()
            epoch: Epoch = timed(spent_ms, "tick", lambda: next(epochs))()
            if plain is not None and number <= plain_ticks:
                timed(spent_ms, "plain", plain.tick)(epoch.sim_ns)
            parcel = timed(spent_ms, "parcel", Parcel.pack)(epoch, files)
            kept.append(parcel.open())  # as a run's processes have the last ones
            parcel.close()
            if plane is not None:
                prepared = timed(spent_ms, "bank", plane.prepare)(old, epoch)
                plane.commit(prepared, time.monotonic_ns())
            if len(geometry.nodes) <= WIRED_NODES:
                change = timed(spent_ms, "diff", diff)(old, epoch)
                if old is not None:
                    changed.append(len(change.route_node))
            rows.append(dict(spent_ms))
            old = epoch
    finally:
        for owner, attribute, original in originals:
            setattr(owner, attribute, original)
        if plane is not None:
            plane.close()
        files.close()
    first = 1 + kept.maxlen if kept.maxlen and count > 2 * kept.maxlen else 1  # each file is new once
    for stage in STAGES:
        values = np.array([row[stage] for row in rows[1 if stage == "plain" else first :] if stage in row])
        if len(values) == 0:
            continue
        print(f"  {stage:<10} median {np.median(values):7.2f} ms   worst {values.max():7.2f} ms")
    if plain is not None:
        by_us, by_plain = (
            np.median([row[stage] for row in rows[1:] if stage in row]) for stage in ("tick", "plain")
        )
        print(f"  {by_us:.2f} ms, by plain numpy and scipy {by_plain:.2f} ms: {by_plain / by_us:.1f} times")
    kinds = np.bincount(epoch.links.kind, minlength=2)
    print(
        f"  {kinds[LinkKind.LASER]} lasers, {kinds[LinkKind.GROUND]} ground links"
        + (
            f"; next hops changed per tick: median {np.median(changed):.0f}, most {max(changed)}"
            if changed
            else ""
        )
    )


def plain_of(scenario: Scenario, geometry: Geometry) -> PlainTick:
    ground = scenario.ground
    states = Fleet.build(scenario.constellation, scenario.run.start_utc, scenario.base).states_itrs(
        np.array([0], np.int64)
    )
    return PlainTick(
        geometry.epoch_at(0),
        states.velocity_km_per_s[:, 0],
        [station.antennas or ground.antennas for station in ground.stations],
        [
            float(np.degrees(ground.min_elevation_rad if own is None else own))
            for own in (station.min_elevation_rad for station in ground.stations)
        ],
    )


SIZES = (
    ("D:550:53:1584/72/39",),
    ("D:540:53.2:1584/72/39", "D:550:53:1584/72/17", "D:570:70:720/36/11", "D:560:97.6:520/10/3"),
    ("D:550:53:100000/400/200",),
)


def sizes(count: int) -> None:
    million = Scenario.load("ai1-million")
    for codes in (*SIZES, None):
        made = million.model_copy(update={"compute": million.compute.model_copy(update={"satellites": 0})})
        if codes is not None:
            shells = {"shells": [{"code": code} for code in codes]}
            made = made.model_copy(
                update={
                    "constellation": Constellation.model_validate(shells),
                    "lasers": made.lasers.model_copy(update={"junction_every": None}),
                }
            )
        name = "+".join(codes or ("ai1-million",))
        measure(name, made, count if codes else min(count, 6), plain_ticks=10 if codes else 2)


def routed(n_destinations: int, count: int) -> None:
    million = Scenario.load("ai1-million")
    hosts = n_destinations - len(million.ground.stations)
    made = million.model_copy(update={"compute": million.compute.model_copy(update={"satellites": hosts})})
    measure("ai1-million", made, count, into_bank=True)


def plan(name: str) -> None:
    scenario = Scenario.load(name)
    ends = [f"gw-{station.name}" for station in (scenario.ground.stations[0], scenario.ground.stations[-1])]
    began = time.perf_counter()
    count = sum(1 for _ in plan_rows(scenario, [":".join(ends)], duration_ns=200 * NS_PER_S, step_ns=10**8))
    print(f"  plan of 200 s at 100 ms, {count} rows: {time.perf_counter() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", default=["demo", "starlink-shell1", "ai1-pilot"])
    parser.add_argument("--ticks", type=int, default=40)
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--destinations", type=int, help="of a million satellites, 30 or more")
    parser.add_argument("--give-back", action="store_true")
    arguments = parser.parse_args()
    if not arguments.give_back:
        keep_freed_memory()
    if arguments.destinations:
        routed(arguments.destinations, min(max(2, arguments.ticks), 12))
        return
    if arguments.sizes:
        sizes(max(2, arguments.ticks))
        return
    for name in arguments.scenarios:
        measure(name, Scenario.load(name), max(2, arguments.ticks))
        plan(name)


if __name__ == "__main__":
    main()
