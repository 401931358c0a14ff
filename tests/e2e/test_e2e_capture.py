"""Captures at both ends of links of a running mesh show the commanded delay."""

from __future__ import annotations

import random
import select
import socket
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from e2e_lab import (
    SO_RCVBUFFORCE,
    Commanded,
    inside,
    quantiles_us,
    quiet,
    stamp_unix_ns,
    udp_socket,
    unix_minus_mono_ns,
    wait_for_stamps,
)

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.epoch import LinkKind
from orbitmesh.emulator.plane.wired.plane import Plane
from orbitmesh.emulator.record.light import TOLERANCE_NS

pytestmark = [
    pytest.mark.netns,
    pytest.mark.native,
    pytest.mark.timeout(120),
    pytest.mark.orbitmesh(scenario=quiet(), duration="60 s"),
]

SEED = 20261101
DATAGRAMS = 600
MEAN_GAP_S = 0.0015  # over some 0.9 s in all: two or three epochs
WARM_UP = b"are packets stamped?"


@dataclass(frozen=True)
class Seen:
    """A datagram as one end of a link saw it pass."""

    unix_ns: int
    outgoing: bool
    payload: bytes
    ip_bytes: int


class Capture:
    """A scapy capture at one end of a link, in the node's namespace.

    Scapy opens the socket and reads the packets; its own ``packet.time`` is a
    float that knows an instant to 240 ns, so the kernel's stamp is read here.
    """

    def __init__(self, plane: Plane, node: int, interface: str) -> None:
        # only here: scapy is slow to import, and its licence is not the project's
        from scapy.arch.linux import L2ListenSocket
        from scapy.layers.inet import UDP

        def listen() -> Any:
            return L2ListenSocket(iface=interface, promisc=False)

        self._udp = UDP
        self._scapy = inside(plane, node, listen)
        self.sock: socket.socket = self._scapy.ins
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self._scapy.close()

    def datagrams(self, port: int) -> list[Seen]:
        """All that were captured from or to a port, in the order in which they passed."""
        found = []
        while select.select([self.sock], [], [], 0)[0]:
            data, ancillary, _, address = self.sock.recvmsg(1 << 16, 4096)
            packet = self._scapy.LL(data)
            if self._udp in packet and port in (packet[self._udp].sport, packet[self._udp].dport):
                found.append(
                    Seen(
                        stamp_unix_ns(ancillary),
                        address[2] == socket.PACKET_OUTGOING,
                        bytes(packet[self._udp].payload),
                        packet.len,
                    )
                )
        return [seen for seen in found if seen.payload != WARM_UP]


@pytest.fixture(scope="module", autouse=True)
def _scapy_here() -> None:
    """Before a mesh is built."""
    pytest.importorskip("scapy", reason="needs scapy (pip install scapy)")


def _link(commanded: Commanded, kind: LinkKind) -> tuple[int, int]:
    """The link of a kind whose delay changes fastest, of those that carry what their ends send each other."""
    first, last = commanded.epochs[0], commanded.epochs[-1]
    links = first.links
    for row in np.argsort(-np.abs(links.delay_slope_ns_per_s)).tolist():
        a, b = int(links.a[row]), int(links.b[row])
        direct = all((e.path(a, b), e.path(b, a)) == ((a, b), (b, a)) for e in (first, last))
        if direct and links.kind[row] == kind:
            return a, b
    raise AssertionError(f"no {kind.name.lower()} link lasts")


