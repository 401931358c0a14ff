"""Rate, queue and loss, checked by traffic that saturates, and by counting on both sides."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from engine_lab import Lab, until

pytestmark = pytest.mark.netns


@contextmanager
def flood(send: Callable[[], object]) -> Iterator[None]:
    """Call ``send`` over and over on a thread of its own."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            send()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def delivered_bps(lab: Lab, seconds: float) -> float:
    """As the receiving kernel counts IP packets."""
    before, start = lab.received_bytes(1, "west"), time.monotonic()
    time.sleep(seconds)
    after, end = lab.received_bytes(1, "west"), time.monotonic()
    return 8 * (after - before) / (end - start)


def test_what_packets_wait_for_those_before_them_is_counted() -> None:
    with Lab() as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        lab.set(delay_ms=2, rate_bps=8_000_000, queue_bytes=1 << 20)  # a kB in 1 ms
        both = lab.links[[0, 0]], np.array([0, 1])
        before = lab.backend.waited(*both)
        for _ in range(40):
            sender.sendto(bytes(972), receiver.getsockname())
        until(lambda: int(lab.backend.waited(*both)[0, 0] - before[0, 0]) >= 40, "forty packets")
        there, back = (lab.backend.waited(*both) - before)[:, 1] / 1e6
        # the k-th waits for k others, less what was sent while they came: 780 ms, if all came at once
        assert 600 < there <= 780
        assert back == 0


