"""The fabric inside the engine, by real traffic between hosts at its edge."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from engine_lab import until
from fabric_lab import MTU_BYTES, Row

from orbitmesh.emulator.plane.fabric.pcapng import head

MS = 1_000_000
pytestmark = pytest.mark.netns


def one_way_ns(row: Row, source: int, destination: int, n: int = 20) -> list[int]:
    receiver, sender = row.udp(destination), row.udp(source)
    took = []
    for _ in range(n):
        sent_ns = time.monotonic_ns()
        sender.sendto(struct.pack("=q", sent_ns), receiver.getsockname())
        receiver.recv(64)
        took.append(time.monotonic_ns() - sent_ns)
    return took


def test_each_hop_adds_its_delay_in_both_versions_of_ip() -> None:
    with Row(6) as row:
        row.set(3 * MS)
        assert min(one_way_ns(row, 0, 5)) >= 15 * MS
        for address in ("10.0.0.6", "fd6f::a00:6"):
            said = row.run(0, "ping", "-c", "3", "-i", "0.05", address)
            times = [float(ms) for ms in re.findall(r"time=([\d.]+)", said)]
            assert len(times) == 3, said
            assert min(times) >= 30
            # four nodes forward
            assert re.findall(r"ttl=(\d+)", said) == ["60"] * 3, said


def test_delays_follow_emulated_time_however_fast_it_goes() -> None:
    with Row(2) as row:
        # 20 ms longer each second of emulated time, of which 0.5 s have gone, and no more do
        row.set(5 * MS, slope_ns_per_s=20.0 * MS, ahead_ns=500 * MS, ratio=0.0)
        time.sleep(0.5)
        assert 15 * MS <= min(one_way_ns(row, 0, 1)) < 20 * MS
        row.set(5 * MS, slope_ns_per_s=20.0 * MS, ratio=20.0)
        began_ns = time.monotonic_ns()
        time.sleep(0.25)
        least_ns = 5 * MS + 20 * MS * 20 * (time.monotonic_ns() - began_ns) / 1e9
        assert min(one_way_ns(row, 0, 1, 3)) >= least_ns


def test_traceroute_shows_every_node_and_nobody_else() -> None:
    with Row(5) as row:
        row.set(2 * MS)
        for version, prefix in (("-4", "10.0.0."), ("-6", "fd6f::a00:")):
            target = f"{prefix}5"
            said = row.run(0, "traceroute", version, "-n", "-q", "1", "-w", "5", target)
            hops = re.findall(rf"^\s*\d+\s+{re.escape(prefix)}(\d+)\s+([\d.]+) ms", said, re.MULTILINE)
            assert [hop for hop, _ in hops] == ["2", "3", "4", "5"], said
            for i, (_, ms) in enumerate(hops):
                assert float(ms) >= 4 * (i + 1)


def test_a_node_without_a_host_answers_as_a_host_without_programs_would() -> None:
    with Row(4) as row:
        for address in ("10.0.0.3", "fd6f::a00:3"):
            said = row.run(0, "ping", "-c", "2", "-i", "0.05", "-s", "1400", address)
            assert "2 received" in said, said
        sender = row.udp(0)
        sender.connect(("10.0.0.3", 9))
        sender.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            sender.recv(1)


@pytest.mark.beside
def test_mtr_sees_every_node() -> None:
    if shutil.which("mtr") is None:
        pytest.skip("needs mtr")
    with Row(5) as row:
        row.set(2 * MS)
        for prefix in ("10.0.0.", "fd6f::a00:"):
            said = row.run(0, "mtr", "--json", "-n", "-c", "3", "-i", "0.2", "-G", "1", f"{prefix}5")
            hubs = json.loads(said)["report"]["hubs"]
            assert [hub["host"] for hub in hubs] == [f"{prefix}{node}" for node in (2, 3, 4, 5)]
            for i, hub in enumerate(hubs):
                assert hub["Loss%"] == 0
                assert hub["Best"] >= 4 * (i + 1)


@pytest.mark.parametrize("address", ["10.0.0.3", "fd6f::a00:3"])
def test_without_a_way_the_source_is_told(address: str) -> None:
    with Row(4) as row:
        row.set(unrouted=[2])
        said = row.run(3, "ping", "-c", "1", "-W", "2", address)
        assert ("No route" if ":" in address else "Net Unreachable") in said, said
        assert f"From {address.rsplit('3', 1)[0]}4" in said, said  # the node where the way ends


@pytest.mark.parametrize("address", ["10.0.0.3", "fd6f::a00:3"])
def test_a_packet_too_large_for_a_link_is_told_with_its_mtu(address: str) -> None:
    with Row(3, link_mtu_bytes=1300) as row:
        said = row.run(0, "ping", "-c", "1", "-W", "2", "-M", "do", "-s", "1400", address)
        assert re.search(r"mtu ?= ?1300", said), said
        if ":" in address:  # taken apart by who sends it: the far host learns it from its first answer
            said = row.run(0, "ping", "-c", "2", "-i", "0.2", "-W", "2", "-M", "want", "-s", "1400", address)
            assert "icmp_seq=2" in said, said
        else:  # by the node before the link
            said = row.run(0, "ping", "-c", "1", "-W", "2", "-M", "dont", "-s", "1400", address)
            assert "1 received" in said, said
        # from then on the kernel sends what fits
        assert "1 received" in row.run(0, "ping", "-c", "1", "-W", "2", "-M", "do", "-s", "1200", address)


def test_tcp_finds_what_a_way_takes_in_both_versions_of_ip() -> None:
    """Segments of the devices' 1,500 bytes are refused on the way, until the sender has learnt 1,300."""
    for address in ("10.0.0.3", "fd6f::a00:3"):
        with Row(3, link_mtu_bytes=1300) as row:
            kind = socket.AF_INET6 if ":" in address else socket.AF_INET
            server = row.inside(2, lambda: socket.create_server((address, 0), family=kind))  # noqa: B023
            sock = row.inside(0, lambda: socket.socket(kind))  # noqa: B023
            sock.settimeout(20)
            sock.connect(server.getsockname()[:2])
            peer, _ = server.accept()
            sent = os.urandom(300_000)
            thread = threading.Thread(target=lambda: (sock.sendall(sent), sock.close()))  # noqa: B023
            thread.start()
            received = bytearray()
            while block := peer.recv(1 << 18):
                received += block
            thread.join()
            peer.close()
            server.close()
            assert bytes(received) == sent
            assert row.table.statistics()["icmp_sent"] > 0


