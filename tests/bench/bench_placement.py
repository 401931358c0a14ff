"""What placing requests costs a tick, by policy; the delays of the ways are the assignment's, and not in it.

    python tests/bench/bench_placement.py [--satellites 1584] [--gateways 30] [--classes 4] [--turns 101]

Medians of the wall time in ms, one process; a third of the satellites is in the shadow, and each gateway
sends 5 requests/s of each class.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from orbitmesh.emulator.epoch import Epoch, Links, Platforms, Ports, Routes
from orbitmesh.emulator.placement import BUILT_IN, Placer, RequestClass, Work, load
from orbitmesh.emulator.presets.serving import accelerator, model
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.serving import Deployment


def bare_epoch(n: int, g: int) -> Epoch:
    i4, i8 = np.empty(0, np.int32), np.empty(0, np.int64)
    links = Links(i4, i4, np.empty(0, np.uint8), np.empty(0), np.empty(0), i8, i8)
    routes = Routes(i4, np.empty((0, n + g), np.uint8), Ports.of(links, n, n + g))
    return Epoch(0, 0, np.zeros((n + g, 3)), links, routes)


def platforms(n: int, random: np.random.Generator) -> Platforms:
    lit, some = (random.random(n) > 1 / 3).astype(np.float32), np.full(n, 1e5, np.float32)
    capacity = (0.5 + 0.5 * random.random(n)).astype(np.float32)
    return Platforms(lit, some * 1e3, some / 300, some, some, some, capacity, *np.zeros((2, n), np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--satellites", type=int, default=1584)
    parser.add_argument("--gateways", type=int, default=30)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--turns", type=int, default=101)
    options = parser.parse_args()
    n, g, c = options.satellites, options.gateways, options.classes
    random = np.random.default_rng(1)
    delay_ns = random.uniform(5e6, 120e6, (g, n))
    classes = [RequestClass(f"class{i}", 500.0 * (i + 1), 100.0, np.full(g, 5.0)) for i in range(c)]
    times = StepTime(Deployment(model("llama-3.1-8b"), accelerator("h100")))
    work = Work(
        [k.prompt_tokens for k in classes],
        [k.output_tokens for k in classes],
        [1.0] * c,
        times.ns,
        requests=128,
    )
    print("policy             ms a tick")
    for name in BUILT_IN:
        placer = Placer(
            load(name),
            np.arange(n, dtype=np.int32),
            np.arange(n, n + g, dtype=np.int32),
            classes,
            work,
            10**9,
        )
        took = []
        for turn in range(options.turns):
            epoch = replace(
                bare_epoch(n, g), number=turn, sim_ns=turn * 10**9, platforms=platforms(n, random)
            )
            began = time.perf_counter()
            placer.place(epoch, delay_ns)
            took.append(time.perf_counter() - began)
        print(f"{name:17}  {np.median(took) * 1e3:9.2f}")


if __name__ == "__main__":
    main()
