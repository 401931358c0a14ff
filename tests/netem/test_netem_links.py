"""One link on netem, in a kernel that has it: what traffic meets is what was commanded."""

from __future__ import annotations

import math
import os
import re
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from netem_lab import MS, Flow, NetemLab, parameters, until

from orbitmesh.emulator.errors import BackendError
from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.netem import NetemBackend
from orbitmesh.emulator.plane.netem.translate import limit_packets

pytestmark = pytest.mark.guest

TC_S = 1.1e-6  # tc prints whole microseconds, cut off


@pytest.fixture
def lab() -> Iterator[NetemLab]:
    with NetemLab() as lab:
        yield lab


def test_ping_takes_twice_the_delay_from_either_end(lab: NetemLab) -> None:
    without_ms = min(lab.ping_ms(0, 1))
    for delay_ms in (5, 40, 0.5):
        lab.set(delay_ms=delay_ms)
        for source, to in ((0, 1), (1, 0)):
            times_ms = lab.ping_ms(source, to)
            assert len(times_ms) == 5
            # a host prints to 10 µs or coarser; no reply is earlier than light
            assert min(times_ms) >= 2 * delay_ms - 0.01 * delay_ms
            # a guest kernel wakes late by milliseconds now and then, but not always
            assert min(times_ms) <= 2 * delay_ms + without_ms + 2


def test_changes_under_a_flood_lose_and_reorder_nothing(lab: NetemLab) -> None:
    lab.set(delay_ms=20, rate_bps=10**9, queue_bytes=10**7)
    flow = Flow(lab)
    flow.flood(pause_s=0.0005)
    rng = np.random.default_rng(3)
    for delay_ms in rng.uniform(1, 40, 150):
        lab.set(delay_ms=float(delay_ms), rate_bps=int(rng.integers(10**8, 10**10)), queue_bytes=10**7)
        time.sleep(0.005)
    assert flow.finish() == list(range(flow.sent))
    assert flow.sent > 500
    totals = lab.totals()
    assert totals["packets_in"] == totals["packets_out"]
    assert totals["packets_out"][0] == flow.sent


@pytest.mark.parametrize("rate_bps", [0, 10**8])
def test_a_falling_delay_keeps_order(lab: NetemLab, rate_bps: int) -> None:
    lab.set(delay_ms=100, rate_bps=rate_bps, queue_bytes=10**6)
    flow = Flow(lab)
    flow.send(100)
    lab.set(delay_ms=1, rate_bps=rate_bps, queue_bytes=10**6)
    flow.send(100)
    assert flow.finish() == list(range(200))


@pytest.mark.parametrize("rate_bps", [5_000_000, 20_000_000])
def test_a_sender_that_saturates_gets_the_rate(lab: NetemLab, rate_bps: int) -> None:
    """Counted by the receiving interface while packets still wait: a slow receiver changes nothing."""
    lab.set(delay_ms=5, rate_bps=rate_bps, queue_bytes=10**8)
    flow = Flow(lab, size_bytes=1472)  # 1,500 bytes with its headers
    packets_per_s = rate_bps / 8 / 1500
    flow.send(int(4 * packets_per_s))
    first = lab.received_packets(1, "west")
    began_ns = time.monotonic_ns()
    time.sleep(0.5)
    last = lab.received_packets(1, "west")
    took_s = (time.monotonic_ns() - began_ns) / 1e9
    assert last < flow.sent, "the queue ran empty: this machine is too slow to tell"
    assert (last - first) / took_s == pytest.approx(packets_per_s, rel=0.05)
    assert flow.finish() == list(range(flow.sent))
    assert lab.totals()["bytes_out"][0] == flow.sent * 1500


def test_the_queue_holds_what_it_was_given(lab: NetemLab) -> None:
    lab.set(delay_ms=0, rate_bps=1_000_000, queue_bytes=15_000)
    flow = Flow(lab, size_bytes=1472)
    flow.send(100)  # faster than a packet takes (12 ms)
    came = flow.finish()
    assert came == sorted(came)
    assert 10 <= len(came) <= 14  # ten wait, one is sent; a slow sender sees one or two leave
    totals = lab.totals()
    assert totals["dropped_queue"] == [100 - len(came), 0]
    assert totals["packets_in"] == [100, 0]


