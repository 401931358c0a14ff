"""Views made by hand: delays, platforms and loads as a test wants them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from orbitmesh.emulator.epoch import Epoch, Links, Platforms, Ports, Routes
from orbitmesh.emulator.placement import REFUSED, RequestClass, View, Work

MS = 1e6
S = 1e9


def bare_epoch(
    n_satellites: int, n_gateways: int, sim_ns: int = 0, number: int = 0, of: Platforms | None = None
) -> Epoch:
    """Nobody is joined to anybody: delays are given beside it."""
    i4, i8 = np.empty(0, np.int32), np.empty(0, np.int64)
    links = Links(i4, i4, np.empty(0, np.uint8), np.empty(0), np.empty(0), i8, i8)
    n_nodes = n_satellites + n_gateways
    ports = Ports.of(links, n_satellites, n_nodes)
    routes = Routes(i4, np.empty((0, n_nodes), np.uint8), ports)
    return Epoch(number, sim_ns, np.zeros((n_nodes, 3)), links, routes, of)


def platforms(
    n: int,
    *,
    sunlit: Sequence[float] | None = None,
    temperature_k: Sequence[float] | None = None,
    capacity: Sequence[float] | None = None,
    battery_j: Sequence[float] | None = None,
) -> Platforms:
    def column(values: Sequence[float] | None, otherwise: float) -> np.ndarray:
        return np.full(n, otherwise, np.float32) if values is None else np.array(values, np.float32)

    return Platforms(
        sunlit_ratio=column(sunlit, 1.0),
        battery_j=column(battery_j, 1e9),
        temperature_k=column(temperature_k, 300.0),
        demand_w=column(None, 1e5),
        compute_w=column(None, 1e5),
        power_w=column(None, 1e5),
        capacity_ratio=column(capacity, 1.0),
        cause=np.zeros(n, np.uint8),
        measured=np.zeros(n, np.uint8),
    )


def steady_work(*answer_s: float, requests: int = 1, replicas: int = 1) -> Work:
    """Answers of so many seconds for each class: prompts cost nothing, a token 10 ms whatever the batch."""
    tokens = [s * 100 for s in answer_s]
    return Work(
        [0.0] * len(tokens), tokens, [1.0] * len(tokens),
        lambda prefill, pairs, decodes, context: 10 * MS if context else 0.0,
        requests=requests, replicas=replicas,
    )  # fmt: skip


def make_view(
    delay_ms: Sequence[Sequence[float]],
    *,
    satellites: Sequence[int] | None = None,
    of: Platforms | None = None,
    slope: Sequence[float] | None = None,
    energy_s: Sequence[float] | None = None,
    in_flight: Sequence[float] | None = None,
    before: Sequence[Sequence[int]] | None = None,
    rates: Sequence[float] = (0.0,),
    work: Work | None = None,
    rise: int | None = None,
) -> View:
    """A row of delays for each gateway; satellites are 0, 1, … unless they are given."""
    delay_ns = np.array(delay_ms, float).reshape(len(delay_ms), -1) * MS
    g, h = delay_ns.shape
    who = np.array(range(h) if satellites is None else satellites, np.int32)
    n = int(who.max(initial=-1)) + 1
    classes = tuple(RequestClass(f"class{i}", 100.0, 100.0, np.full(g, rate)) for i, rate in enumerate(rates))
    return View(
        bare_epoch(n, g),
        who,
        np.arange(n, n + g, dtype=np.int32),
        classes,
        delay_ns,
        of,
        np.zeros(h) if slope is None else np.array(slope, float),
        np.full(h, np.inf) if energy_s is None else np.array(energy_s, float),
        np.zeros(h) if in_flight is None else np.array(in_flight, float),
        np.full((g, len(classes)), REFUSED, np.int32) if before is None else np.array(before, np.int32),
        10**9,
        steady_work(*[1.0] * len(classes)) if work is None else work,
        lambda gateway: rise,
    )
