"""Delays that change by new epochs while packets fly: measured latency follows, and nothing else changes."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from e2e_lab import quantiles_us, stamp_unix_ns, udp_socket, unix_minus_mono_ns, until, wait_for_stamps

from orbitmesh.emulator import Scenario
from orbitmesh.emulator.epoch import NS_PER_S, UNREACHABLE, Epoch, Float64, LinkKind, Links, Nodes, Routes
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.wired.plane import Plane
from orbitmesh.emulator.record.light import TOLERANCE_NS

pytestmark = [pytest.mark.netns, pytest.mark.timeout(60)]

MS = 1_000_000
HOPS = 3
CHAIN = Nodes(
    tuple(f"sat-0-{slot}" for slot in range(HOPS + 1)),
    HOPS + 1,
    np.zeros(HOPS + 1, np.int32),
    np.zeros(HOPS + 1, np.int32),
    np.arange(HOPS + 1, dtype=np.int32),
)


def _epoch(number: int, links: Links, next_node: dict[int, list[int]]) -> Epoch:
    """``next_node`` by destination, and by node."""
    table = np.array([next_node[d] for d in sorted(next_node)], np.int32)
    routes = Routes.from_next_nodes(np.array(sorted(next_node), np.int32), table, links, HOPS + 1)
    return Epoch(number, 0, np.zeros((HOPS + 1, 3)), links, routes)


def chain_epoch(number: int, delays_ms: list[float], slopes_ms_per_s: list[float]) -> Epoch:
    """A chain of satellites, routed from end to end."""
    a = np.arange(HOPS, dtype=np.int32)
    rate_bps = np.full(HOPS, 10**9, np.int64)
    links = Links(
        a, a + 1, np.full(HOPS, LinkKind.LASER, np.uint8),
        np.array(delays_ms) * MS, np.array(slopes_ms_per_s) * MS, rate_bps, rate_bps,
    )  # fmt: skip
    backwards, forwards = [UNREACHABLE, *range(HOPS)], [*range(1, HOPS + 1), UNREACHABLE]
    return _epoch(number, links, {0: backwards, HOPS: forwards})


@dataclass(frozen=True)
class InForce:
    """An epoch, and when its commit began and ended."""

    epoch: Epoch
    t0_mono_ns: int
    began_mono_ns: int
    ended_mono_ns: int

    def delays_ns(self, mono_ns: int) -> Float64:
        links = self.epoch.links
        found: Float64 = links.delay_ns + links.delay_slope_ns_per_s * (mono_ns - self.t0_mono_ns) / NS_PER_S
        return found

    def least_ns(self, from_mono_ns: int, to_mono_ns: int) -> Float64:
        """Per hop, over an interval; linear in between."""
        return np.minimum(self.delays_ns(from_mono_ns), self.delays_ns(to_mono_ns))


class Rig:
    """A plane on the engine, and all epochs that were committed to it."""

    def __init__(self) -> None:
        scenario = Scenario.model_validate(
            {
                "name": "chain",
                "constellation": {"shells": [{"code": "D:550:53:12/3/1"}]},
                "run": {"start": datetime(2026, 1, 1, tzinfo=UTC)},
            }
        )
        self.plane = Plane(CHAIN, scenario, EngineBackend())
        self.plane.build()
        self.history: list[InForce] = []

    def commit(self, delays_ms: list[float], slopes_ms_per_s: list[float] | None = None) -> None:
        self.commit_epoch(chain_epoch(len(self.history), delays_ms, slopes_ms_per_s or [0.0] * HOPS))

    def commit_epoch(self, new: Epoch) -> None:
        old = self.history[-1].epoch if self.history else None
        change = self.plane.prepare(old, new)
        t0_ns = time.monotonic_ns()
        self.plane.commit(change, t0_ns)
        self.history.append(InForce(new, t0_ns, t0_ns, time.monotonic_ns()))

    def in_force(self, from_mono_ns: int, to_mono_ns: int) -> list[InForce]:
        """All that a packet may have met: in force, or coming into force, at some instant of the interval."""
        ends_ns = [later.ended_mono_ns for later in self.history[1:]] + [2**63]
        return [
            each
            for each, end_ns in zip(self.history, ends_ns, strict=True)
            if each.began_mono_ns <= to_mono_ns and end_ns >= from_mono_ns
        ]

    def check_books(self, n_datagrams: int) -> None:
        """What went in came out, at every hop: nothing was dropped."""
        counters = self.plane.counters()
        assert {name: n for name, n in counters.items() if name.startswith("dropped_") and n} == {}
        assert counters["packets_in"] == counters["packets_out"] == HOPS * n_datagrams


@dataclass(frozen=True)
class Flight:
    number: int
    sent_mono_ns: int
    came_mono_ns: int

    @property
    def took_ns(self) -> int:
        return self.came_mono_ns - self.sent_mono_ns


class Stream:
    """Numbered datagrams from one end of the chain to the other, one each millisecond, until ``finish``."""

    def __init__(self, rig: Rig) -> None:
        self._out, self._in = udp_socket(rig.plane, 0), udp_socket(rig.plane, HOPS)
        self.n_warm_up = 0
        wait_for_stamps(self._in, self._warm_up)
        self._offset_ns, self._offset_width_ns = unix_minus_mono_ns()
        self.tolerance_ns = TOLERANCE_NS + self._offset_width_ns
        self._sent: list[int] = []
        self._stop = threading.Event()
        self._sender = threading.Thread(target=self._send)
        self._sender.start()

    def _warm_up(self) -> None:
        self.n_warm_up += 1
        self._out.sendto(bytes(8), self._in.getsockname())

    def _send(self) -> None:
        begun_s = time.monotonic()
        while not self._stop.is_set():
            payload = len(self._sent).to_bytes(8, "little")
            self._sent.append(time.monotonic_ns())
            self._out.sendto(payload, self._in.getsockname())
            time.sleep(max(begun_s + len(self._sent) * 0.001 - time.monotonic(), 0))

    def finish(self) -> list[Flight]:
        """In the order in which they came; fails where one does not."""
        self._stop.set()
        self._sender.join()
        flights = []
        with self._out, self._in:
            for _ in self._sent:
                data, ancillary, _, _ = self._in.recvmsg(64, 256)
                number = int.from_bytes(data, "little")
                came_ns = stamp_unix_ns(ancillary) - self._offset_ns
                flights.append(Flight(number, self._sent[number], came_ns))
            self._in.setblocking(False)
            with pytest.raises(BlockingIOError):  # none came twice
                self._in.recv(64, socket.MSG_PEEK)
        offset_ns, width_ns = unix_minus_mono_ns()
        if abs(offset_ns - self._offset_ns) > width_ns + self._offset_width_ns:
            pytest.skip("needs a CLOCK_REALTIME that nobody sets while packets fly")
        return flights


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    try:
        yield rig
    finally:
        rig.plane.close()


def test_epochs_under_traffic_lose_nothing_keep_order_and_are_never_early(rig: Rig) -> None:
    rng = np.random.default_rng(2)
    rig.commit([5.0] * HOPS)
    stream = Stream(rig)
    for _ in range(60):  # 60 epochs of random delays, each shorter than a flight
        rig.commit(rng.uniform(1, 30, HOPS).tolist(), rng.uniform(-20, 20, HOPS).tolist())
        time.sleep(0.02)
    rig.commit([5.0] * HOPS)
    flights = stream.finish()
    assert [flight.number for flight in flights] == list(range(len(flights)))
    margins_ns = []
    for flight in flights:
        interval = (flight.sent_mono_ns, flight.came_mono_ns)
        met = rig.in_force(*interval)
        least_ns = np.min([each.least_ns(*interval) for each in met], axis=0)
        margins_ns.append(flight.took_ns - float(least_ns.sum()))
    assert min(margins_ns) >= -stream.tolerance_ns
    rig.check_books(len(flights) + stream.n_warm_up)
    print(f"{len(flights)} datagrams, {len(rig.history)} epochs, margin {quantiles_us(margins_ns)}")


def test_measured_latency_follows_the_epochs(rig: Rig) -> None:
    # per hop; slopes a thousand times an orbit's, so that a path of 30 ms doubles while it is looked at
    stages = [
        ([4.0, 6.0, 8.0], [0.0, 0.0, 0.0]),
        ([15.0, 3.0, 12.0], [50.0, 50.0, 0.0]),
        ([20.0, 10.0, 2.0], [-40.0, 0.0, 10.0]),
        ([5.0, 4.0, 3.0], [0.0, 0.0, 0.0]),
    ]
    rig.commit(*stages[0])
    stream = Stream(rig)
    time.sleep(0.25)
    for stage in stages[1:]:
        rig.commit(*stage)
        time.sleep(0.25)
    end_ns = time.monotonic_ns()
    flights = stream.finish()
    assert [flight.number for flight in flights] == list(range(len(flights)))

    ends_ns = [*(later.began_mono_ns for later in rig.history[1:]), end_ns]
    for each, until_ns in zip(rig.history, ends_ns, strict=True):
        # A packet that came while an epoch before this one's packets were under way may have had to wait for
        # them, since order is kept: left out, as is what was still under way at the next one.
        from_ns = each.ended_mono_ns + 100 * MS
        own = [f for f in flights if f.sent_mono_ns >= from_ns and f.came_mono_ns <= until_ns]
        assert len(own) > 20
        excess_ns, commanded_ns = [], []
        for flight in own:
            # each hop at the instant at which it is reached
            at_ns, path_ns = float(flight.sent_mono_ns), 0.0
            for hop in range(HOPS):
                delay_ns = float(each.delays_ns(round(at_ns))[hop])
                at_ns += delay_ns
                path_ns += delay_ns
            commanded_ns.append(path_ns)
            excess_ns.append(flight.took_ns - path_ns)
        # a falling delay is shorter by the time that the hosts between have handed the packet on
        falling_ns_per_s = -float(np.minimum(each.epoch.links.delay_slope_ns_per_s, 0).sum())
        handed_on_ns = max(max(excess_ns), 0.0)
        assert min(excess_ns) >= -stream.tolerance_ns - falling_ns_per_s * handed_on_ns / NS_PER_S
        assert statistics.median(excess_ns) < 0.1 * statistics.median(commanded_ns)
        # and a ramp is one: at its begin and at its end the packets that no host held up are on it
        third = len(own) // 3
        if each.epoch.links.delay_slope_ns_per_s.any():
            moved_ns = abs(commanded_ns[-1] - commanded_ns[0])
            assert max(min(excess_ns[:third]), min(excess_ns[-third:])) < 0.1 * moved_ns
        print(
            f"commanded {commanded_ns[0] / 1e6:.3f} to {commanded_ns[-1] / 1e6:.3f} ms, "
            f"{len(own)} datagrams, excess {quantiles_us(excess_ns)}"
        )
    rig.check_books(len(flights) + stream.n_warm_up)


def test_a_packet_that_is_turned_back_through_its_sender_is_not_lost(rig: Rig) -> None:
    # 0 is joined to 1 and to 2, and 1 to 2.  A packet from 0 to 2 flies to 1 when the way of both turns to
    # the other side: 1 sends it back to 0, which must take a packet that has its own address as source.
    a, b = np.array([0, 0, 1], np.int32), np.array([1, 2, 2], np.int32)
    rate_bps = np.full(3, 10**9, np.int64)
    links = Links(
        a,
        b,
        np.full(3, LinkKind.LASER, np.uint8),
        np.array([300.0, 5.0, 5.0]) * MS,
        np.zeros(3),
        rate_bps,
        rate_bps,
    )
    rig.commit_epoch(_epoch(0, links, {2: [1, 2, UNREACHABLE, UNREACHABLE]}))
    with udp_socket(rig.plane, 0) as out, udp_socket(rig.plane, 2) as receiver:
        out.sendto(b"turned back", receiver.getsockname())
        until(lambda: rig.plane.counters()["packets_in"] == 1, "the packet to be under way")
        rig.commit_epoch(_epoch(1, links, {2: [2, 0, UNREACHABLE, UNREACHABLE]}))
        assert rig.plane.counters()["packets_out"] == 0, "it had arrived before the routes changed"
        assert receiver.recv(64) == b"turned back"
    assert rig.plane.counters()["packets_out"] == 3
