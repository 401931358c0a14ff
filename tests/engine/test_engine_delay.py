"""Packets in real namespaces: never early, in order, none lost when a delay changes under them."""

from __future__ import annotations

import re
import socket
import statistics
import struct
import time
from collections.abc import Callable

import numpy as np
import pytest
from engine_lab import MS, PATIENCE_S, Lab, until

pytestmark = pytest.mark.netns

SO_TIMESTAMPNS = 35  # asm-generic/socket.h
CLOCK_STEP_NS = 50_000  # CLOCK_REALTIME may be slewed against CLOCK_MONOTONIC between two readings


def stream(
    lab: Lab, n: int, interval_s: float, each: Callable[[int], None] | None = None
) -> list[tuple[int, int, int]]:
    """Numbered datagrams from the first node to the last: (number, sent, received) in order of receipt, ns.

    ``each(i)`` is called before packet i is sent.
    """
    receiver = lab.endpoint(len(lab.netns) - 1)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sender = lab.endpoint(0)
    to = receiver.getsockname()
    # the kernel stamps what it receives with CLOCK_REALTIME
    offset_ns = time.time_ns() - time.monotonic_ns()
    start = time.monotonic()
    for i in range(n):
        while time.monotonic() < start + i * interval_s:
            time.sleep(0.0002)
        if each is not None:
            each(i)
        sender.sendto(struct.pack("=iq", i, time.monotonic_ns()), to)
    got = []
    for _ in range(n):
        data, ancillary, _, _ = receiver.recvmsg(64, 64)
        number, sent_ns = struct.unpack("=iq", data)
        seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
        got.append((number, sent_ns, seconds * 1_000_000_000 + nanoseconds - offset_ns))
    return got


@pytest.mark.parametrize("delay_ms", [0.0, 3.0, 40.0])
def test_a_packet_takes_the_commanded_delay(delay_ms: float) -> None:
    with Lab() as lab:
        lab.set(delay_ms=delay_ms)
        took_ns = [received - sent for _, sent, received in stream(lab, 40, 0.004)]
    assert min(took_ns) >= delay_ms * MS - CLOCK_STEP_NS
    assert statistics.median(took_ns) < 1.5 * delay_ms * MS + 3 * MS  # not twice, not the round trip


def test_ping_takes_both_ways_over_three_links() -> None:
    with Lab(4) as lab:
        lab.set(delay_ms=7)
        said = lab.run(0, "ping", "-c", "5", "-i", "0.05", "10.0.0.4")
    times_ms = [float(t) for t in re.findall(r"time=([\d.]+)", said)]
    assert len(times_ms) == 5
    assert min(times_ms) >= 42.0
    assert statistics.median(times_ms) < 63.0


def test_delay_follows_its_slope_between_two_updates() -> None:
    with Lab() as lab:
        t0_ns = time.monotonic_ns()
        slope_ns_per_s = 40 * MS
        lab.set(delay_ms=5, slope_ns_per_s=slope_ns_per_s, t0_mono_ns=t0_ns)
        got = stream(lab, 200, 0.005)
    excess_ns = [
        (received - sent) - (5 * MS + slope_ns_per_s * (sent - t0_ns) / 1e9) for _, sent, received in got
    ]
    assert min(excess_ns) >= -CLOCK_STEP_NS
    assert got[-1][2] - got[-1][1] > 35 * MS  # it did grow, without another update


@pytest.mark.native
def test_changes_under_traffic_lose_nothing_and_keep_order_and_are_never_early() -> None:
    rng = np.random.default_rng(7)
    commanded: list[tuple[int, float]] = []

    with Lab() as lab:

        def change(i: int) -> None:
            if i % 5 == 0:
                delay_ms = float(rng.uniform(2, 40))
                lab.set(delay_ms=delay_ms)
                commanded.append((time.monotonic_ns(), delay_ms * MS))

        change(0)
        got = stream(lab, 800, 0.001, change)
        lab.quiet()
        lab.check_books()
        count = lab.backend.counters(lab.links)

    assert [number for number, _, _ in got] == list(range(800))
    assert int(count.packets_out[0, 0]) == 800
    instants = np.array([t for t, _ in commanded])
    delays = np.array([d for _, d in commanded])
    for _, sent, received in got:
        # it entered the link after it was sent: any delay in force from then on may be its own
        first = max(0, int(np.searchsorted(instants, sent)) - 1)
        last = int(np.searchsorted(instants, received)) + 1
        assert received - sent >= delays[first:last].min() - CLOCK_STEP_NS


def test_order_is_kept_when_the_delay_falls() -> None:
    with Lab() as lab:
        lab.set(delay_ms=150)

        def fall(i: int) -> None:
            if i == 50:
                lab.set(delay_ms=1)

        got = stream(lab, 100, 0.001, fall)
    assert [number for number, _, _ in got] == list(range(100))
    by_number = {number: received - sent for number, sent, received in got}
    assert by_number[0] >= 150 * MS - CLOCK_STEP_NS
    assert by_number[99] < by_number[0]  # those behind came with those ahead, not a whole delay after


def test_what_is_in_flight_when_a_link_goes_down_is_lost() -> None:
    with Lab() as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        lab.set(delay_ms=300)
        for _ in range(10):
            sender.sendto(b"lost", receiver.getsockname())
        until(lambda: int(lab.backend.counters(lab.links).packets_in[0, 0]) == 10, "ten packets in flight")
        lab.set(delay_ms=300, up=False)
        lab.set(delay_ms=0)  # up again before they would have arrived
        sender.sendto(b"alive", receiver.getsockname())
        assert receiver.recv(64) == b"alive"
        lab.quiet()
        count = lab.backend.counters(lab.links)
        assert int(count.dropped_down[0, 0]) == 10
        assert int(count.packets_out[0, 0]) == 1
        lab.set(up=False)
        sender.sendto(b"into the void", receiver.getsockname())
        until(lambda: int(lab.backend.counters(lab.links).dropped_down[0, 0]) == 11, "a packet to be dropped")
        lab.check_books()


def test_a_link_that_comes_back_begins_with_an_idle_transmitter() -> None:
    rate_bps, n_bytes = 100, 528
    assert n_bytes * 8 / rate_bps > PATIENCE_S  # for the first packet alone
    with Lab() as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        lab.set(rate_bps=rate_bps)
        for _ in range(10):
            sender.sendto(bytes(n_bytes - 28), receiver.getsockname())
        until(lambda: int(lab.backend.held_packets(lab.links)[0, 0]) == 10, "ten packets to wait")
        lab.set(up=False)
        lab.set()
        sender.sendto(b"next", receiver.getsockname())
        assert receiver.recv(1000) == b"next"
