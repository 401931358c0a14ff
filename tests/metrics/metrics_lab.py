"""A run's feed without a run: what a mesh with customers and platforms tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from orbitmesh.emulator.control.api.listening import listening
from orbitmesh.emulator.epoch import Epoch, Links, Platforms, Ports, Routes
from orbitmesh.emulator.feed.feed import Entry, Feed
from orbitmesh.emulator.feed.parcels import Parcel
from orbitmesh.emulator.metrics.endpoint import Endpoint, serving
from orbitmesh.emulator.metrics.layout import Layout
from orbitmesh.emulator.metrics.seen import Seen
from orbitmesh.emulator.plane.backend import Lateness
from orbitmesh.emulator.record.totals import Totals
from orbitmesh.wire.answers import Answer

MS = 1_000_000
GATEWAYS = ("gw-london", 'gw-"<b>\\\n')
CUSTOMERS = [
    {
        "name": "chat", "one_in": 4,
        "target": {
            "ttft_ns": 100 * MS, "tpot_ns": None, "answer_ns": None, "share": 0.95, "preset": None
        },
    },
    {"name": "batch", "one_in": 1, "target": None},
]  # fmt: skip


class Ways:
    def __init__(self, watched_ns: int = 12_000 * MS) -> None:
        """London has a way for three quarters of the time, the other for half of it."""
        self.watched_ns = watched_ns
        self.with_way_ns = np.array([watched_ns * 3 // 4, watched_ns // 2])
        self.has_way = np.array([True, False])


def answer(ttft_ms: float, *, customer_class: str = "chat", error: str = "", refused: bool = False) -> Answer:
    first = round(ttft_ms * MS)
    return Answer(
        customer_class, GATEWAYS[0], "sat-0-0", 0, due_mono_ns=0, sent_mono_ns=0, first_mono_ns=first,
        done_mono_ns=first + 900 * MS, prompt_tokens=9, output_tokens=10, bytes_up=9, bytes_first=9,
        bytes_down=9, error=error, refused=refused,
    )  # fmt: skip


def totals_told(totals: Totals, ways: Ways) -> dict[str, Any]:
    more = dict.fromkeys(
        ("rows_written", "rows_waiting", "rows_lost", "malformed", "missed_entries", "faults"), 0
    )
    return totals.told(ways) | more


def digest_of(
    totals: Totals, gateways: tuple[str, ...] = GATEWAYS, ways: Ways | None = None
) -> dict[str, Any]:
    times = {f"{kind}_{q}_ns": 30 * MS for kind in ("udp", "grpc", "task") for q in ("p50", "p99")}
    rows = [{"gateway": name, "satellites": 3, "samples": 7, "lost": 0, **times} for name in gateways]
    return {
        "samples": 7, "lost": 0, "dropped": 0, "path_changes": 2, "too_fast": 0, "least_margin_ns": 40_000,
        "gateways": rows, "totals": totals_told(totals, ways or Ways()),
    }  # fmt: skip


def status_of(second: int, digest: dict[str, Any], satellites: int = 24) -> dict[str, Any]:
    edges = np.array([0, 10_000, 20_000, 100_000, 10**9], np.int64)
    late = Lateness(edges, np.array([90, 8, 1 + second, 1]), 5 * MS)
    return {
        "run_id": "toy-20261101T000000Z-0001", "scenario": 'a "<b>scenario</b>"', "plane": "wired",
        "backend": "engine", "clock": "real", "elapsed_ns": second * 10**9, "duration_ns": 60 * 10**9,
        "paused": False, "speed_ratio": 1.0, "satellites": satellites, "gateways": 2, "hosts": 8,
        "nodes_ready": 8, "dead_nodes": {}, "lasers": 48, "ground_links": 4, "ticks": 10 * second,
        "late_ticks": 1,
        "engine_lateness_max_ns": 5 * MS, "interventions": 2,
        "engine_lateness": {
            "packets": 100 + second, "up_to_ns": late.up_to([10_000, 15_000, 50_000])
        },
        "digest": digest,
    }  # fmt: skip


def told_layout(
    shells: list[list[Any]], planes: list[list[int]], gateways: tuple[str, ...]
) -> dict[str, Any]:
    return {"shells": shells, "planes": planes, "gateways": list(gateways)}


def ring(n_satellites: int, slots: int, n_gateways: int, *, down: int = 0) -> Epoch:
    """Planes of so many slots: a ring of lasers in each, one to the next; gateways on the first satellites.

    Its routes are to nowhere, and of a large one there are none at all.
    """
    who = np.arange(n_satellites, dtype=np.int32)
    in_plane = np.column_stack([who, who - who % slots + (who + 1) % slots])
    across = np.column_stack([who[:-slots], who[:-slots] + slots])
    ground = np.column_stack([np.arange(n_gateways), n_satellites + np.arange(n_gateways)])
    pairs = np.sort(np.concatenate([in_plane, across, ground]).astype(np.int32), axis=1)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    n = len(pairs)
    up = np.ones(n, np.bool_)
    up[:down] = False
    rate = np.full(n, 10**9, np.int64)
    links = Links(
        np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]),
        (pairs[:, 1] >= n_satellites).astype(np.uint8), np.full(n, 1e6), np.zeros(n), rate, rate, up,
    )  # fmt: skip
    routes: Any = None
    if n_satellites < 10_000:
        ports = Ports.of(links, n_satellites, n_satellites + n_gateways)
        routes = Routes(np.empty(0, np.int32), np.empty((0, n_satellites + n_gateways), np.uint8), ports)
    share = np.linspace(0, 1, n_satellites, dtype=np.float32)
    platforms = Platforms(
        sunlit_ratio=share, battery_j=1000 * (1 + share), temperature_k=300 + share,
        demand_w=np.full_like(share, 100), compute_w=np.full_like(share, 75),
        power_w=np.full_like(share, 125), capacity_ratio=np.full_like(share, 0.75),
        cause=(who % 2).astype(np.uint8), measured=np.zeros(n_satellites, np.uint8),
    )  # fmt: skip
    return Epoch(7, 0, np.zeros((n_satellites + n_gateways, 3)), links, routes, platforms)


def some_totals() -> Totals:
    """London: udp 12 and 45 ms, light 10 and 40, one lost; a task of 3 ms.  Chat: two in, one out, …"""
    totals = Totals(GATEWAYS, CUSTOMERS)
    for measured, light in ((12, 10), (45, 40)):
        totals.sample(
            "sat-0-0", GATEWAYS[0], "udp", ok=True, measured_ns=measured * MS, physical_ns=light * MS,
            remainder_ns=MS,
        )  # fmt: skip
    lost: dict[str, Any] = {"ok": False, "measured_ns": 0, "physical_ns": None, "remainder_ns": None}
    totals.sample("sat-0-0", GATEWAYS[0], "udp", **lost)
    totals.sample(GATEWAYS[0], "sat-0-0", "task", **{**lost, "ok": True, "measured_ns": 3 * MS})
    for each in (
        answer(50), answer(100), answer(101), answer(0, error="UNAVAILABLE", refused=True),
        answer(0, error="DEADLINE_EXCEEDED"), answer(0, error="cut-off"), answer(7, customer_class="batch"),
    ):  # fmt: skip
        totals.answer(each)
    return totals


def small_layout() -> Layout:
    return Layout.of(told_layout([["low", 12], ["high", 12]], [[6, 4]], GATEWAYS))


def seen_once() -> Seen:
    """Two shells of two planes of six."""
    seen = Seen(small_layout())
    digest = digest_of(some_totals())
    seen.take(Entry(0, "epoch", {}, Parcel.pack(ring(24, 6, 2, down=1))))
    seen.take(Entry(1, "status", status_of(3, digest)))
    seen.take(Entry(2, "event", {"event": "laser lost", "n": 3, "of": []}))
    of = [{"gateway": GATEWAYS[0], "left": ["sat-0-0"], "joined": ["sat-0-1"]}]
    seen.take(Entry(3, "event", {"event": "handover", "n": 2, "of": of}))
    return seen


@contextmanager
def scraped(seen: Seen, **more: Any) -> Iterator[Endpoint]:
    with listening("127.0.0.1", 0, "--port") as tcp, serving(tcp, seen, **more) as endpoint:
        yield endpoint


@contextmanager
def running_feed() -> Iterator[Seen]:
    """A feed in which something happens each fifth of a second, followed as a run's is."""
    feed, stop, totals = Feed(), threading.Event(), some_totals()
    reader = feed.reader(present=True)
    seen = Seen(small_layout())

    def happen() -> None:
        second = 0
        while not stop.is_set():
            second += 1
            totals.sample(
                "sat-0-0",
                GATEWAYS[0],
                "udp",
                ok=True,
                measured_ns=12 * MS,
                physical_ns=10 * MS,
                remainder_ns=MS,
            )
            totals.answer(answer(50))
            digest = digest_of(totals, ways=Ways(200 * MS * second))
            digest["totals"]["rows_written"] = second
            feed.put("epoch", {}, Parcel.pack(ring(24, 6, 2)), stands=True)
            feed.put("status", status_of(second, digest), stands=True)
            feed.put("event", {"event": "laser lost", "n": 1, "of": []})
            time.sleep(0.2)

    threads = [threading.Thread(target=happen), threading.Thread(target=seen.follow, args=(reader,))]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        threads[0].join()
        feed.close()
        threads[1].join()
        feed.drop()
