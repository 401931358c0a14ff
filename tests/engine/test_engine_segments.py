"""What arrives after a super-packet was cut: checked by a device that leaves no checksum to anybody else.

The last node forwards to a TUN device of our own without any offload, so that
the kernel there must finish every checksum before we read the packet.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import threading

import pytest
from engine_lab import PATIENCE_S, Lab

pytestmark = pytest.mark.netns

_TUNSETIFF, _IFF_TUN_NO_PI = 0x400454CA, 0x1001
_UDP_SEGMENT = 103
PORT = 7777


def sum16(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


class Tap:
    """A plain device behind the last node, to which 10.9.9.9 and fd00::9999 are routed."""

    def __init__(self, lab: Lab) -> None:
        last = len(lab.netns) - 1
        self.fd = lab.inside(last, lambda: os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK))
        fcntl.ioctl(self.fd, _TUNSETIFF, struct.pack("16sH22x", b"tap", _IFF_TUN_NO_PI))
        lab.ip(
            last,
            "link set tap up txqueuelen 5000\nroute add 10.9.9.9 dev tap\nroute add fd00::9999 dev tap",
        )
        for node in range(last):
            lab.ip(node, "route add 10.9.9.9 dev east\nroute add fd00::9999 dev east")
        for node in range(last + 1):
            lab.run(node, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def packet(self) -> bytes:
        while True:
            assert select.select([self.fd], [], [], PATIENCE_S)[0], "no packet came"
            packet = os.read(self.fd, 70_000)
            if transport(packet)[0] in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
                return packet


def transport(packet: bytes) -> tuple[int, bytes, bytes]:
    """Protocol, pseudo-header, and what follows the IP header; its own checksum is checked."""
    if packet[0] >> 4 == 4:
        assert sum16(packet[:20]) == 0xFFFF
        assert struct.unpack_from("!H", packet, 2)[0] == len(packet)
        body, addresses, protocol = packet[20:], packet[12:20], packet[9]
    else:
        assert struct.unpack_from("!H", packet, 4)[0] == len(packet) - 40
        body, addresses, protocol = packet[40:], packet[8:40], packet[6]
    return protocol, addresses + struct.pack("!II", len(body), protocol), body


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("rate_bps", [100_000_000, 1_000_000_000], ids=["cut to segments", "cut to trains"])
def test_udp_segments_are_whole_and_summed(family: socket.AddressFamily, rate_bps: int) -> None:
    data = os.urandom(30 * 1200 - 7)
    with Lab(ipv6=True) as lab, Tap(lab) as tap:
        lab.set(rate_bps=rate_bps)
        sender = lab.endpoint(0, socket.SOCK_DGRAM, family)
        sender.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 1200)
        sender.sendto(data, ("10.9.9.9" if family == socket.AF_INET else "fd00::9999", PORT))
        got = [tap.packet() for _ in range(30)]
        count = lab.backend.counters(lab.links)
        # the kernel's own multicast listener reports, of less than 100 bytes each, may come in between
        own = int(count.packets_in[0, 0]) - 30
        assert 0 <= own < 10
        assert 0 <= int(count.bytes_in[0, 0]) - sum(len(packet) for packet in got) <= 100 * own
    payload = b""
    for packet in got:
        protocol, pseudo, body = transport(packet)
        assert protocol == socket.IPPROTO_UDP
        assert sum16(pseudo + body) == 0xFFFF
        assert struct.unpack_from("!H", body, 4)[0] == len(body)
        payload += body[8:]
    assert payload == data


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("rate_bps", [100_000_000, 1_000_000_000], ids=["cut to segments", "cut to trains"])
def test_tcp_segments_are_whole_and_summed(family: socket.AddressFamily, rate_bps: int) -> None:
    """We answer for the other end of the connection, by hand."""
    data = os.urandom(200_000)
    peer = "10.9.9.9" if family == socket.AF_INET else "fd00::9999"
    with Lab(ipv6=True) as lab, Tap(lab) as tap:
        lab.set(rate_bps=rate_bps)
        client = lab.endpoint(0, socket.SOCK_STREAM, family)
        ours = client.getsockname()[1]
        source, mine = socket.inet_pton(family, peer), socket.inet_pton(family, client.getsockname()[0])

        def answer(sequence: int, acknowledged: int, flags: int, options: bytes = b"") -> None:
            offset = (20 + len(options)) // 4
            header = struct.pack(
                "!HHIIBBHHH", PORT, ours, sequence, acknowledged, offset << 4, flags, 65535, 0, 0
            )
            body = header + options
            summed = sum16(source + mine + struct.pack("!II", len(body), 6) + body) ^ 0xFFFF
            body = body[:16] + struct.pack("!H", summed) + body[18:]
            if family == socket.AF_INET:
                ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 6, 0) + source + mine
                ip = ip[:10] + struct.pack("!H", sum16(ip) ^ 0xFFFF) + ip[12:]
            else:
                ip = struct.pack("!IHBB", 6 << 28, len(body), 6, 64) + source + mine
            os.write(tap.fd, ip + body)

        sender = threading.Thread(target=lambda: (client.connect((peer, PORT)), client.sendall(data)))
        sender.start()
        received: dict[int, bytes] = {}
        first = 0
        while sum(map(len, received.values())) < len(data):
            protocol, pseudo, body = transport(tap.packet())
            assert protocol == socket.IPPROTO_TCP
            assert sum16(pseudo + body) == 0xFFFF
            sequence, flags, payload = (
                struct.unpack_from("!I", body, 4)[0],
                body[13],
                body[4 * (body[12] >> 4) :],
            )
            if flags & 2:  # SYN: offer a window of 65535 << 7
                first = sequence + 1
                answer(9, first, 0x12, b"\x02\x04\x05\xb4\x01\x03\x03\x07")
            elif payload:
                received[(sequence - first) & 0xFFFFFFFF] = payload
                contiguous = 0
                while contiguous in received:
                    contiguous += len(received[contiguous])
                answer(10, (first + contiguous) & 0xFFFFFFFF, 0x10)
        sender.join()
        assert max(map(len, received.values())) <= 1460
    assert b"".join(received[at] for at in sorted(received)) == data
