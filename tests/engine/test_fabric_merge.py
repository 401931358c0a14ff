"""Datagrams that are due together go out in one write, and arrive as they were."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import socket
import struct
import subprocess
from typing import Any

import pytest
from engine_lab import PATIENCE_S
from message_lab import (
    GSO_UDP_L4,
    MAX_FRAME,
    NEEDS_CSUM,
    VNET,
    ip4,
    ip6,
    load,
    partial,
    plain,
    rebuilt,
    scapy,
    split,
    summing_to_zero,
    udp,
)

from orbitmesh.emulator.plane.kernel.namespaces import enter, on_own_thread, unshare_net


class Merger:
    """What is written for a list of frames: pairs of a frame and how many it stands for."""

    def __init__(self, lib: ctypes.CDLL) -> None:
        self.lib = lib
        self.buffer = ctypes.create_string_buffer(MAX_FRAME)
        self.state = ctypes.create_string_buffer(128)
        lib.merge_open(self.state, self.buffer)

    def take(self) -> tuple[bytes, int]:
        n, frames = ctypes.c_size_t(), ctypes.c_uint32()
        at = self.lib.merge_take(self.state, ctypes.byref(n), ctypes.byref(frames))
        return ctypes.string_at(at, n.value), frames.value

    def write(self, frames: list[bytes]) -> list[tuple[bytes, int]]:
        out = []
        kept = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
        for i, frame in enumerate(kept):
            if not self.lib.merge_add(self.state, frame, len(frame)):
                assert i > 0
                out.append(self.take())
                assert self.lib.merge_add(self.state, frame, len(frame))
        out.append(self.take())
        assert [buffer.raw for buffer in kept] == frames
        return out


def datagrams(family: int, sizes: list[int], **fields: Any) -> list[Any]:
    made = []
    for i, size in enumerate(sizes):
        head = ip4(**({"id": 65530 + i & 65535} | fields)) if family == 4 else ip6(**fields)
        made.append(head / udp(size, seed=i))
    return made


def written(lib: ctypes.CDLL, frames: list[bytes]) -> list[int]:
    """How many frames each write stands for, once all are found to arrive as they were."""
    out = Merger(lib).write(frames)
    arriving = []
    for frame, count in out:
        pieces = split(frame)
        assert len(pieces) == count
        assert count > 1 or frame in frames
        arriving += pieces
    assert arriving == [split(frame)[0] for frame in frames]
    return [count for _, count in out]


@pytest.mark.parametrize("make", [plain, partial])
@pytest.mark.parametrize("family", [4, 6])
def test_a_run_of_one_flow_is_one_write(lib: ctypes.CDLL, family: int, make: Any) -> None:
    for sizes, writes in (
        ([64] * 5, [5]),
        ([1] * 64, [64]),
        ([64] * 65, [64, 1]),
        ([100, 100, 40, 40], [3, 1]),
        ([40, 100, 100], [1, 2]),
        ([100, 100, 0, 100], [2, 1, 1]),
        ([0, 0], [1, 1]),
        ([1472] * 50, [44, 6]),
        ([30_000] * 3, [2, 1]),
        ([200, 200, 199], [3]),
    ):
        assert written(lib, [make(packet) for packet in datagrams(family, sizes)]) == writes, sizes


def test_header_of_a_merged_write(lib: ctypes.CDLL) -> None:
    for family, header in ((4, 28), (6, 48)):
        packets = datagrams(family, [300, 300, 7])
        ((frame, count),) = Merger(lib).write([plain(packet) for packet in packets])
        assert count == 3
        expected = struct.pack("=BBHHHH", NEEDS_CSUM, GSO_UDP_L4, header, 300, header - 8, 6)
        assert frame[:VNET] == expected
        read = load(frame[VNET:])
        assert read[scapy().UDP].len == 8 + 607
        assert rebuilt(read)[: header - 2] == frame[VNET : VNET + header - 2]


def test_what_differs_is_not_merged(lib: ctypes.CDLL) -> None:
    s = scapy()
    for family, changes in (
        (
            4,
            [
                {"ttl": 8},
                {"tos": 4},
                {"src": "10.0.0.3"},
                {"dst": "10.0.0.3"},
                {"flags": "DF"},
                {"flags": "MF"},
            ],
        ),
        (4, [{"frag": 1}, {"id": 9}, {"options": [s.IPOption_NOP()]}, {"proto": 136}]),
        (6, [{"hlim": 8}, {"tc": 4}, {"fl": 4}, {"src": "fd00::3"}, {"dst": "fd00::3"}, {"nh": 136}]),
    ):
        for change in changes:
            packets = datagrams(family, [64] * 3)
            for field, value in change.items():
                setattr(packets[1], field, value)
            assert written(lib, [plain(packet) for packet in packets]) == [1, 1, 1], change
    for field in ("sport", "dport"):
        packets = datagrams(4, [64] * 3)
        setattr(packets[1][s.UDP], field, 9)
        assert written(lib, [plain(packet) for packet in packets]) == [1, 1, 1]
    first, second, third = datagrams(4, [64] * 3)
    assert written(lib, [plain(first), partial(second), plain(third)]) == [1, 1, 1]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("wrong", [0, 1, 2, 3])
def test_a_wrong_checksum_stays_wrong(lib: ctypes.CDLL, family: int, wrong: int) -> None:
    writes = {0: [1, 3], 1: [1, 1, 2], 2: [2, 1, 1], 3: [3, 1]}[wrong]
    at = VNET + (20 if family == 4 else 40)
    for make in (plain, partial):
        frames = [make(packet) for packet in datagrams(family, [64] * 4)]
        broken = bytearray(frames[wrong])
        broken[at + 7] ^= 1
        frames[wrong] = bytes(broken)
        assert written(lib, frames) == writes
        frames[wrong] = frames[wrong][: at + 6] + b"\0\0" + frames[wrong][at + 8 :]  # "no checksum"
        assert written(lib, frames) == writes
    frames = [plain(packet) for packet in datagrams(family, [64] * 4)]
    frames[wrong] = frames[wrong][:-1] + bytes([frames[wrong][-1] ^ 1])  # damaged in its payload
    assert written(lib, frames) == writes
    if family == 4:
        frames = [plain(packet) for packet in datagrams(4, [64] * 4)]
        frames[wrong] = frames[wrong][: VNET + 10] + b"\0\0" + frames[wrong][VNET + 12 :]
        assert written(lib, frames) == writes


def test_no_checksum_at_all_is_left_alone(lib: ctypes.CDLL) -> None:
    packets = datagrams(4, [64] * 4)
    for packet in packets:
        packet[scapy().UDP].chksum = 0
    assert written(lib, [plain(packet) for packet in packets]) == [1] * 4
    # and where 0 by chance adds up, but must arrive as 0
    packets = [summing_to_zero(packet) for packet in datagrams(4, [64] * 4)]
    assert written(lib, [plain(packet) for packet in packets]) == [4]
    for packet in packets:
        packet[scapy().UDP].chksum = 0
    assert written(lib, [plain(packet) for packet in packets]) == [1] * 4


def test_identification(lib: ctypes.CDLL) -> None:
    """Counted up, merged and as before. All the same: merged with DF only, and then numbered by splitting."""
    assert written(lib, [plain(packet) for packet in datagrams(4, [64] * 9, flags="DF")]) == [9]
    assert written(lib, [plain(packet) for packet in datagrams(4, [64] * 3, id=5)]) == [1] * 3
    packets = datagrams(4, [64] * 3, id=0, flags="DF")
    ((frame, count),) = Merger(lib).write([plain(packet) for packet in packets])
    assert count == 3
    arriving = [scapy().IP(packet) for packet in split(frame)]
    assert [packet.id for packet in arriving] == [0, 1, 2]
    assert [bytes(packet.payload) for packet in arriving] == [bytes(packet.payload) for packet in packets]
    # neither the one nor the other
    packets[2].id = 2
    assert [count for _, count in Merger(lib).write([plain(packet) for packet in packets])] == [2, 1]


def test_frames_of_all_kinds_pass(lib: ctypes.CDLL) -> None:
    """Random runs: whatever is merged or not, what arrives is the same, in the same order."""
    rng, s = random.Random(11), scapy()
    merged = 0
    for _ in range(60):
        frames, number = [], rng.randrange(65_536)
        flow = rng.choice([4, 6])
        for i in range(40):
            if rng.random() < 0.15:
                flow = rng.choice([4, 6])
            size, number = rng.choice([64, 64, 64, 64, 63, 0, 900]), (number + 1) & 0xFFFF
            packet = (ip4(id=number) if flow == 4 else ip6()) / udp(size, seed=i)
            kind = rng.random()
            if kind < 0.03:
                packet = ip4() / s.TCP() / s.Raw(bytes(64))
            elif kind < 0.06:
                packet[s.UDP].chksum = rng.randrange(65_536)
            elif kind < 0.09:
                packet[s.UDP].len = rng.randrange(100)
            frame = (partial if 0.09 < kind < 0.2 else plain)(packet)
            frames.append(frame + b"\0" if kind > 0.97 else frame)
        if rng.random() < 0.5:
            frames[20] = partial(ip4() / udp(5000), GSO_UDP_L4, 1000)
            out = Merger(lib).write(frames)
            assert (frames[20], 1) in out
        else:
            merged += sum(count > 1 for count in written(lib, frames))
    assert merged > 20


# ---- the kernel as the judge

_TUNSETIFF, _TUNSETOFFLOAD, _TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
_IFF_TUN, _IFF_NO_PI, _IFF_VNET_HDR = 0x1, 0x1000, 0x4000
_CSUM_TSO_USO = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
_UDP_GRO = 104


class Host:
    """A namespace with a TUN device as the engine opens it, and a UDP socket behind it."""

    def __init__(self, family: int) -> None:
        self.netns = on_own_thread(unshare_net)
        self.sockets: list[socket.socket] = []

        def prepare() -> int:
            enter(self.netns)
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            flags = _IFF_TUN | _IFF_NO_PI | _IFF_VNET_HDR
            fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", b"mesh", flags))
            fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("i", VNET))
            try:
                fcntl.ioctl(fd, _TUNSETOFFLOAD, _CSUM_TSO_USO)
            except OSError as error:
                os.close(fd)
                pytest.skip(f"needs a kernel whose TUN has USO (6.2 or later): {error}")
            address = "10.0.0.2/32" if family == 4 else "fd00::2/128"
            for command in ("link set lo up", "link set mesh up", f"addr add {address} dev mesh"):
                nodad = " nodad" if family == 6 and "addr" in command else ""
                subprocess.run(["ip", *(command + nodad).split()], check=True)
            back = "10.0.0.1/32" if family == 4 else "fd00::1/128"
            subprocess.run(
                ["ip", *(["-6"] if family == 6 else []), "route", "add", back, "dev", "mesh"], check=True
            )
            kind = socket.AF_INET if family == 4 else socket.AF_INET6
            self.sockets.append(socket.socket(kind, socket.SOCK_DGRAM))
            return fd

        self.tun = on_own_thread(prepare)
        (self.sock,) = self.sockets
        self.sock.bind(("10.0.0.2" if family == 4 else "fd00::2", 2000))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)

    def datagrams(self, count: int) -> tuple[list[bytes], int]:
        """So many datagrams, and in how many pieces they were read."""
        found: list[bytes] = []
        reads = 0
        while len(found) < count:
            assert select.select([self.sock], [], [], PATIENCE_S)[0], f"only {len(found)} of {count} came"
            data, about, _, _ = self.sock.recvmsg(1 << 17, 64)
            size = len(data)
            for level, kind, value in about:
                if (level, kind) == (socket.IPPROTO_UDP, _UDP_GRO):
                    size = struct.unpack_from("=i", value)[0]
            found += [data[i : i + size] for i in range(0, len(data), size or 1)] if data else [b""]
            reads += 1
        assert not select.select([self.sock], [], [], 0)[0], "more came than was sent"
        return found, reads

    def close(self) -> None:
        self.sock.close()
        os.close(self.tun)
        os.close(self.netns)


@pytest.mark.netns
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("has_gro", [False, True], ids=["datagrams", "UDP_GRO"])
def test_merged_datagrams_arrive_as_they_were_sent(lib: ctypes.CDLL, family: int, has_gro: bool) -> None:
    sizes = [64] * 100 + [1472] * 60 + [500, 500, 20, 0, 1, 1] + [30_000] * 3 + [64]
    packets = datagrams(family, sizes)
    for i, packet in enumerate(packets):
        if family == 4:
            packet.id = i
    for make in (plain, partial):
        frames = [make(packet) for packet in packets]
        lost = frames[30] = frames[30][:-1] + bytes([frames[30][-1] ^ 1])  # and one that must not get through
        writes = Merger(lib).write(frames)
        assert len(writes) < 14
        host = Host(family)
        try:
            host.sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, int(has_gro))
            for frame, _ in writes:
                assert os.write(host.tun, frame) == len(frame)
            expected = [bytes(packet[scapy().UDP].payload) for packet in packets]
            if make is plain:
                del expected[30]
            else:  # the sum was not made yet: nobody can know
                expected[30] = lost[-64:]
            found, reads = host.datagrams(len(expected))
            assert found == expected
            assert reads < 20 if has_gro else reads == len(expected)
        finally:
            host.close()
