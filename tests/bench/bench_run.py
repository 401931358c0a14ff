"""Whole runs: from the command to the first measured sample, ticks, memory, and the end.

    python tests/bench/bench_run.py [SCENARIO ...]      (as root; default: demo starlink-shell1)

Prints figures; asserts nothing.  Memory is the proportional set size of all
processes of the run, plus what the kernel grew by (namespaces, devices, routes).
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN_S = 20
COMMAND = [sys.executable, "-m", "orbitmesh.emulator.cli", "run"]


def pss_bytes(pids: set[int]) -> int:
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024


def descendants(root: int) -> set[int]:
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(process.name))
    found, todo = set(), [root]
    while todo:
        pid = todo.pop()
        found.add(pid)
        todo += children.get(pid, [])
    return found


def available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) * 1024


def bench(scenario: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        before = available_bytes()
        began = time.monotonic()
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "orbitmesh.emulator.cli",
                "run",
                scenario,
                "--out",
                str(out),
                "--duration",
                f"{RUN_S}s",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not any((out / "samples").glob("part-*.parquet")):
            if process.poll() is not None:
                raise SystemExit(
                    f"{scenario} ended early:\n{process.stderr.read() if process.stderr else ''}"
                )
            time.sleep(0.02)
        first_s = time.monotonic() - began
        time.sleep(RUN_S / 2)
        pids = descendants(process.pid)
        pss, grown = pss_bytes(pids), before - available_bytes()
        process.communicate()
        ended = time.monotonic()
        summary = json.loads((out / "summary.json").read_text())
        ticks, late = summary["ticks"], summary["engine_lateness"]
        end_s = ended - began - summary["build_ns"] / 1e9 - summary["emulated_ns"] / 1e9
        trusted = "trusted" if summary["trusted"] else f"not trusted: {summary['doubts']}"
        print(f"{scenario}: exit {process.returncode}, {summary['ended']}, {trusted}")
        print(f"  built in {summary['build_ns'] / 1e9:.2f} s; first sample on disk at {first_s:.2f} s")
        print(f"  start of the interpreter and the end together {end_s:.2f} s")
        print(
            f"  {ticks['count']} ticks, {ticks['late']} late; work p50 {ticks['cost_p50_ns'] / 1e6:.1f} ms, "
            f"p99 {ticks['cost_p99_ns'] / 1e6:.1f} ms, most {ticks['cost_max_ns'] / 1e6:.1f} ms"
        )
        print(f"  engine lateness p50 {late['p50_ns'] / 1e3:.1f} us, p99 {late['p99_ns'] / 1e3:.1f} us")
        print(f"  {len(pids)} processes, {pss / 1e6:.0f} MB; available memory fell by {grown / 1e6:.0f} MB")
        print(f"  samples {summary['samples']}")
        rests = [
            figures["remainder"]["p50_ns"] / 1e3
            for gateway in summary["gateways"]
            for kind, figures in gateway["kinds"].items()
            if kind == "udp" and figures["remainder"]
        ]
        if rests:
            print(f"  UDP, measured less physics, median over gateways: {statistics.median(rests):.0f} us")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.geteuid() != 0:
        raise SystemExit("needs root: namespaces")
    for name in sys.argv[1:] or ["demo", "starlink-shell1"]:
        bench(name)