def test_a_falling_delay_keeps_the_order() -> None:
    with Row(3) as row:
        row.set(40 * MS)
        receiver, sender = row.udp(2), row.udp(0)
        for n in range(200):
            sender.sendto(struct.pack("=I", n), receiver.getsockname())
            if n % 20 == 10:
                row.set(40 * MS - n * 150_000)
            time.sleep(0.0005)
        assert [struct.unpack("=I", receiver.recv(16))[0] for _ in range(200)] == list(range(200))
        row.check_books()


@pytest.mark.native
def test_two_flows_share_a_laser_as_one_queue_would() -> None:
    rate_bps = 50_000_000
    with Row(4, hosts=[0, 1, 3], queue_bytes=200_000) as row:
        row.set(MS, rate_bps=rate_bps)
        server = row.inside(3, lambda: socket.create_server(("10.0.0.4", 0)))
        stop, got = threading.Event(), [0, 0]

        def receive() -> None:
            peer, address = server.accept()
            which = 0 if address[0] == "10.0.0.1" else 1
            with peer:
                while block := peer.recv(1 << 18):
                    got[which] += len(block)

        def send(node: int) -> None:
            sock = row.inside(node, lambda: socket.socket())
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
            sock.bind((f"10.0.0.{node + 1}", 0))
            sock.connect(server.getsockname())
            while not stop.is_set():
                sock.sendall(bytes(1 << 16))
            sock.close()

        threads = [threading.Thread(target=receive) for _ in range(2)]
        threads += [threading.Thread(target=send, args=(node,)) for node in (0, 1)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        last_laser = 2 * 2  # from node 2 to node 3
        before_bytes, before_s = int(row.table.counters["bytes_out"][last_laser]), time.monotonic()
        time.sleep(2)
        after_bytes, after_s = int(row.table.counters["bytes_out"][last_laser]), time.monotonic()
        stop.set()
        for thread in threads:
            thread.join()
        server.close()
        assert 8 * (after_bytes - before_bytes) / (after_s - before_s) == pytest.approx(rate_bps, rel=0.03)
        assert min(got) > 0
        row.check_books()


def test_what_is_in_flight_on_a_laser_that_breaks_is_lost_and_counted() -> None:
    with Row(3) as row:
        row.set(200 * MS)
        receiver, sender = row.udp(2), row.udp(0)
        for n in range(5):
            sender.sendto(bytes([n]), receiver.getsockname())
        until(lambda: row.totals()["held"] == 5, "five in flight")
        row.set(200 * MS, down=[(0, 1)])
        row.set(1 * MS)  # and back again before they would have arrived
        sender.sendto(b"\x09", receiver.getsockname())
        assert receiver.recv(8) == b"\x09"
        until(lambda: row.totals()["dropped_down"] == 5, "the five to be counted")
        row.check_books()


def test_an_epoch_is_valid_for_all_packets_from_one_instant_on() -> None:
    with Row(2) as row:
        row.set(5 * MS)
        valid_ns = row.set(50 * MS, after_ns=100 * MS)
        receiver, sender = row.udp(1), row.udp(0)
        short, long = [], []
        while not long or len(long) < 5:
            sent_ns = time.monotonic_ns()
            sender.sendto(b"x", receiver.getsockname())
            receiver.recv(8)
            took_ns = time.monotonic_ns() - sent_ns
            if sent_ns >= valid_ns:
                long.append(took_ns)
            elif sent_ns < valid_ns - 20 * MS:  # the kernel's stamp of arrival is a little later
                short.append(took_ns)
        assert short
        assert min(long) >= 50 * MS
        assert min(short) < 50 * MS
        assert row.table.in_force == row.table.published


def test_loss_is_its_ratio_on_every_hop() -> None:
    with Row(3, loss_ratio=0.1) as row:
        sender = row.udp(0)
        receiver = row.udp(2)
        for _ in range(3_000):
            sender.sendto(b"x", receiver.getsockname())
            time.sleep(0.0001)
        until(lambda: row.totals()["held"] == 0 and row.table.counters["packets_in"][0] == 3_000, "all sent")
        first, second = row.table.counters[0], row.table.counters[2]
        # four standard deviations of the binomial distribution
        for hop in (first, second):
            n = int(hop["packets_in"])
            assert abs(int(hop["dropped_loss"]) - 0.1 * n) < 4 * (0.09 * n) ** 0.5
        row.check_books()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_background_load_takes_its_share_of_the_queue(share: float) -> None:
    """Work drains at 1 - u of the rate; a packet waits for what is left of it when it comes."""
    rate_bps = 800_000  # a kB in 10 ms
    with Row(2, queue_bytes=1 << 20) as row:
        row.set(rate_bps=rate_bps)
        row.table.background[:] = share
        receiver, sender = row.udp(1), row.udp(0)
        began_ns = time.monotonic_ns()
        for _ in range(40):
            sender.sendto(bytes(1000), receiver.getsockname())
        time.sleep(0.2)
        sent_ns = time.monotonic_ns()
        sender.sendto(b"last", receiver.getsockname())
        while receiver.recv(2000) != b"last":
            pass
        waited_ms = (time.monotonic_ns() - sent_ns) / MS
        work_ms = (40 * (28 + 1000) + 28 + 4) * 8 / rate_bps * 1e3
        left_ms = work_ms - (sent_ns - began_ns) / MS * (1 - share)
        # some 210 without a load, 310 with it
        assert waited_ms == pytest.approx(left_ms, abs=20)


def test_what_packets_wait_for_those_before_them_is_counted() -> None:
    rate_bps = 8_000_000  # a kB in 1 ms
    with Row(2, queue_bytes=1 << 20) as row:
        row.set(rate_bps=rate_bps)
        receiver, sender = row.udp(1), row.udp(0)
        sender.sendto(b"x", receiver.getsockname())
        receiver.recv(2000)
        time.sleep(0.01)
        assert row.table.waited_ns.sum() == 0
        for _ in range(40):
            sender.sendto(bytes(972), receiver.getsockname())
        for _ in range(40):
            receiver.recv(2000)
        # the k-th waits for k others, less what was sent while they came: 780 ms, if all came at once
        assert 600 < row.table.waited_ns[0] / MS <= 780
        assert row.table.waited_ns.sum() == row.table.waited_ns[0]


def test_a_background_load_leaves_the_rest_of_the_rate() -> None:
    rate_bps, share = 20_000_000, 0.3
    with Row(2, queue_bytes=100_000) as row:
        row.set(MS, rate_bps=rate_bps)
        row.table.background[:] = share
        receiver, sender = row.udp(1), row.udp(0)
        began_s, samples = time.monotonic(), []
        while time.monotonic() - began_s < 2:
            for _ in range(20):
                sender.sendto(bytes(1000), receiver.getsockname())
            samples.append((time.monotonic(), int(row.table.counters["bytes_out"][0])))
            time.sleep(0.002)  # 80 Mbit/s at most: four times what the link has
        (from_s, from_bytes), (upto_s, upto_bytes) = samples[len(samples) // 4], samples[-1]
        assert row.totals()["dropped_queue"] > 0
        left_bps = 8 * (upto_bytes - from_bytes) / (upto_s - from_s)
        assert left_bps == pytest.approx((1 - share) * rate_bps, rel=0.03)
        row.check_books()


def test_who_sends_with_another_s_address_is_not_believed() -> None:
    with Row(3) as row:
        row.run(0, "ip", "addr", "add", "10.0.0.77/32", "dev", "lo")
        row.run(0, "ping", "-c", "3", "-i", "0.05", "-W", "0.2", "-I", "10.0.0.77", "10.0.0.3")
        assert row.table.statistics()["spoofed"] == 3
        assert row.totals()["packets_in"] == 0


def test_a_host_that_comes_later_gets_what_is_for_it_and_disturbs_nobody() -> None:
    with Row(4) as row:
        row.set(5 * MS)
        receiver, sender = row.udp(3), row.udp(0)
        for n in range(100):
            sender.sendto(bytes([n]), receiver.getsockname())
            if n == 50:
                row.add_host(1)
            time.sleep(0.001)
        assert [receiver.recv(8)[0] for _ in range(100)] == list(range(100))
        assert min(one_way_ns(row, 0, 1)) >= 5 * MS
        row.engine.unbind(1)
        assert "2 received" in row.run(
            0, "ping", "-c", "2", "-i", "0.05", "10.0.0.2"
        )  # the node itself again


@pytest.mark.native
def test_a_mirror_is_read_by_others_and_has_the_instants(tmp_path: Path) -> None:
    import scapy.layers.inet  # noqa: F401 - what raw packets are read as
    from scapy.utils import PcapNgReader

    with Row(3) as row:
        row.set(20 * MS)
        for what, index, name in ((0, 0, "laser"), (1, 1, "node")):
            fd = os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(fd, head(name, f"the {name}", "a row of three"))
            row.engine.mirror(what, index, fd)  # type: ignore[arg-type]
            os.close(fd)
        before = time.time()
        receiver, sender = row.udp(2), row.udp(0)
        for n in range(5):
            sender.sendto(f"packet {n}".encode(), receiver.getsockname())
            receiver.recv(64)
        row.engine.end_mirror(0, 0)  # type: ignore[arg-type]
        row.engine.end_mirror(1, 1)  # type: ignore[arg-type]
    seen = {}
    for name in ("laser", "node"):
        with PcapNgReader(str(tmp_path / name)) as reader:
            seen[name] = list(reader)
    for name, packets in seen.items():
        assert [bytes(packet["UDP"].payload) for packet in packets] == [b"packet %d" % n for n in range(5)], (
            name
        )
        assert all(packet["IP"].dst == "10.0.0.3" for packet in packets)
        assert all(before <= float(packet.time) <= time.time() for packet in packets)
    for left, arrived in zip(seen["laser"], seen["node"], strict=True):
        assert float(arrived.time) - float(left.time) == pytest.approx(0.020, abs=2e-6)


def test_tcp_with_offload_over_many_hops_arrives_whole() -> None:
    with Row(12) as row:
        row.set(MS // 2)
        server = row.inside(11, lambda: socket.create_server(("10.0.0.12", 0)))
        sock = row.inside(0, lambda: socket.socket())
        sock.bind(("10.0.0.1", 0))
        sock.connect(server.getsockname())
        peer, _ = server.accept()
        sent = os.urandom(1 << 20) * 8
        thread = threading.Thread(target=lambda: (sock.sendall(sent), sock.close()))
        thread.start()
        received = bytearray()
        while block := peer.recv(1 << 18):
            received += block
        thread.join()
        assert bytes(received) == sent
        peer.close()
        server.close()
        until(lambda: row.totals()["held"] == 0, "all to have arrived")
        row.check_books()
        assert row.table.counters["bytes_out"][0] > len(sent) * MTU_BYTES / (MTU_BYTES + 60)
