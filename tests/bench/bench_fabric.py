"""What the fabric reaches on this machine.  Prints figures, asserts nothing.

    sudo .venv/bin/python tests/bench/bench_fabric.py [part ...]

Parts: oneway where tcp small hops.  Hosts at both ends of a row of nodes, in namespaces of their own;
hops: a grid of satellites in the engine's memory alone (hop_cost.c), 30 destinations, 10,000 packets of
64 bytes in flight.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from fabric_lab import Row

from orbitmesh.emulator.calibration.traffic import PROGRAM
from orbitmesh.emulator.epoch import NO_WAY
from orbitmesh.emulator.plane.engine.process import BINARY
from orbitmesh.emulator.plane.fabric.banks import UP, addresses_hashed
from orbitmesh.emulator.plane.fabric.engine import Mirrored
from orbitmesh.emulator.plane.fabric.table import FabricTable, KindParameters, Sizes, write_routes

ENGINE_SOURCES = BINARY.parent / "src"

HOPS = (1, 10, 20)
MS = 1_000_000


def spawn(row: Row, node: int, mode: str, **options: Any) -> subprocess.Popen[bytes]:
    words = []
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    prefix = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{row.netns[node]}"]
    return subprocess.Popen([*prefix, str(PROGRAM), mode, *words], stdout=subprocess.PIPE)


def port_of(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline().split()[1])


def stream(row: Row, per_second: int, payload_bytes: int, **burst: Any) -> tuple[np.ndarray, list[float]]:
    """(n, 3): number, sent, received.  And processor time in s: of sender, engine, receiver."""
    last = row.n - 1
    receiver = spawn(row, last, "receive", count=2 * per_second, idle_ms=1500)
    port, engine_s = port_of(receiver), cpu_s(row.engine.pid)
    sender = spawn(
        row, 0, "send", to=f"10.0.0.{last + 1}", port=port, count=2 * per_second,
        per_second=per_second, bytes=payload_bytes, **burst,
    )  # fmt: skip
    _, _, sending = os.wait4(sender.pid, 0)
    assert receiver.stdout is not None
    data = receiver.stdout.read()
    _, _, receiving = os.wait4(receiver.pid, 0)
    took_s = [sending.ru_utime + sending.ru_stime, cpu_s(row.engine.pid) - engine_s]
    took_s.append(receiving.ru_utime + receiving.ru_stime)
    return np.frombuffer(data[: len(data) // 24 * 24], np.int64).reshape(-1, 3), took_s


def cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def with_stamps(row: Row) -> None:
    """As fabric hosts do."""
    import socket

    stamps = row.engine.stamps
    if stamps is None:
        return
    for node in row.hosts:

        def attach() -> None:
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
                stamps.hook(socket.if_nametoindex("mesh0"), netlink)
                stamps.attach(socket.if_nametoindex("mesh0"), netlink)

        row.inside(node, attach)


def oneway() -> None:
    for wait in ("adaptive", "poll"):
        for hops in HOPS:
            with Row(hops + 1, wait=wait) as row:
                with_stamps(row)
                row.set(MS)
                rows, _ = stream(row, 10_000, 64)
                error_us = (rows[:, 2] - rows[:, 1] - hops * MS) / 1e3
                p50, p99 = np.percentile(error_us, [50, 99])
                print(
                    f"one-way error, 10,000/s, {hops} hops, {wait}: p50 {p50:.1f}, p99 {p99:.1f} µs"
                    f" (lost {20_000 - len(rows)})",
                    flush=True,
                )


def where() -> None:
    """Where a one-way error comes from: before the packet is at its device, and after it is due."""
    for wait in ("adaptive", "poll"):
        with Row(11, wait=wait) as row, tempfile.TemporaryDirectory() as folder:
            with_stamps(row)
            row.set(MS)
            unix_minus_mono_ns = time.time_ns() - time.monotonic_ns()
            for node in row.hosts:
                fd = os.open(Path(folder, str(node)), os.O_WRONLY | os.O_CREAT)
                row.engine.mirror(Mirrored.NODE, node, fd)
                os.close(fd)
            rows, _ = stream(row, 10_000, 64)
            for node in row.hosts:
                row.engine.end_mirror(Mirrored.NODE, node)
            lateness = row.engine.lateness()
            assert lateness is not None
            came, due = (mirrored(Path(folder, str(node)), -unix_minus_mono_ns) for node in row.hosts)
        both = [(came[n] - sent, got - due[n]) for n, sent, got in rows.tolist() if n in came and n in due]
        before_us, after_us = np.percentile(np.array(both) / 1e3, 50, axis=0)
        late_us = (lateness.quantile_ns(0.5) or 0) / 1e3
        print(
            f"medians at 10,000/s over 10 hops, {wait}: the sender's call to its device {before_us:.1f} µs,"
            f" from due to the receiver's kernel {after_us:.1f} µs, late {late_us:.1f} µs",
            flush=True,
        )


def mirrored(path: Path, offset_ns: int) -> dict[int, int]:
    """When each numbered datagram was at a node, from its capture."""
    data, at, found = path.read_bytes(), 0, {}
    while at < len(data):
        kind, size = struct.unpack_from("=II", data, at)
        if kind == 6:  # an enhanced packet block: stamp, and the number behind the headers of IPv4 and UDP
            high, low = struct.unpack_from("=II", data, at + 12)
            found[struct.unpack_from("=Q", data, at + 28 + 28)[0]] = (high << 32 | low) + offset_ns
        at += size
    return found


def tcp() -> None:
    for windows in ("default windows", "windows up to 64 MB"):
        for hops in HOPS:
            with Row(hops + 1) as row:
                row.set(10 * MS // hops)
                if "64" in windows:
                    for node in row.hosts:
                        for way in ("rmem", "wmem"):
                            row.run(node, "sysctl", "-qw", f"net.ipv4.tcp_{way}=4096 1000000 67108864")
                sink = spawn(row, hops, "sink")
                flood = spawn(row, 0, "flood", to=f"10.0.0.{hops + 1}", port=port_of(sink), seconds=4)
                time.sleep(1.5)
                before, began = int(row.table.counters["bytes_out"][0]), time.monotonic()
                time.sleep(2)
                sent, took_s = int(row.table.counters["bytes_out"][0]) - before, time.monotonic() - began
                flood.communicate()
                sink.kill()
                sink.communicate()
                print(
                    f"TCP, 10 ms each way, {hops} hops, {windows}: {8e-9 * sent / took_s:.1f} Gbit/s",
                    flush=True,
                )


def small() -> None:
    """Each datagram a packet of the sender's kernel, eight at a call; then 16 of them in one piece."""
    for how, burst in (("one by one", {"burst": 8}), ("segmented", {"burst": 16, "segmented": True})):
        for per_second in (100_000, 200_000, 300_000, 400_000, 500_000, 1_000_000):
            with Row(11) as row:
                row.set(MS)
                rows, took_s = stream(row, per_second, 36, **burst)
                reached = (len(rows) - 1) / ((rows[-1, 1] - rows[0, 1]) / 1e9)
                lost = 2 * per_second - len(rows)
                each_us = " + ".join(f"{1e6 * s / max(1, len(rows)):.2f}" for s in took_s)
                print(
                    f"packets of 64 bytes, 10 hops, {how}, {per_second:,}/s: {reached:,.0f}/s, lost {lost:,};"
                    f" sender + engine + receiver {each_us} µs each",
                    flush=True,
                )
                if lost or reached < 0.95 * per_second:
                    break


