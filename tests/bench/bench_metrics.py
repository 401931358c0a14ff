"""What the metrics endpoint costs a mesh: packets' lateness, ticks and the conductor's processor, by turns.

    sudo .venv/bin/python tests/bench/bench_metrics.py [SCENARIO] [--turns N] [--seconds S]

In each second turn the endpoint runs and is scraped once a second; in the others there is none.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.control.api.listening import listening
from orbitmesh.emulator.run.metrics_process import MetricsProcess, url_of

_TICKS = os.sysconf("SC_CLK_TCK")


def used_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def turn(mesh: Emulation, seconds: float, each_second: Callable[[], None]) -> dict[str, float]:
    before, own = mesh.backend.lateness(), time.process_time()
    assert before is not None
    assert mesh.ticks is not None
    first, late, began = len(mesh.ticks.cost_ns), len(mesh.ticks.late), time.monotonic()
    while (at := time.monotonic()) < began + seconds:
        each_second()
        time.sleep(max(0.0, at + 1 - time.monotonic()))
    now = mesh.backend.lateness()
    assert now is not None
    lateness = now.since(before)
    return {
        "late p50 us": (lateness.quantile_ns(0.5) or 0) / 1e3,
        "late p99 us": (lateness.quantile_ns(0.99) or 0) / 1e3,
        "tick p50 ms": statistics.median(mesh.ticks.cost_ns[first:]) / 1e6,
        "late ticks": len(mesh.ticks.late) - late,
        "main %": 100 * (time.process_time() - own) / (time.monotonic() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", nargs="?", default="starlink-shell1")
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=12.0)
    arguments = parser.parse_args()
    scenario, seconds = Scenario.load(arguments.scenario), arguments.seconds
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulation(scenario, out=Path(folder, "run"), duration_ns=3600 * 10**9) as mesh,
        listening("127.0.0.1", 0, "--metrics") as tcp,
    ):
        url, scrapes = url_of(tcp), []

        def scrape() -> None:
            began = time.monotonic()
            with urllib.request.urlopen(url, timeout=10) as answer:
                size = len(answer.read())
            scrapes.append((time.monotonic() - began, size))

        time.sleep(5)
        for number in range(arguments.turns):
            if number % 2 == 0:
                found[False].append(turn(mesh, seconds, lambda: None))
                continue
            process = MetricsProcess(mesh.run_id, tcp)
            scrape()
            assert process.pid is not None  # it has answered
            time.sleep(3)  # its start is not what a run pays all the time
            used = used_s(process.pid)
            row = turn(mesh, seconds, scrape)
            row["endpoint %"] = 100 * (used_s(process.pid) - used) / seconds
            status = Path(f"/proc/{process.pid}/status").read_text()
            row["endpoint MB"] = int(status.partition("VmRSS:")[2].split()[0]) / 1e3
            found[True].append(row)
            process.close()
        print(f"{scenario.name}: {len(mesh.nodes):,} nodes, {arguments.turns} turns of {seconds:g} s")
    for name in found[True][0]:
        sides = [[round(row[name], 2) for row in rows if name in row] for rows in found.values()]
        medians = [statistics.median(side) if side else None for side in sides]
        print(f"{name:12} without {medians[0]}  with {medians[1]}   each: {sides[0]} {sides[1]}")
    took = [s for s, _ in scrapes]
    print(f"a scrape: {1e3 * statistics.median(took):.0f} ms (p50), {scrapes[-1][1] / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
