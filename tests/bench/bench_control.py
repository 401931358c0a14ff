"""What ten watchers of the control API cost the process that moves a mesh; how fast a program's output comes.

sudo .venv/bin/python tests/bench/bench_control.py [SCENARIO]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orbitmesh.client import Mesh
from orbitmesh.emulator import Emulation, Scenario

N_WATCHERS = 10
WINDOW_S = 15.0
N_BYTES = 1_000_000_000

WATCHER = """
import grpc, sys
from orbitmesh.control.v1 import control_pb2 as pb, control_pb2_grpc
from orbitmesh.client import Mesh
with Mesh.connect(sys.argv[1]) as mesh:
    calls = [mesh._calls.WatchEpochs(pb.WatchEpochsRequest()) for _ in range(int(sys.argv[2]))]
    while True:
        for call in calls:
            update = next(call)
        print(update.WhichOneof("change"), update.ByteSize(), flush=True)
"""


def core_ratio(window_s: float) -> float:
    """Of a core that this process, which is the conductor's, uses."""
    began, used = time.monotonic(), time.process_time()
    time.sleep(window_s)
    return (time.process_time() - used) / (time.monotonic() - began)


def watched(run: Emulation) -> None:
    found: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(2):  # by turns
        found[False].append(core_ratio(WINDOW_S))
        watching = subprocess.Popen(
            [sys.executable, "-c", WATCHER, run.run_id, str(N_WATCHERS)], stdout=subprocess.PIPE, text=True
        )
        assert watching.stdout is not None
        state = watching.stdout.readline().split()
        diff = watching.stdout.readline().split()
        found[True].append(core_ratio(WINDOW_S))
        watching.kill()
        watching.wait()
        time.sleep(25)  # until nothing of it is read any more
    alone, with_all = (sum(each) / len(each) for each in found.values())
    print(f"whole state {int(state[1]) / 1e3:.0f} kB, a diff {int(diff[1]) / 1e3:.0f} kB")
    print(f"alone {100 * alone:.1f} % of a core, with {N_WATCHERS} watchers {100 * with_all:.1f} %: ", end="")
    print(f"{100 * (with_all - alone):.1f} % more; each: {found}")


def output_mb_per_s(run: Emulation) -> None:
    command = ["head", "-c", str(N_BYTES), "/dev/zero"]
    with Mesh.connect(run.run_id) as mesh:
        node = run.nodes.names[-1]
        mesh.run(node, "true")
        for _ in range(3):
            began = time.monotonic()
            with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as plain:
                assert plain.stdout is not None
                while os.read(plain.stdout.fileno(), 1 << 20):
                    pass
            piped = N_BYTES / 1e6 / (time.monotonic() - began)
            with mesh.start(node, *command) as program:
                began = time.monotonic()
                n_bytes = sum(len(data) for _, data in program.output())
                took_s = time.monotonic() - began
            print(f"a plain pipe {piped:.0f} MB/s, by the API {n_bytes / 1e6 / took_s:.0f} MB/s")


def main(name: str = "starlink-shell1") -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Emulation(Scenario.load(name), duration_ns=600 * 10**9, out=Path(folder, "run")) as run,
    ):
        watched(run)
        now = run.status()
        print(f"{now['late_ticks']} of {now['ticks']} ticks late")
        output_mb_per_s(run)


if __name__ == "__main__":
    main(*sys.argv[1:2])
