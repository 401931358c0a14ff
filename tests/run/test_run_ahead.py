"""The geometry process: what it is told reaches the epochs that it computes next."""

from __future__ import annotations

import contextlib
import threading
from multiprocessing import Pipe

import numpy as np

from orbitmesh.emulator.feed.parcels import receive
from orbitmesh.emulator.platform import Draws
from orbitmesh.emulator.run.ahead import Server
from orbitmesh.emulator.scenario.scenario import loads

S = 10**9
SHELL = """name = "shell"
[constellation]
shells = [{ code = "D:600:30:12/3/1" }]
[platform]
[run]
start = 2026-11-01T00:00:00Z
[serving]
model = "llama-3.1-70b"
accelerator = "gb300"
tensor-parallel = 4
replicas = 3
"""


def test_what_computers_draw_is_in_the_next_epoch() -> None:
    ours, its = Pipe()
    ours.send(("open", loads(SHELL), 0, S, 60 * S))
    server = Server(its)
    assert receive(ours)[0] == "nodes"

    def hear() -> None:
        with contextlib.suppress(EOFError):
            server.hear()

    threads = [threading.Thread(target=each, daemon=True) for each in (hear, server.compute)]
    for thread in threads:
        thread.start()

    def epoch() -> object:
        verb, parcel, *_ = receive(ours)
        assert verb == "epoch"
        found = parcel.open()
        parcel.close()
        return found.platforms

    first = epoch()
    epoch()  # so many are computed ahead
    # three groups of four GB300: 16.8 kW of AI1's 150
    ours.send(("draws", Draws(np.array([3, 7]), np.array([1920.0, 9e3]), np.array([1920.0, 12e3]))))
    ours.send(("done", 0))
    then = epoch()
    assert (first.demand_w == 120e3).all()  # type: ignore[attr-defined]
    expected = np.full(12, 120e3, np.float32)
    expected[[3, 7]] = 120e3 * (1 - 16.8 / 150) + np.array([1920, 12e3])
    np.testing.assert_allclose(then.demand_w, expected)  # type: ignore[attr-defined]
    ours.close()
    threads[0].join(10)
    assert not threads[0].is_alive()