@pytest.mark.parametrize("loss_ratio", [0.02, 0.25])
def test_the_loss_ratio_is_met(lab: NetemLab, loss_ratio: float) -> None:
    lab.set(delay_ms=1, loss_ratio=loss_ratio)
    flow, n = Flow(lab), 6000
    for _ in range(n // 100):
        flow.send(100)
        time.sleep(0.002)
    lost = n - len(flow.finish())
    # five standard deviations: wrong once in a million runs
    assert abs(lost - n * loss_ratio) < 5 * math.sqrt(n * loss_ratio * (1 - loss_ratio))
    assert lab.totals()["dropped_loss"] == [lost, 0]


def test_what_was_commanded_is_read_back_and_tc_agrees(lab: NetemLab) -> None:
    wanted = replace(
        parameters(lab.links, delay_ms=7.25, rate_bps=40_000_000_001, queue_bytes=10**8, loss_ratio=0.125),
        rate_ba_bps=np.array([2_000_000]),
        queue_ba_bytes=np.array([64_000]),
    )
    lab.backend.apply(wanted)
    found = lab.backend.read(lab.links)
    for name in vars(wanted):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name
    limits = limit_packets(
        np.array([40_000_000_001, 2_000_000]),
        np.array([10**8, 64_000]),
        np.array([7_250_000] * 2),
        np.array([1_500] * 2),
    )
    for node, interface, rate_bytes_per_s, limit in (
        (0, "east", 5_000_000_000, limits[0]),
        (1, "west", 250_000, limits[1]),
    ):
        options = lab.tc(node, interface)["options"]
        assert options["delay"]["delay"] == pytest.approx(0.00725, abs=TC_S)
        assert options["rate"]["rate"] == rate_bytes_per_s
        assert options["limit"] == limit
        assert options["loss-random"]["loss"] == pytest.approx(0.125)
        assert "gap" not in options or options["gap"] == 0


def test_what_somebody_else_changed_is_read_back(lab: NetemLab) -> None:
    lab.set(delay_ms=7, rate_bps=8_000_000, queue_bytes=10**6)
    for node, interface in ((0, "east"), (1, "west")):
        lab.run(
            node,
            *f"tc qdisc change dev {interface} root netem delay 9ms rate 16mbit limit 50 loss 50%".split(),
        )
    found = lab.backend.read(lab.links)
    assert found.delay_ns.tolist() == [9 * MS]
    assert found.rate_ab_bps.tolist() == [16_000_000]
    assert found.queue_ba_bytes.tolist() == [75_000]
    assert found.loss_ratio[0] == pytest.approx(0.5)
    lab.run(0, *["tc", "qdisc", "replace", "dev", "east", "root", "pfifo"])
    with pytest.raises(BackendError, match=r"interface east of link 0 has no netem any more"):
        lab.backend.read(lab.links)
    with pytest.raises(BackendError, match=r"interface east of link 0 could not be changed"):
        lab.set(delay_ms=7)


def test_what_is_in_flight_when_a_link_goes_down_is_lost(lab: NetemLab) -> None:
    lab.set(delay_ms=300)
    flow = Flow(lab)
    flow.send(50)
    lab.set(delay_ms=300, up=False)
    flow.send(30)
    assert lab.backend.read(lab.links).up.tolist() == [False]
    # the interface stays, and with it the routes: nothing fails at the sender
    assert lab.run(0, "ip", "route", "show", "10.0.0.2").split()[:3] == ["10.0.0.2", "dev", "east"]
    lab.set(delay_ms=1)
    assert lab.backend.read(lab.links).up.tolist() == [True]
    flow.send(20)
    assert flow.finish() == list(range(80, 100))
    totals = lab.totals()
    assert totals["dropped_down"] == [80, 0]
    assert totals["packets_in"] == [100, 0]
    assert totals["packets_out"] == [20, 0]
    assert totals["bytes_out"] == [20 * 92, 0]
    # it is the same netem: what it has counted goes on
    assert lab.tc(0, "east")["packets"] == 20
    assert lab.tc(0, "east")["drops"] == 30


def test_going_down_again_and_again_removes_no_qdisc(lab: NetemLab) -> None:
    with subprocess.Popen(
        ["nsenter", f"--net=/proc/{os.getpid()}/fd/{lab.netns[0]}", "tc", "monitor"],
        stdout=subprocess.PIPE,
        text=True,
    ) as monitor:
        time.sleep(0.5)
        flow = Flow(lab)
        for _ in range(3):
            lab.set(delay_ms=5_000)  # on a slow machine, too, the link goes down before they arrive
            flow.send(10)
            lab.set(delay_ms=5_000, up=False)
            assert lab.tc(0, "east")["qlen"] == 0
        lab.set(delay_ms=1)
        flow.send(10)
        assert flow.finish() == list(range(30, 40))
        monitor.terminate()
        said = monitor.communicate()[0]
    assert "qdisc netem 1: dev east root" in said  # the monitor heard of the changes
    assert "deleted" not in said
    assert lab.totals()["dropped_down"] == [30, 0]


def test_a_new_link_is_down_and_its_interfaces_are_up() -> None:
    with NetemLab() as lab:
        (link,) = lab.backend.attach([(LinkEnd(lab.netns[0], "isl3"), LinkEnd(lab.netns[1], "isl7"))])
        assert not lab.backend.read(np.array([link], np.int32)).up[0]
        assert "NOARP,UP,LOWER_UP" in lab.run(0, "ip", "-o", "link", "show", "isl3")
        assert "NOARP,UP,LOWER_UP" in lab.run(1, "ip", "-o", "link", "show", "isl7")


def test_a_delay_with_a_slope_goes_on_between_two_epochs() -> None:
    # a step so long that only the test's own steps are seen
    step_ns = 3_600 * 10**9
    with NetemLab(netem_step_ns=step_ns) as lab:
        slope = -20_000.0
        t0_ns = time.monotonic_ns()
        lab.backend.apply(
            parameters(lab.links, delay_ms=30, slope_ns_per_s=slope, rate_bps=10**9, t0_mono_ns=t0_ns)
        )
        for _ in range(3):
            time.sleep(0.1)
            before_s = (time.monotonic_ns() - t0_ns) / 1e9
            assert lab.backend.step() == 2
            after_s = (time.monotonic_ns() - t0_ns) / 1e9
            in_force_ns = lab.tc(0, "east")["options"]["delay"]["delay"] * 1e9
            assert 30 * MS + slope * after_s - TC_S * 1e9 <= in_force_ns <= 30 * MS + slope * before_s + 1_000
        assert lab.backend.read(lab.links).delay_ns.tolist() == [30 * MS]


def test_steps_are_taken_by_themselves_and_only_where_a_delay_moves() -> None:
    with NetemLab(3, netem_step_ns=20 * MS) as lab:
        both = parameters(lab.links, delay_ms=10)
        both.slope_ns_per_s[:] = [1e6, 0.0]
        lab.backend.apply(both)
        first = lab.tc(0, "east")["options"]["delay"]["delay"]
        until(lambda: lab.tc(0, "east")["options"]["delay"]["delay"] > first + 50e-6, "the delay to grow")
        assert lab.tc(1, "east")["options"]["delay"]["delay"] == pytest.approx(0.010, abs=TC_S)
        assert lab.backend.failure() is None


def test_steps_that_come_too_late_are_told_and_the_next_ones_hold_longer() -> None:
    with NetemLab(netem_step_ns=3_600 * 10**9) as lab:  # no step comes by itself
        backend = lab.backend
        slope_ns_per_s = 20_000.0
        lab.set(delay_ms=10, slope_ns_per_s=slope_ns_per_s)
        assert backend.cautions() == []
        late_s = 2.0
        backend._table.covered_until_ns[lab.links] = time.monotonic_ns() - int(late_s * 1e9)
        backend.step()
        (caution,) = backend.cautions()
        too_short_us = float(re.findall(r"up to ([\d.]+) µs", caution)[0])
        assert too_short_us >= slope_ns_per_s * late_s / 1e3
        # a delay that falls is too long meanwhile, which is no matter
        lab.set(delay_ms=10, slope_ns_per_s=-slope_ns_per_s)
        backend._table.covered_until_ns[lab.links] = time.monotonic_ns() - 100 * 10**9
        backend.step()
        assert backend.cautions() == [caution]


def test_a_step_that_fails_says_why() -> None:
    with NetemLab(netem_step_ns=20 * MS) as lab:
        lab.set(delay_ms=10, slope_ns_per_s=1e6)
        lab.run(0, "ip", "link", "del", "east")
        until(lambda: lab.backend.failure() is not None, "the backend to notice")
        assert "a delay could not be set: interface" in lab.backend.failure()
        with pytest.raises(BackendError, match="a delay could not be set"):
            lab.set()


def test_detaching_removes_both_ends_and_ids_and_names_are_used_again(lab: NetemLab) -> None:
    lab.backend.detach(lab.links)
    assert lab.interfaces(0) == lab.interfaces(1) == set()
    with pytest.raises(KeyError, match="no such link: 0"):
        lab.set()
    again = lab.backend.attach([(LinkEnd(lab.netns[0], "east"), LinkEnd(lab.netns[1], "west"))])
    assert again.tolist() == [0]
    assert lab.totals()["packets_in"] == [0, 0]


def test_an_attachment_that_fails_leaves_nothing(lab: NetemLab) -> None:
    with pytest.raises(BackendError, match="veth pair isl1 and west cannot be made: File exists"):
        lab.backend.attach(
            [
                (LinkEnd(lab.netns[0], "isl0"), LinkEnd(lab.netns[1], "isl0")),
                (LinkEnd(lab.netns[0], "isl1"), LinkEnd(lab.netns[1], "west")),
            ]
        )
    assert (lab.interfaces(0), lab.interfaces(1)) == ({"east"}, {"west"})
    with pytest.raises(BackendError, match="no interface name"):
        lab.backend.attach([(LinkEnd(lab.netns[0], "x" * 16), LinkEnd(lab.netns[1], "isl0"))])
    assert len(lab.ping_ms(0, 1, count=1)) == 1


def test_both_ends_may_be_in_one_namespace(lab: NetemLab) -> None:
    links = lab.backend.attach([(LinkEnd(lab.netns[0], "isl0"), LinkEnd(lab.netns[0], "isl1"))])
    assert lab.interfaces(0) == {"east", "isl0", "isl1"}
    lab.backend.detach(links)
    assert lab.interfaces(0) == {"east"}


def test_what_is_attached_carries_from_then_on(lab: NetemLab) -> None:
    """The kernel lost the first packets of a link uncounted until a worker of its own had had a turn."""
    packets = [
        lab.inside(node, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)) for node in (0, 1)
    ]
    for _ in range(5):
        pairs = [(LinkEnd(lab.netns[0], f"a{i}"), LinkEnd(lab.netns[1], f"b{i}")) for i in range(8)]
        links = lab.backend.attach(pairs)
        lab.backend.apply(parameters(links))
        for pair in pairs:
            for source, end in zip(packets, pair, strict=True):
                source.sendto(bytes(46), (end.interface, 0x0800))
        until(lambda: (lab.backend.counters(links).packets_out == 1).all(), "all packets")  # noqa: B023
        lab.backend.detach(links)
    for source in packets:
        source.close()


