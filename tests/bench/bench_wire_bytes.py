"""What a request and its answer put on a link, by counters of a run in which all have packets (one-in = 1).

    sudo .venv/bin/python tests/bench/bench_wire_bytes.py [--message-tokens 1 2 4]

One gateway asks, by a trace of phases of equal requests, over the fabric; nothing else sends.  Counted are
the bytes, at the IP layer, that entered the links from the gateway and to it in each phase.  Beside them what
emulator/run/silent_load.py says of the same requests.  Asserts nothing.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

import numpy as np

from orbitmesh.emulator.plane.fabric.plane import FabricPlane
from orbitmesh.emulator.run import silent_load
from orbitmesh.emulator.run.emulation import Emulation
from orbitmesh.emulator.scenario import loads

PHASE_S, ASKING_S, MARGIN_S = 6.0, 2.4, -0.7
# prompt and answer in tokens, requests in a phase; the first begins before all is counted, in the last
# nothing is asked
PHASES = (
    (100, 1, 1), (100, 1, 24), (100, 20, 12), (100, 60, 4), (100, 60, 24), (100, 200, 2), (100, 200, 12),
    (400, 40, 40), (2000, 20, 12), (8000, 20, 12), (1, 1, 0),
)  # fmt: skip
SCENARIO = (Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml").read_text()
MORE = """
[platform]
preset = "rack"
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
message-tokens = {message_tokens}
[[customers]]
name = "chat"
gateways = ["london"]
trace = "{trace}"
[run]
"""


def scenario(folder: Path, message_tokens: int) -> str:
    trace = folder / "trace.csv"
    with trace.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["arrival_s", "input_tokens", "output_tokens"])
        for number, (prompt, output, n) in enumerate(PHASES):
            for k in range(n):
                rows.writerow([f"{number * PHASE_S + ASKING_S * k / n:.4f}", prompt, output])
    head, rest = SCENARIO.split("[compute.probes]")
    run = rest.split("[run]\n")[1].replace("0.001", "0.01")
    more = MORE.format(message_tokens=message_tokens, trace=trace)
    return head + "[compute.probes]\nkinds = []\n" + more + run


def counted(folder: Path, message_tokens: int) -> np.ndarray:
    """(phases, 2) bytes up and down."""
    duration_s = len(PHASES) * PHASE_S
    found = []
    with Emulation(
        loads(scenario(folder, message_tokens)), duration_ns=round((duration_s + 2) * 1e9),
        out=folder / f"run-{message_tokens}", plane="fabric",
    ) as mesh:  # fmt: skip
        plane, others = mesh.plane, mesh._workload._others
        assert isinstance(plane, FabricPlane)
        assert others.began_mono_ns is not None
        ground = plane.table.counters["bytes_in"][plane.table.sizes.n_laser_pipes :]
        for number in range(len(PHASES) + 1):
            until_ns = others.began_mono_ns + round((number * PHASE_S + MARGIN_S) * 1e9)
            mesh.wait(max(1, until_ns - time.monotonic_ns()))
            found.append([ground[1::2].sum(), ground[::2].sum()])  # from the gateway, and to it
    return np.diff(np.array(found), axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--message-tokens", type=int, nargs="+", default=[1, 2, 4])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for message_tokens in args.message_tokens:
            rows = counted(Path(folder), message_tokens)
            print(f"{message_tokens} tokens a message: bytes of each request, counted and (reckoned)")
            for (prompt, output, n), (up, down) in zip(PHASES[1:-1], rows[1:-1], strict=True):
                said = silent_load.wire_bytes(4 * prompt, output, message_tokens)
                print(
                    f"  {prompt:5} in, {output:4} out, {n / ASKING_S:4.1f} a second: up {up / n:7,.0f} "
                    f"({said.up:7,.0f}), down {down / n:7,.0f} ({said.down:7,.0f})"
                )


if __name__ == "__main__":
    main()