def hop_table(planes: int, slots: int, n_hosts: int) -> FabricTable:
    """A torus of ``planes`` rings; packets go along the ring first and then across."""
    n = planes * slots
    sizes = Sizes(n_nodes=n, n_satellites=n, laser_slots=4, ground_pipes=2, destinations=n_hosts)
    ipv4 = np.arange(n, dtype=np.uint32) + np.uint32((10 << 24) + 1)
    kind = KindParameters(0, 100_000_000, 0.0, 1500)
    table = FabricTable(sizes, ipv4, bytes([0xFD, 0x6F]) + bytes(10), kind, kind)
    bank = table.free_bank(lambda: None)
    node = np.arange(n, dtype=np.int64)
    plane, slot = np.divmod(node, slots)
    far = np.stack(
        [
            plane * slots + (slot + 1) % slots, plane * slots + (slot - 1) % slots,
            (plane + 1) % planes * slots + slot, (plane - 1) % planes * slots + slot,
        ],
        axis=1,
    )  # fmt: skip
    bank.pipes["word"][: 4 * n] = far.ravel().astype(np.uint32) | UP
    rng = np.random.default_rng(1)
    bank.pipes["delay_ns"][: 4 * n] = rng.integers(2 * MS, 7 * MS, 4 * n)
    bank.pipes["slope_ns_per_s"][: 4 * n] = rng.uniform(-1e4, 1e4, 4 * n)
    bank.pipes["rate_bps"][: 4 * n] = 100e9
    hosts = (np.arange(n_hosts) * (n // n_hosts)).astype(np.int32)
    ports = np.empty((n_hosts, n), np.uint8)
    for row, host in enumerate(hosts):
        along, across = (slot[host] - slot) % slots, (plane[host] - plane) % planes
        ports[row] = np.where(
            along > 0, np.where(along <= slots // 2, 0, 1), np.where(across <= planes // 2, 2, 3)
        )
        ports[row, host] = NO_WAY
    write_routes(bank, addresses_hashed(ipv4[hosts], sizes.hash_slots), hosts, ports)
    now_ns = time.monotonic_ns()
    table.publish(bank, now_ns, now_ns)
    return table


def hops() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "hop_cost")
        sources = [p for p in sorted(ENGINE_SOURCES.glob("*.c")) if p.name != "main.c"]
        # as setup.py builds the engine
        flags = ["-std=c11", "-O2", "-g", "-D_GNU_SOURCE", "-fstack-protector-strong", "-flto=auto"]
        flags.append(f"-I{ENGINE_SOURCES}")
        hop_cost = Path(__file__).with_name("hop_cost.c")
        subprocess.run(["cc", *flags, "-o", program, hop_cost, *sources, "-lm", "-pthread"], check=True)
        for planes, slots in ((72, 22), (1000, 1000)):
            table = hop_table(planes, slots, 30)
            took_ns = [
                float(
                    subprocess.run(
                        [program, str(table.fd), "30", str(planes), str(slots), "10000", "3000000"],
                        pass_fds=[table.fd], check=True, capture_output=True, text=True,
                    ).stdout
                )
                for _ in range(3)
            ]  # fmt: skip
            table.close_fd()
            said = ", ".join(f"{ns:.0f}" for ns in took_ns)
            print(f"a hop inside the engine, {planes * slots:,} satellites: {said} ns", flush=True)


PARTS = {"oneway": oneway, "where": where, "tcp": tcp, "small": small, "hops": hops}

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
