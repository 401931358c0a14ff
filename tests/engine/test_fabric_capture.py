"""Packets written down as pcapng, read back by others."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from pathlib import Path

import pytest
from message_lab import (
    GSO_TCPV6,
    GSO_UDP_L4,
    VNET,
    Capture,
    Shape,
    aged,
    ip4,
    ip6,
    partial,
    plain,
    scapy,
    split,
    udp,
)


class Recording:
    """A capture to a pipe; what has come out of it."""

    def __init__(self, lib: ctypes.CDLL, *, snap: int = 0, room: int = 1 << 18, offset: int = 0) -> None:
        self.lib, self.state, self.data = lib, Capture(), b""
        self.out, self.fd = os.pipe2(os.O_NONBLOCK)
        fault = lib.capture_open(ctypes.byref(self.state), self.fd, b"sat 7 east", snap, room, offset)
        assert fault is None, fault

    def add(self, frame: bytes, mono_ns: int = 0, segment_ns: int = 0, hops: int = 0) -> None:
        given, shape = ctypes.create_string_buffer(frame, len(frame)), Shape()
        assert self.lib.wire_parse(given, len(frame), ctypes.byref(shape))
        self.lib.capture_packet(
            ctypes.byref(self.state), mono_ns, segment_ns, hops, given, len(frame), ctypes.byref(shape)
        )
        assert given.raw == frame

    def flush(self) -> bool:
        return bool(self.lib.capture_flush(ctypes.byref(self.state)))

    def drain(self, most: int = 1 << 20) -> int:
        try:
            data = os.read(self.out, most)
        except BlockingIOError:
            return 0
        self.data += data
        return len(data)

    def close(self) -> bool:
        whole = bool(self.lib.capture_close(ctypes.byref(self.state)))
        os.close(self.fd)
        self.drain()
        os.close(self.out)
        return whole

    def read(self, folder: Path) -> list[tuple[int, int, bytes]]:
        """Stamp in ns, bytes on the wire, bytes kept of each packet, by scapy."""
        (folder / "capture.pcapng").write_bytes(self.data)
        packets = []
        with scapy().RawPcapNgReader(str(folder / "capture.pcapng")) as reader:
            for data, about in reader:
                assert (about.linktype, about.tsresol, about.ifname) == (101, 10**9, b"sat 7 east")
                packets.append((about.tshigh << 32 | about.tslow, about.wirelen, data))
        return packets


def test_capture_is_read_back(lib: ctypes.CDLL, tmp_path: Path) -> None:
    offset = 1_790_000_000_123_456_789
    recording = Recording(lib, offset=offset)
    packets = [bytes(ip4() / udp(size)) for size in (0, 1, 2, 3, 1400)] + [bytes(ip6() / udp(77))]
    for i, packet in enumerate(packets):
        recording.add(plain(packet), mono_ns=i * 5_000_000_007)
    assert recording.state.packets == len(packets)
    assert recording.flush()
    assert recording.close()
    assert recording.read(tmp_path) == [
        (offset + i * 5_000_000_007, len(packet), packet) for i, packet in enumerate(packets)
    ]


def test_capture_shows_what_the_wire_has(lib: ctypes.CDLL, tmp_path: Path) -> None:
    """Segments each with its stamp, checksums complete, the time to live of the place."""
    train = partial(ip4(flags="DF") / udp(5001), GSO_UDP_L4, 1000)
    tcp = partial(ip6() / scapy().TCP(flags="PA") / scapy().Raw(bytes(3000)), GSO_TCPV6, 1400)
    single = partial(ip4() / udp(20))
    uncut = (
        bytes([0]) + train[1:]
    )  # its checksum is no longer left to the device: cutting would not be arithmetic
    recording = Recording(lib)
    recording.add(train, mono_ns=1000, segment_ns=7, hops=4)
    recording.add(tcp, mono_ns=2000, segment_ns=9)
    recording.add(single, mono_ns=3000, hops=1)
    recording.add(struct.pack("=BBHHHH", 0, GSO_UDP_L4, 28, 1000, 0, 0) + uncut[VNET:], mono_ns=4000)
    recording.close()
    expected = [(1000 + 7 * i, aged(packet, 4)) for i, packet in enumerate(split(train))]
    expected += [(2000 + 9 * i, packet) for i, packet in enumerate(split(tcp))]
    expected += [(3000, aged(split(single)[0], 1)), (4000, train[VNET:])]
    assert recording.read(tmp_path) == [(stamp, len(packet), packet) for stamp, packet in expected]


def test_capture_of_a_part(lib: ctypes.CDLL, tmp_path: Path) -> None:
    recording = Recording(lib, snap=61)
    packet = bytes(ip4() / udp(1000))
    recording.add(plain(packet))
    recording.close()
    assert recording.read(tmp_path) == [(0, len(packet), packet[:61])]


@pytest.mark.parametrize("bites", [1, 100, 997, 4096])
def test_capture_to_a_slow_reader(lib: ctypes.CDLL, tmp_path: Path, bites: int) -> None:
    """What it takes is whole blocks in order, whatever it takes at once; the rest is counted and told."""
    recording = Recording(lib, room=80_000)
    fcntl.fcntl(recording.fd, fcntl.F_SETPIPE_SZ, 4096)
    packets = [bytes(ip4(id=i) / udp(i % 900, seed=i)) for i in range(600)]
    for i, packet in enumerate(packets):
        recording.add(plain(packet), mono_ns=i)
        if i < 300 or i % 50 == 0:
            recording.drain(bites)
    assert recording.state.dropped > 0
    while not recording.flush():
        assert recording.drain() > 0
    recording.add(plain(packets[0]), mono_ns=9999)  # tells of those dropped before
    assert recording.close()
    assert recording.state.packets + recording.state.dropped == 601
    got = recording.read(tmp_path)
    assert len(got) == recording.state.packets
    assert [stamp for stamp, _, _ in got] == sorted({stamp for stamp, _, _ in got})
    assert all(data == packets[stamp % 9999] for stamp, _, data in got)
    assert sum(told_drops(recording.data)) == recording.state.dropped


def told_drops(data: bytes) -> list[int]:
    """epb_dropcount of each packet block that has one."""
    found, at = [], 0
    while at < len(data):
        kind, size = struct.unpack_from("=II", data, at)
        assert struct.unpack_from("=I", data, at + size - 4)[0] == size
        if kind == 6:
            option = at + 28 + (struct.unpack_from("=I", data, at + 20)[0] + 3) // 4 * 4
            while option < at + size - 4:
                code, length = struct.unpack_from("=HH", data, option)
                if code == 4:
                    found.append(struct.unpack_from("=Q", data, option + 4)[0])
                option += 4 + (length + 3) // 4 * 4
        at += size
    assert at == len(data)
    return found


def test_capture_whose_reader_is_gone(lib: ctypes.CDLL) -> None:
    recording = Recording(lib)
    os.close(recording.out)
    frame = plain(ip4() / udp(10))
    recording.add(frame)
    assert not recording.flush()
    assert recording.state.fault == errno.EPIPE
    recording.add(frame)
    assert recording.state.dropped == 1
    assert not lib.capture_close(ctypes.byref(recording.state))
    os.close(recording.fd)


def test_capture_refuses_what_cannot_work(lib: ctypes.CDLL) -> None:
    state = Capture()
    for name, snap, room, word in (
        (b"x" * 65, 0, 1 << 20, b"name"),
        (b"x", 0, 60_000, b"buffer"),
        (b"x", 9, 100, b"buffer"),
    ):
        fault = lib.capture_open(ctypes.byref(state), 1, name, snap, room, 0)
        assert fault is not None
        assert word in fault