@pytest.mark.native
@pytest.mark.parametrize("rate_bps", [10_000_000, 100_000_000])
def test_udp_saturates_a_link_at_its_rate(rate_bps: int) -> None:
    with Lab() as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        to = receiver.getsockname()
        lab.set(delay_ms=2, rate_bps=rate_bps, queue_bytes=rate_bps // 8 // 10)

        def send() -> None:
            for _ in range(20):
                sender.sendto(bytes(1400), to)
            time.sleep(0.0005)

        with flood(send):
            until(lambda: bool(lab.backend.counters(lab.links).dropped_queue[0, 0]), "the queue to fill")
            measured_bps = delivered_bps(lab, 1.0)
        assert measured_bps == pytest.approx(rate_bps, rel=0.03)
        lab.quiet()
        lab.check_books()


@pytest.mark.parametrize("rate_bps", [10_000_000, pytest.param(100_000_000, marks=pytest.mark.native)])
def test_tcp_saturates_a_link_at_its_rate(rate_bps: int) -> None:
    with Lab() as lab:
        lab.set(delay_ms=2, rate_bps=rate_bps, queue_bytes=rate_bps // 8 // 20)
        client, server = lab.tcp()
        block = bytes(1 << 16)
        drain = threading.Thread(target=lambda: [None for _ in iter(lambda: server.recv(1 << 18), b"")])
        drain.start()
        with flood(lambda: client.sendall(block)):
            until(lambda: bool(lab.backend.counters(lab.links).dropped_queue[0, 0]), "the queue to fill")
            measured_bps = delivered_bps(lab, 1.5)
        client.close()
        drain.join()
        assert measured_bps == pytest.approx(rate_bps, rel=0.03)


def test_the_queue_is_bounded_in_bytes() -> None:
    with Lab() as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        lab.set(rate_bps=10_000, queue_bytes=15_500)  # a packet takes 0.8 s: none leaves while they come
        for _ in range(50):
            sender.sendto(bytes(972), receiver.getsockname())  # 1,000 bytes of IP packet
        until(lambda: int(lab.backend.counters(lab.links).packets_in[0, 0]) == 50, "fifty packets")
        count = lab.backend.counters(lab.links)
        assert int(lab.backend.held_packets(lab.links)[0, 0]) == 16  # one on the wire, 15 waiting
        assert int(count.dropped_queue[0, 0]) == 34
        assert int(count.bytes_in[0, 0]) == 50_000
        lab.check_books()


def lost_numbers(seed: int) -> list[int]:
    with Lab(seed=seed) as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        lab.set(loss_ratio=0.1)
        for i in range(5000):
            sender.sendto(struct.pack("=i", i), receiver.getsockname())
            if i % 500 == 499:  # the interface's own queue is not what is tested
                until(lambda n=i + 1: int(lab.backend.counters(lab.links).packets_in[0, 0]) == n, "arrival")
        lab.quiet()
        count = lab.backend.counters(lab.links)
        arrived = {struct.unpack("=i", receiver.recv(64))[0] for _ in range(int(count.packets_out[0, 0]))}
        lost = sorted(set(range(5000)) - arrived)
        assert len(lost) == int(count.dropped_loss[0, 0])
        lab.check_books()
    return lost


@pytest.mark.native
def test_loss_is_its_ratio_and_comes_again_with_the_seed() -> None:
    lost = lost_numbers(1)
    sigma = np.sqrt(5000 * 0.1 * 0.9)
    assert abs(len(lost) - 500) < 5 * sigma
    assert lost == lost_numbers(1)
    assert lost != lost_numbers(2)


def test_a_super_packet_is_charged_by_what_goes_on_the_wire() -> None:
    payload = 20_000_000
    with Lab() as lab:
        client, server = lab.tcp()
        sender = threading.Thread(
            target=lambda: (client.sendall(bytes(payload)), client.shutdown(socket.SHUT_WR))
        )
        sender.start()
        while server.recv(1 << 20):
            pass
        sender.join()
        lab.quiet()
        count = lab.backend.counters(lab.links)
        kernel_packets = int(lab.run(0, "sh", "-c", "ip -s link show east | awk '/TX:/{getline; print $2}'"))
    packets, n_bytes = int(count.packets_in[0, 0]), int(count.bytes_in[0, 0])
    assert kernel_packets < packets / 4  # offload was at work, or this would test nothing
    assert packets >= payload / 1448
    # 20 bytes IP and 32 TCP each; the first one's TCP header is 8 longer; a segment sent again has 1,500
    extra = n_bytes - (payload + 52 * packets + 8)
    assert extra >= 0
    assert extra % 1448 == 0
    assert extra <= payload / 1000


def test_the_books_balance_under_a_mixture() -> None:
    rng = np.random.default_rng(3)
    with Lab(3) as lab:
        receivers = [lab.endpoint(i) for i in range(3)]
        senders = [lab.endpoint(i) for i in range(3)]
        until_s = time.monotonic() + 1.5
        while time.monotonic() < until_s:
            lab.set(
                delay_ms=float(rng.uniform(0, 20)),
                rate_bps=int(rng.choice([0, 200_000, 5_000_000, 1_000_000_000])),
                queue_bytes=int(rng.choice([0, 3_000, 60_000])),
                loss_ratio=float(rng.choice([0, 0, 0.2])),
                up=bool(rng.random() < 0.85),
            )
            for _ in range(30):
                a, b = rng.choice(3, 2, replace=False)
                senders[a].sendto(bytes(int(rng.integers(1, 1400))), receivers[b].getsockname())
        lab.set()
        lab.quiet()
        lab.check_books()
        count = lab.backend.counters(lab.links)
        for drops in (count.dropped_queue, count.dropped_loss, count.dropped_down):
            assert drops.sum() > 0


def test_memory_is_bounded_and_what_goes_beyond_is_counted() -> None:
    with Lab(memory_bytes=4 << 20) as lab:
        receiver, sender = lab.endpoint(1), lab.endpoint(0)
        lab.set(delay_ms=60_000)
        for i in range(6000):
            sender.sendto(bytes(1400), receiver.getsockname())
            if i % 500 == 499:
                until(lambda n=i + 1: int(lab.backend.counters(lab.links).packets_in[0, 0]) == n, "arrival")
        count = lab.backend.counters(lab.links)
        assert 1500 < int(lab.backend.held_packets(lab.links)[0, 0]) < (4 << 20) // 1400
        assert int(count.dropped_host[0, 0]) > 3000
        lab.check_books()


def test_what_is_no_packet_is_dropped_and_counted() -> None:
    with Lab() as lab:
        raw = lab.inside(0, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0))
        with raw:
            for garbage in (bytes(40), b"\x45" + bytes(10), b"\x45\x00\xff\xff" + bytes(60)):
                raw.sendto(garbage, ("east", 0x0800))
        until(lambda: int(lab.backend.invalid_packets(lab.links)[0, 0]) == 3, "three to be refused")
        assert int(lab.backend.counters(lab.links).packets_in[0, 0]) == 0