def test_closing_removes_all_and_is_safe_twice() -> None:
    with NetemLab(3) as lab:
        lab.backend.close()
        assert [lab.interfaces(node) for node in range(3)] == [set(), set(), set()]
        lab.backend.close()
        with pytest.raises(BackendError, match="not running"):
            lab.set()


def test_tcp_crosses_two_links_whole() -> None:
    """Checksums left to hardware that is not there, and segments of one packet."""
    with NetemLab(3) as chain:
        chain.set(delay_ms=2, rate_bps=100_000_000, queue_bytes=10**6)
        client, server = chain.tcp()
        data = np.random.default_rng(1).bytes(3_000_000)
        came = bytearray()
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        while len(came) < len(data):
            came += server.recv(1 << 20)
        sender.join()
        assert bytes(came) == data
        found = chain.backend.counters(chain.links)
        # each packet is one of the wire: none larger than 1,500 bytes
        assert (found.bytes_out[:, 0] / found.packets_out[:, 0] <= 1500).all()
        assert found.packets_out[0, 0] >= 3_000_000 / 1460


def test_a_ping_is_late_by_the_timers_only(lab: NetemLab) -> None:
    """The same error with a long delay as with a short one: it does not grow with what was commanded."""
    errors_ms = []
    for delay_ms in (2, 60):
        lab.set(delay_ms=delay_ms)
        errors_ms.append(statistics.median(lab.ping_ms(0, 1, 15)) - 2 * delay_ms)
    assert abs(errors_ms[1] - errors_ms[0]) < 3
    assert NetemBackend.probe().works
