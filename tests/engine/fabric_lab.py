"""Nodes in a row inside an engine's fabric, hosts at some of them: real devices, a table filled by hand."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from engine_lab import until

from orbitmesh.emulator.plane.backend import LinkEnd
from orbitmesh.emulator.plane.fabric.engine import FabricEngine
from orbitmesh.emulator.plane.fabric.table import FabricTable, KindParameters, Sizes
from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread, unshare_net

EAST, WEST, NO_WAY = 0, 1, 255
MTU_BYTES = 1500


class Row:
    """Node i has 10.0.0.<i+1> and fd6f::a00:<i+1>; slot 0 leads to the next, slot 1 to the one before."""

    def __init__(
        self,
        n: int,
        hosts: Sequence[int] | None = None,
        *,
        loss_ratio: float = 0.0,
        queue_bytes: int = 0,
        link_mtu_bytes: int = MTU_BYTES,
        **options: Any,
    ) -> None:
        self.n = n
        self.hosts = [0, n - 1] if hosts is None else list(hosts)
        sizes = Sizes(n_nodes=n, n_satellites=n, laser_slots=2, ground_pipes=2, destinations=n)
        kind = KindParameters(queue_bytes, 100_000_000, loss_ratio, link_mtu_bytes)
        ipv4 = np.array([(10 << 24) + i + 1 for i in range(n)], np.uint32)
        self.table = FabricTable(sizes, ipv4, bytes([0xFD, 0x6F]) + bytes(10), kind, kind)
        self.engine = FabricEngine(self.table, **options)
        self.engine.start()
        self.generation = np.zeros(2 * n, np.uint32)
        self.netns: dict[int, int] = {}
        self._sockets: list[socket.socket] = []
        for host in self.hosts:
            self.add_host(host)
        self.set()

    def __enter__(self) -> Row:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            sock.close()
        self.engine.close()
        for fd in self.netns.values():
            os.close(fd)

    def add_host(self, node: int) -> None:
        self.netns[node] = on_own_thread(unshare_net)
        self.engine.bind([node], [LinkEnd(self.netns[node], "mesh0")])
        # what its own node tells it comes from its own address
        self.inside(node, lambda: Path("/proc/sys/net/ipv4/conf/all/accept_local").write_text("1"))
        # traceroute's last answers are this kernel's: 1,000 a second for all namespaces of the machine
        self.inside(node, lambda: Path("/proc/sys/net/ipv4/icmp_ratemask").write_text("0"))
        self.inside(node, lambda: Path("/proc/sys/net/ipv6/icmp/ratemask").write_text("\n"))
        own4, own6 = f"10.0.0.{node + 1}", f"fd6f::a00:{node + 1:x}"
        for command in (
            "link set lo up", f"addr add {own4}/32 dev lo", f"route add default dev mesh0 src {own4}",
            f"-6 addr add {own6}/128 dev lo nodad", f"-6 route add default dev mesh0 src {own6}",
        ):  # fmt: skip
            done = self._ran(node, "ip", *command.split())
            assert done.returncode == 0, f"ip {command}: {done.stderr}"

    def run(self, node: int, *argv: str) -> str:
        """What a program in a host prints, whatever its status."""
        return self._ran(node, *argv).stdout

    def _ran(self, node: int, *argv: str) -> subprocess.CompletedProcess[str]:
        prefix = ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.netns[node]}"]
        return subprocess.run([*prefix, *argv], capture_output=True, text=True, timeout=60)

    def inside(self, node: int, work: Callable[[], Any]) -> Any:
        def there() -> Any:
            enter(self.netns[node])
            return work()

        return on_own_thread(there)

    def udp(self, node: int) -> socket.socket:
        sock: socket.socket = self.inside(node, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self._sockets.append(sock)
        sock.bind((f"10.0.0.{node + 1}", 0))
        sock.settimeout(5)
        return sock

    def set(
        self,
        delay_ns: int = 0,
        *,
        slope_ns_per_s: float = 0.0,
        rate_bps: float = 0.0,
        down: Sequence[tuple[int, int]] = (),
        unrouted: Sequence[int] = (),
        after_ns: int = 0,
        ahead_ns: int = 0,
        ratio: float = 1.0,
    ) -> int:
        """Another epoch, the same for all links; ``down``: pipes by their ends.  From when it is valid."""
        bank = self.table.free_bank(self.engine.failure)
        bank.pipes["delay_ns"], bank.pipes["slope_ns_per_s"] = delay_ns, slope_ns_per_s
        bank.pipes["rate_bps"] = rate_bps
        bank.pipes["word"] = 0
        for node in range(self.n):
            for slot, far in ((EAST, node + 1), (WEST, node - 1)):
                pipe = 2 * node + slot
                if not 0 <= far < self.n:
                    continue
                if (node, far) in down:
                    self.generation[pipe] += 1
                    bank.pipes["word"][pipe] = far | self.generation[pipe] << 24
                else:
                    bank.pipes["word"][pipe] = far | self.generation[pipe] << 24 | 1 << 31
        places = self.table.sizes.hash_slots
        shift = 32 - (places.bit_length() - 1)
        bank.places["row_plus_one"] = 0
        for row, address in enumerate(self.table.ipv4.tolist()):
            at = (address * 2654435769 & 0xFFFFFFFF) >> shift
            while bank.places["row_plus_one"][at]:
                at = (at + 1) % places
            bank.places[at] = (address, row + 1)
            bank.row_node[row] = row
            nodes = np.arange(self.n)
            bank.next[row] = np.where(nodes < row, EAST, WEST)
            bank.next[row, row] = NO_WAY
            if row in unrouted:
                bank.next[row] = NO_WAY
        t0_ns = time.monotonic_ns()
        self.table.publish(bank, t0_ns, t0_ns + after_ns, ahead_ns, ratio)
        self.engine.published()
        return t0_ns + after_ns

    def totals(self) -> dict[str, int]:
        return {name: int(self.table.counters[name].sum()) for name in self.table.counters.dtype.names or ()}

    def check_books(self) -> None:
        """in = out + dropped + in flight, on every pipe."""
        until(self._balanced, "the books of all pipes to balance")

    def _balanced(self) -> bool:
        """False also where the engine was between two of its counters; books that are wrong stay so."""
        count = self.table.counters.copy()
        left = ("packets_out", "dropped_queue", "dropped_loss", "dropped_down", "held")
        return bool((count["packets_in"] == sum(count[name] for name in left)).all())