@pytest.mark.parametrize("kind", list(LinkKind))
def test_captures_at_both_ends_show_the_commanded_delay(kind: LinkKind, mesh: Emulation) -> None:
    commanded = Commanded(mesh.scenario, 100)
    ends = _link(commanded, kind)
    names = [mesh.nodes.names[node] for node in ends]
    assert mesh.path(*names)["path"] == names
    (entry,) = (e for e in mesh.plane.links_of(ends[0]) if (e.a, e.b) == ends)
    rng = random.Random(SEED)
    sent: list[list[bytes]] = [[], []]
    sent_mono_ns: list[list[int]] = [[], []]
    with (
        udp_socket(mesh.plane, ends[0]) as one,
        udp_socket(mesh.plane, ends[1]) as two,
        Capture(mesh.plane, ends[0], entry.interface_a) as at_one,
        Capture(mesh.plane, ends[1], entry.interface_b) as at_two,
    ):
        sockets = (one, two)
        port = two.getsockname()[1]

        def send(way: int, payload: bytes) -> None:
            if way == 0:
                one.sendto(payload, two.getsockname())
            else:
                two.sendto(payload, one.getsockname())

        for capture in (at_one, at_two):
            wait_for_stamps(capture.sock, lambda: send(0, WARM_UP))
        offset_ns, width_ns = unix_minus_mono_ns()
        next_s = time.monotonic()
        for _ in range(DATAGRAMS):
            next_s += rng.expovariate(1 / MEAN_GAP_S)
            time.sleep(max(next_s - time.monotonic(), 0))
            way = rng.randrange(2)
            sent[way].append(rng.randbytes(rng.randrange(16, 1200)))
            sent_mono_ns[way].append(time.monotonic_ns())
            send(way, sent[way][-1])
        for way in (0, 1):  # the last one is there: so is all before it
            while sockets[1 - way].recv(1 << 16) != sent[way][-1]:
                pass
        offset_after_ns, width_after_ns = unix_minus_mono_ns()
        seen = [capture.datagrams(port) for capture in (at_one, at_two)]
    if abs(offset_after_ns - offset_ns) > width_ns + width_after_ns:
        pytest.skip("needs a CLOCK_REALTIME that nobody sets while packets fly")

    for way in (0, 1):
        left = [s for s in seen[way] if s.outgoing]
        came = [s for s in seen[1 - way] if not s.outgoing]
        # matched by content: none lost, none twice, in order, at both ends
        assert [s.payload for s in left] == sent[way]
        assert [s.payload for s in came] == sent[way]
        commanded_ns, excess_ns, since_sent_ns = [], [], []
        for before, after, sent_ns in zip(left, came, sent_mono_ns[way], strict=True):
            sim_ns = before.unix_ns - offset_ns - mesh.clock.mono_ns(0)
            least_ns = commanded.least_delay_ns(*ends, sim_ns)
            row = commanded.epochs[commanded.row_at(sim_ns)]
            serialisation_ns = (
                before.ip_bytes
                * 8e9
                / (row.narrowest_rate_bps((ends[way], ends[1 - way])) * mesh.scenario.run.rate_scale)
            )
            commanded_ns.append(least_ns)
            excess_ns.append(after.unix_ns - before.unix_ns - least_ns - serialisation_ns)
            since_sent_ns.append(after.unix_ns - offset_ns - sent_ns - least_ns - serialisation_ns)
        # Never early, counted from before it was sent.  (The capture at the sender's end stamps a packet once
        # the kernel has handed it over, from when it is on the link: microseconds, and more where another
        # process gets the processor in between.)  Both stamps are of one clock in whole ns; the tolerance is
        # the offset between two processors' readings of it, as the recorder allows for, and how well the
        # clocks' offset is known.  (Which epoch's delay is meant is a matter
        # of a few ns: two epochs in a row differ that little where one takes over from the other.)
        assert min(since_sent_ns) >= -TOLERANCE_NS - width_ns
        # and not late: by a small part of what was commanded
        assert abs(statistics.median(excess_ns)) < 0.1 * statistics.median(commanded_ns)
        print(
            f"{names[way]} to {names[1 - way]}: commanded {min(commanded_ns) / 1e6:.6f} to "
            f"{max(commanded_ns) / 1e6:.6f} ms, excess {quantiles_us(excess_ns)}"
        )
