"""What the fabric makes of packets itself: ICMP answers, fragments, merged datagrams, captures.

The modules are compiled into a small library and called with frames made here;
what they make is read by scapy, and by a splitter written from the standards,
which share no code with them.  The whole file runs once more under
AddressSanitizer and UBSan.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import ipaddress
import os
import random
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from engine_lab import PATIENCE_S
from test_engine_sanitized import build

from orbitmesh.emulator.plane.namespaces import enter, on_own_thread, unshare_net

HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "emulator/plane/engine/src"
MODULES = [SOURCES / f"{name}.c" for name in ("answer", "capture", "checksum", "fragment", "merge", "wire")]
LIBRARY = "ORBITMESH_TEST_LIBRARY"  # where the run under sanitizers finds its own

VNET, MAX_FRAME = 10, 10 + 40 + 65535
NEEDS_CSUM, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 = 1, 1, 4, 5
EXPIRED, NO_NET, NO_HOST, NO_PROTOCOL, NO_PORT, TOO_BIG = range(6)
ROUTER4, ROUTER6 = "10.9.0.1", "fd00::9:1"


class Shape(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("segments", "wire_bytes", "payload_bytes")),
        *((name, ctypes.c_uint16) for name in ("segment_bytes", "transport", "header_bytes")),
        ("can_cut", ctypes.c_bool),
    )


class Capture(ctypes.Structure):
    _fields_ = (
        ("fd", ctypes.c_int),
        ("fault", ctypes.c_int),
        ("unix_minus_mono_ns", ctypes.c_int64),
        ("snap_bytes", ctypes.c_uint32),
        ("ring", ctypes.c_void_p),
        *((name, ctypes.c_size_t) for name in ("ring_bytes", "first", "used")),
        ("scratch", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("packets", "dropped", "dropped_told")),
    )


@pytest.fixture(scope="session")
def lib(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    path = os.environ.get(LIBRARY)
    if path is None:
        path = str(tmp_path_factory.mktemp("messages") / "messages.so")
        compile_library(Path(path))
    library = ctypes.CDLL(path)
    size, u32, i64, at = ctypes.c_size_t, ctypes.c_uint32, ctypes.c_int64, ctypes.c_void_p
    for name, result, *arguments in (
        ("answer_error", size, ctypes.c_int, at, size, u32, at, u32, at),
        ("answer_echo", size, at, size, at),
        ("capture_open", ctypes.c_char_p, at, ctypes.c_int, ctypes.c_char_p, u32, size, i64),
        ("capture_packet", None, at, i64, i64, u32, at, size, at),
        ("capture_flush", ctypes.c_bool, at),
        ("capture_close", ctypes.c_bool, at),
        ("checksum_complete", None, at, size),
        ("fragment_count", u32, at, size, u32),
        ("fragment_make", size, at, size, u32, u32, at),
        ("merge_open", None, at, at),
        ("merge_add", ctypes.c_bool, at, at, size),
        ("merge_take", at, at, at, at),
        ("wire_parse", ctypes.c_bool, at, size, at),
        ("wire_cut_bytes", size, at, u32, u32),
        ("wire_cut", Shape, at, at, u32, u32, at),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def compile_library(target: Path, *flags: str) -> None:
    options = ["-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-shared", "-fPIC"]
    subprocess.run(["cc", *options, *flags, "-o", str(target), *map(str, MODULES)], check=True)


@functools.cache
def scapy() -> SimpleNamespace:
    # only here: scapy is slow to import, and its licence is not the project's
    from scapy.layers import inet, inet6
    from scapy.packet import Raw
    from scapy.utils import RawPcapNgReader

    names = vars(inet6) | vars(inet) | {"Raw": Raw, "RawPcapNgReader": RawPcapNgReader}
    return SimpleNamespace(**names)


# ---- frames, and what the standards say about them, independently of the C


def sum16(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def pseudo_sum(ip: bytes, protocol: int, length: int) -> int:
    return sum16((ip[12:20] if ip[0] >> 4 == 4 else ip[8:40]) + struct.pack("!II", length, protocol))


def ip_header_bytes(ip: bytes) -> int:
    return (ip[0] & 15) * 4 if ip[0] >> 4 == 4 else 40


def plain(packet: Any) -> bytes:
    return bytes(VNET) + bytes(packet)


def partial(packet: Any, gso: int = 0, segment: int = 0) -> bytes:
    """A frame whose transport checksum is left to the device; a super-packet where ``gso`` is given."""
    ip = bytearray(bytes(packet))
    at = ip_header_bytes(ip)
    protocol = ip[9] if ip[0] >> 4 == 4 else ip[6]
    field = {6: 16, 17: 6, 1: 2, 58: 2}[protocol]
    header = at + ((ip[at + 12] >> 4) * 4 if protocol == 6 else 8)
    seed = 0 if protocol == 1 else pseudo_sum(bytes(ip), protocol, len(ip) - at)
    struct.pack_into("!H", ip, at + field, seed)
    return struct.pack("=BBHHHH", NEEDS_CSUM, gso, header, segment, at, field) + bytes(ip)


def split(frame: bytes) -> list[bytes]:
    """The IP packets that a kernel makes of a frame, all checksums complete."""
    flags, gso, _, segment, start, field = struct.unpack_from("=BBHHHH", frame)
    ip = frame[VNET:]
    if not gso:
        return [complete(ip, start, start + field) if flags & NEEDS_CSUM else ip]
    assert flags & NEEDS_CSUM
    is_udp, at = gso == GSO_UDP_L4, ip_header_bytes(ip)
    assert (start, field) == (at, 6 if is_udp else 16)
    header = at + (8 if is_udp else (ip[at + 12] >> 4) * 4)
    pieces = [ip[i : i + segment] for i in range(header, len(ip), segment)]
    assert len(pieces) > 1
    out = []
    for i, piece in enumerate(pieces):
        head = bytearray(ip[:header])
        if ip[0] >> 4 == 4:
            struct.pack_into("!H", head, 2, header + len(piece))
            struct.pack_into("!H", head, 4, (struct.unpack_from("!H", head, 4)[0] + i) & 0xFFFF)
            struct.pack_into("!H", head, 10, 0)
            struct.pack_into("!H", head, 10, sum16(bytes(head[:at])) ^ 0xFFFF)
        else:
            struct.pack_into("!H", head, 4, header + len(piece) - 40)
        if is_udp:
            struct.pack_into("!H", head, at + 4, 8 + len(piece))
        else:
            sequence = struct.unpack_from("!I", head, at + 4)[0]
            struct.pack_into("!I", head, at + 4, (sequence + i * segment) & 0xFFFFFFFF)
            if i < len(pieces) - 1:
                head[at + 13] &= ~0x09
        packet = bytes(head) + piece
        seed = pseudo_sum(packet, 17 if is_udp else 6, len(packet) - at)
        packet = packet[: at + field] + struct.pack("!H", seed) + packet[at + field + 2 :]
        out.append(complete(packet, at, at + field))
    return out


def complete(ip: bytes, start: int, field: int) -> bytes:
    value = sum16(ip[start:]) ^ 0xFFFF or 0xFFFF
    return ip[:field] + struct.pack("!H", value) + ip[field + 2 :]


def rebuilt(packet: Any) -> bytes:
    """The packet with all lengths and checksums as scapy works them out."""
    copy = packet.__class__(bytes(packet))
    layer = copy
    while layer:
        for name in ("chksum", "cksum", "len", "plen", "ihl"):
            if name in layer.fields and not isinstance(layer, scapy().Raw):
                del layer.fields[name]
        layer = layer.payload
        if isinstance(layer, (scapy().IPerror, scapy().IPerror6)):
            break  # a quoted packet may be cut off
    copy.raw_packet_cache = None
    return bytes(copy)


def load(ip: bytes) -> Any:
    return scapy().IP(ip) if ip[0] >> 4 == 4 else scapy().IPv6(ip)


def aged(ip: bytes, hops: int) -> bytes:
    out = bytearray(ip)
    at = 8 if ip[0] >> 4 == 4 else 7
    out[at] -= hops
    if ip[0] >> 4 == 4:
        struct.pack_into("!H", out, 10, 0)
        struct.pack_into("!H", out, 10, sum16(bytes(out[: ip_header_bytes(ip)])) ^ 0xFFFF)
    return bytes(out)


def summing_to_zero(packet: Any) -> Any:
    """The packet with its last two bytes such that its UDP checksum is 0, which is sent as 0xffff."""
    data = bytes(packet[scapy().Raw])[:-2] + b"\0\0"
    assert len(data) % 2 == 0
    packet[scapy().Raw].load = data
    rest = complete_sum(bytes(packet)) ^ 0xFFFF  # of all but the checksum, with the two bytes 0
    packet[scapy().Raw].load = data[:-2] + struct.pack("!H", rest ^ 0xFFFF)
    assert complete_sum(bytes(packet)) == 0xFFFF
    return packet


def complete_sum(ip: bytes) -> int:
    return struct.unpack_from("!H", ip, ip_header_bytes(ip) + 6)[0]


def buffers(frame: bytes, room: int) -> tuple[Any, Any]:
    """Exactly as long as they are said to be: the sanitizer watches their ends."""
    return ctypes.create_string_buffer(frame, len(frame)), ctypes.create_string_buffer(room)


# ---- ICMP errors


def error(lib: ctypes.CDLL, kind: int, frame: bytes, *, hops: int = 0, mtu: int = 0) -> bytes | None:
    given, answer = buffers(frame, VNET + 1280)
    is_ipv4 = len(frame) > VNET and frame[VNET] >> 4 == 4
    router = ipaddress.ip_address(ROUTER4 if is_ipv4 else ROUTER6).packed
    n = lib.answer_error(kind, given, len(frame), hops, router, mtu, answer)
    assert given.raw == frame
    if n == 0:
        return None
    assert answer.raw[:VNET] == bytes(VNET)
    return answer.raw[VNET:n]


def ip4(**fields: Any) -> Any:
    return scapy().IP(**{"src": "10.0.0.1", "dst": "10.0.0.2", "ttl": 9, "id": 77} | fields)


def ip6(**fields: Any) -> Any:
    return scapy().IPv6(**{"src": "fd00::1", "dst": "fd00::2", "hlim": 9} | fields)


def udp(size: int, seed: int = 0) -> Any:
    return scapy().UDP(sport=1000, dport=2000) / scapy().Raw(random.Random(seed).randbytes(size))


MEANING4 = {
    EXPIRED: (11, 0),
    NO_NET: (3, 0),
    NO_HOST: (3, 1),
    NO_PROTOCOL: (3, 2),
    NO_PORT: (3, 3),
    TOO_BIG: (3, 4),
}
MEANING6 = {
    EXPIRED: (3, 0),
    NO_NET: (1, 0),
    NO_HOST: (1, 3),
    NO_PROTOCOL: (4, 1),
    NO_PORT: (1, 4),
    TOO_BIG: (2, 0),
}


@pytest.mark.parametrize("size", [0, 1, 500, 519, 520, 521, 1399, 20_000])
@pytest.mark.parametrize("kind", MEANING4)
def test_error_about_ipv4(lib: ctypes.CDLL, kind: int, size: int) -> None:
    packet = bytes(ip4(tos=0x2B, flags="DF") / udp(size))
    answer = error(lib, kind, plain(packet), hops=3, mtu=1400)
    assert answer is not None
    read = load(answer)
    assert (read.src, read.dst, read.ttl, read.proto) == (ROUTER4, "10.0.0.1", 64, 1)
    assert read.tos == 0xC8  # precedence 6, the type of service that was, no congestion mark
    icmp = read.payload
    assert (icmp.type, icmp.code) == MEANING4[kind]
    assert answer[24:28] == struct.pack("!HH", 0, 1400 if kind == TOO_BIG else 0)
    assert answer[28:] == aged(packet, 3)[: 576 - 28]
    assert len(answer) == min(576, 28 + len(packet))
    assert sum16(answer[20:]) == 0xFFFF
    assert rebuilt(read)[:28] == answer[:28]


@pytest.mark.parametrize("size", [0, 1, 1183, 1184, 1185, 20_000])
@pytest.mark.parametrize("kind", MEANING6)
def test_error_about_ipv6(lib: ctypes.CDLL, kind: int, size: int) -> None:
    packet = bytes(ip6(fl=5, tc=7) / udp(size))
    answer = error(lib, kind, plain(packet), hops=3, mtu=1_000_000)
    assert answer is not None
    read = load(answer)
    assert (read.src, read.dst, read.hlim, read.nh) == (ROUTER6, "fd00::1", 64, 58)
    assert (read.payload.type, read.payload.code) == MEANING6[kind]
    extra = {TOO_BIG: 1_000_000, NO_PROTOCOL: 6}.get(kind, 0)
    assert answer[44:48] == struct.pack("!I", extra)
    assert answer[48:] == aged(packet, 3)[: 1280 - 48]
    assert sum16(answer[40:]) != 0
    assert sum16(struct.pack("!H", pseudo_sum(answer, 58, len(answer) - 40)) + answer[40:]) == 0xFFFF
    assert rebuilt(read)[:48] == answer[:48]


def test_unknown_protocol_behind_extension_headers_is_pointed_at(lib: ctypes.CDLL) -> None:
    s = scapy()
    packet = (
        ip6() / s.IPv6ExtHdrDestOpt(options=[s.PadN(optdata=b"\0" * 4)]) / s.IPv6ExtHdrFragment(m=1, nh=200)
    )
    answer = error(lib, NO_PROTOCOL, plain(bytes(packet) + bytes(30)))
    assert answer is not None
    assert bytes(packet)[struct.unpack_from("!I", answer, 44)[0]] == 200


def forbidden() -> dict[str, Any]:
    s = scapy()
    tcp = s.TCP(sport=1, dport=2)
    cases = {f"icmp type {kind}": ip4() / s.ICMP(type=kind) for kind in (3, 4, 5, 11, 12, 40)} | {
        "later fragment": ip4(frag=5) / s.Raw(bytes(50)),
        "last fragment": ip4(frag=185, flags="MF") / s.Raw(bytes(48)),
        "icmp without a type": ip4(proto=1),
    }
    for address in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.5", "239.1.1.1", "255.255.255.255"):
        cases[f"from {address}"] = ip4(src=address) / tcp
        cases[f"to {address}"] = ip4(dst=address) / tcp
    cases["from 240.0.0.1"] = ip4(src="240.0.0.1") / tcp
    for kind in (1, 2, 3, 4, 100, 127, 137):
        cases[f"icmp6 type {kind}"] = ip6() / s.ICMPv6Unknown(type=kind)
    cases["icmp6 error behind a header"] = ip6() / s.IPv6ExtHdrDestOpt() / s.ICMPv6DestUnreach()
    cases["later ipv6 fragment"] = ip6() / s.IPv6ExtHdrFragment(offset=3, nh=17) / s.Raw(bytes(40))
    for address in ("::", "::1", "ff02::1", "fe80::1"):
        cases[f"from {address}"] = ip6(src=address) / tcp
        cases[f"to {address}"] = ip6(dst=address) / tcp
    return cases


def test_no_error_where_none_may_be_sent(lib: ctypes.CDLL) -> None:
    for name, packet in forbidden().items():
        for kind in MEANING4:
            assert error(lib, kind, plain(packet)) is None, name
    broken = bytearray(plain(ip4() / udp(20)))
    broken[VNET + 10] ^= 1
    assert error(lib, EXPIRED, bytes(broken)) is None, "a wrong checksum of IP"
    sound = plain(ip4() / udp(20))
    for n in range(len(sound)):
        assert error(lib, EXPIRED, sound[:n]) is None, "cut off"


def test_errors_are_sent_about_what_asks(lib: ctypes.CDLL) -> None:
    s = scapy()
    for packet in (
        ip4() / s.ICMP(type=8),
        ip4() / s.ICMP(type=0),
        ip4() / s.ICMP(type=13),
        ip4(flags="MF") / udp(16),
        ip4() / s.TCP(),
        ip4(proto=200),
        ip6() / s.ICMPv6EchoRequest(),
        ip6() / s.TCP(),
        ip6() / s.IPv6ExtHdrFragment(m=1, nh=17) / s.Raw(bytes(40)),
        # ICMP of the other version is just a protocol that nobody knows
        ip4(proto=58) / s.Raw(b"\x01\0\0\0"),
        ip6(nh=1) / s.Raw(b"\x03\0\0\0"),
    ):
        assert error(lib, EXPIRED, plain(packet)) is not None, packet.summary()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("segment", [100, 1448])
def test_a_super_packet_is_quoted_as_its_first_segment(
    lib: ctypes.CDLL, family: int, kind: str, segment: int
) -> None:
    s = scapy()
    data = s.Raw(random.Random(3).randbytes(30_001))
    head = ip4(flags="DF") if family == 4 else ip6()
    packet = head / (s.TCP(seq=9, flags="PA") if kind == "tcp" else s.UDP(sport=1, dport=2)) / data
    gso = GSO_UDP_L4 if kind == "udp" else GSO_TCPV4 if family == 4 else GSO_TCPV6
    frame = partial(packet, gso, segment)
    answer = error(lib, EXPIRED, frame, hops=2)
    assert answer is not None
    expected = aged(split(frame)[0], 2)
    assert answer[28 if family == 4 else 48 :] == expected[: (576 - 28) if family == 4 else (1280 - 48)]


@pytest.mark.parametrize("size", [0, 1, 300, 5000])
def test_a_partial_checksum_is_quoted_complete(lib: ctypes.CDLL, size: int) -> None:
    for packet, at in (
        (ip4() / udp(size), 28),
        (ip6() / udp(size), 48),
        (summing_to_zero(ip4() / udp(size + size % 2 + 2)), 28),
    ):
        frame = partial(packet)
        answer = error(lib, NO_PORT, frame)
        assert answer is not None
        assert answer[at:] == split(frame)[0][: (576 if at == 28 else 1280) - at]
        assert answer[at:] == bytes(packet)[: (576 if at == 28 else 1280) - at]


# ---- echo


def echo(lib: ctypes.CDLL, frame: bytes) -> bytes | None:
    given, answer = buffers(frame, len(frame))
    n = lib.answer_echo(given, len(frame), answer)
    assert given.raw == frame
    if n == 0:
        return None
    assert answer.raw[:VNET] == bytes(VNET)
    return answer.raw[VNET:n]


@pytest.mark.parametrize("size", [0, 1, 56, 1399, 9001, 65_507])
@pytest.mark.parametrize("make", [plain, partial])
def test_echo(lib: ctypes.CDLL, size: int, make: Any) -> None:
    s = scapy()
    data = random.Random(size).randbytes(size)
    answer = echo(lib, make(ip4(tos=0x20, flags="DF", id=0) / s.ICMP(id=7, seq=8) / s.Raw(data)))
    assert answer is not None
    read = load(answer)
    assert (read.src, read.dst, read.ttl, read.tos, int(read.flags)) == ("10.0.0.2", "10.0.0.1", 64, 0x20, 0)
    assert (read[s.ICMP].type, read[s.ICMP].code, read[s.ICMP].id, read[s.ICMP].seq) == (0, 0, 7, 8)
    assert read.id != 0  # it may be fragmented on the way
    assert answer[28:] == data
    assert rebuilt(read) == answer

    answer = echo(lib, make(ip6(tc=0x20) / s.ICMPv6EchoRequest(id=7, seq=8, data=data)))
    assert answer is not None
    read = load(answer)
    assert (read.src, read.dst, read.hlim, read.tc) == ("fd00::2", "fd00::1", 64, 0x20)
    reply = read[s.ICMPv6EchoReply]
    assert (reply.id, reply.seq, reply.data) == (7, 8, data)
    assert rebuilt(read) == answer


def test_echo_behind_options_and_headers(lib: ctypes.CDLL) -> None:
    s = scapy()
    answer = echo(lib, plain(ip4(options=[s.IPOption_RR(routers=["0.0.0.0"] * 3)]) / s.ICMP() / b"data"))
    assert answer is not None
    assert rebuilt(load(answer)) == answer
    assert answer[0] == 0x45
    request = s.ICMPv6EchoRequest(data=b"data")
    for between in (s.IPv6ExtHdrHopByHop(), s.IPv6ExtHdrDestOpt(), s.IPv6ExtHdrFragment(m=0, offset=0)):
        answer = echo(lib, plain(ip6() / between / request))
        assert answer is not None
        assert rebuilt(load(answer)) == answer
        assert load(answer).payload.type == 129


def test_no_echo(lib: ctypes.CDLL) -> None:
    s = scapy()
    request = s.ICMP() / b"data"
    for packet in (
        ip4() / s.ICMP(type=0),
        ip4() / s.ICMP(type=13),
        ip4() / s.ICMP(code=1),
        ip4() / udp(9),
        ip4(src="224.0.0.1") / request,
        ip4(dst="255.255.255.255") / request,
        ip4(dst="224.0.0.1") / request,
        ip4(flags="MF") / request,
        ip4(frag=1) / request,
        ip4() / s.ICMP(chksum=1) / b"data",
        ip6() / s.ICMPv6EchoReply(),
        ip6() / s.ICMPv6EchoRequest(cksum=1),
        ip6(nh=1) / bytes(request),
        ip6(dst="ff02::1") / s.ICMPv6EchoRequest(),
        ip6() / s.IPv6ExtHdrFragment(m=1) / s.ICMPv6EchoRequest(data=bytes(8)),
    ):
        assert echo(lib, plain(packet)) is None, packet.summary()
    sound = plain(ip4() / request)
    assert echo(lib, sound) is not None
    for n in range(len(sound)):
        assert echo(lib, sound[:n]) is None


# ---- fragments


def fragments(lib: ctypes.CDLL, frame: bytes, mtu: int) -> list[bytes]:
    given, out = buffers(frame, VNET + mtu)
    count = lib.fragment_count(given, len(frame), mtu)
    if count:
        lib.checksum_complete(given, len(frame))
    made = []
    for i in range(count):
        n = lib.fragment_make(given, len(frame), mtu, i, out)
        assert out.raw[:VNET] == bytes(VNET)
        made.append(out.raw[VNET:n])
    return made


def reassembled(pieces: list[bytes]) -> bytes:
    """By scapy, in any order but that the last stays: with it scapy takes them to be complete."""
    pieces = random.Random(1).sample(pieces[:-1], len(pieces) - 1) + pieces[-1:]
    whole, joined, missing = scapy().defrag([scapy().IP(piece) for piece in pieces])
    assert len(missing) == 0
    (packet,) = [*whole, *joined]
    del packet.chksum, packet.len
    return bytes(packet)


@pytest.mark.parametrize("make", [plain, partial])
@pytest.mark.parametrize("mtu", [68, 576, 577, 583, 584, 1280, 1400, 9000])
def test_fragments_reassemble(lib: ctypes.CDLL, mtu: int, make: Any) -> None:
    room, last_room = (mtu - 20) // 8 * 8, mtu - 20  # the last need not end at a multiple of 8
    two = room + last_room - 8
    for size in (mtu - 28, mtu - 27, mtu - 21, mtu - 20, two, two + 1, 5000, 65_507):
        packet = bytes(ip4() / udp(size, seed=size))
        made = fragments(lib, make(packet), mtu)
        if len(packet) <= mtu:
            assert made == [packet]
            continue
        assert len(made) > 1
        assert all(len(piece) <= mtu and sum16(piece[:20]) == 0xFFFF for piece in made)
        # no more of them than needed
        assert len(made) == 1 + -(-(len(packet) - 20 - last_room) // room)
        assert reassembled(made) == packet


def test_fragments_of_a_checksum_that_comes_out_as_zero(lib: ctypes.CDLL) -> None:
    packet = summing_to_zero(ip4() / udp(3000))
    assert reassembled(fragments(lib, partial(packet), 1400)) == bytes(packet)


def test_fragments_of_fragments(lib: ctypes.CDLL) -> None:
    packet = bytes(ip4() / udp(20_000))
    smaller = [
        piece for big in fragments(lib, plain(packet), 4000) for piece in fragments(lib, plain(big), 1300)
    ]
    smallest = [piece for big in smaller for piece in fragments(lib, plain(big), 600)]
    assert len(smallest) > len(smaller) > 15
    assert reassembled(smaller) == reassembled(smallest) == packet


def test_options_of_fragments(lib: ctypes.CDLL) -> None:
    """Source routes go into each fragment, records of the route only into the first."""
    s = scapy()
    options = [
        s.IPOption_RR(routers=["0.0.0.0"] * 2),
        s.IPOption_NOP(),
        s.IPOption_LSRR(routers=["10.1.1.1", "10.1.1.2"]),
        s.IPOption_Router_Alert(),
    ]
    packet = ip4(options=options) / udp(3000)
    made = [s.IP(piece) for piece in fragments(lib, plain(packet), 600)]
    names = [[type(option) for option in piece.options] for piece in made]
    assert s.IPOption_RR in names[0]
    assert s.IPOption_LSRR in names[0]
    for later in made[1:]:
        kept = [bytes(option) for option in later.options if not isinstance(option, s.IPOption_EOL)]
        assert kept == [bytes(options[2]), bytes(options[3])]
        assert later.ihl == (20 + 11 + 4 + 3) // 4
    data = b"".join(bytes(piece.payload) for piece in made)
    assert data == bytes(packet)[s.IP(bytes(packet)).ihl * 4 :]
    at = 0
    for piece in made:
        assert piece.frag * 8 == at
        assert sum16(bytes(piece)[: piece.ihl * 4]) == 0xFFFF
        at += len(piece.payload)


def test_what_is_not_fragmented(lib: ctypes.CDLL) -> None:
    for packet in (ip4(flags="DF") / udp(2000), ip6() / udp(2000)):
        assert fragments(lib, plain(packet), 1400) == []
    assert len(fragments(lib, plain(ip4(flags="DF") / udp(1000)), 1400)) == 1
    assert fragments(lib, plain(ip4() / udp(100)), 27) == []
    assert len(fragments(lib, plain(ip4() / udp(100)), 28)) == 14
    wrong = bytearray(plain(ip4() / udp(2000)))
    wrong[VNET : VNET + 1] = b"\x4f"
    wrong[VNET + 20 : VNET + 22] = b"\x07\x01"  # an option shorter than itself
    assert fragments(lib, bytes(wrong), 1400) == []


def test_fragments_of_a_super_packet_of_segments_too_large(lib: ctypes.CDLL) -> None:
    frame = partial(ip4() / udp(30_000), GSO_UDP_L4, 2000)
    shape, given = Shape(), ctypes.create_string_buffer(frame, len(frame))
    assert lib.wire_parse(given, len(frame), ctypes.byref(shape))
    assert shape.can_cut
    for i, expected in enumerate(split(frame)):
        n = lib.wire_cut_bytes(ctypes.byref(shape), i, 1)
        cut = ctypes.create_string_buffer(n)
        lib.wire_cut(given, ctypes.byref(shape), i, 1, cut)
        assert reassembled(fragments(lib, cut.raw, 1400)) == expected


# ---- merged datagrams


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


# ---- captures


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


# ---- the same, under sanitizers, and fuzzed


@pytest.mark.skipif(LIBRARY in os.environ, reason="this is the run under sanitizers")
def test_everything_under_sanitizers(tmp_path: Path) -> None:
    library = tmp_path / "messages.so"
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O1")
    build("cc", tmp_path / "trial", "address,undefined", trial_sources(tmp_path))
    compile_library(library, *flags)
    runtime = subprocess.run(
        ["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    )
    environment = os.environ | {
        LIBRARY: str(library),
        "LD_PRELOAD": runtime.stdout.strip(),
        "PYTHONMALLOC": "malloc",  # so that each buffer has an end that is watched
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "not netns",
            "-k",
            "not sanitizers and not fuzz",
            __file__,
        ],
        capture_output=True,
        text=True,
        env=environment,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def trial_sources(folder: Path) -> list[Path]:
    (folder / "trial.c").write_text("int main(void) { return 0; }\n")
    return [folder / "trial.c"]


def seeds() -> dict[str, bytes]:
    s = scapy()
    frames = {
        "udp4": plain(ip4() / udp(200)),
        "udp4-partial": partial(ip4(flags="DF") / udp(200)),
        "udp4-gso": partial(ip4() / udp(900), GSO_UDP_L4, 250),
        "udp6": plain(ip6() / udp(200)),
        "udp6-gso": partial(ip6() / udp(900), GSO_UDP_L4, 250),
        "tcp4-gso": partial(ip4() / s.TCP(flags="PA") / s.Raw(bytes(900)), GSO_TCPV4, 250),
        "tcp6-gso": partial(ip6() / s.TCP(flags="PA") / s.Raw(bytes(900)), GSO_TCPV6, 250),
        "echo4": plain(ip4() / s.ICMP() / b"data"),
        "echo6": plain(ip6() / s.IPv6ExtHdrDestOpt() / s.ICMPv6EchoRequest(data=b"data")),
        "options": plain(ip4(options=[s.IPOption_LSRR(routers=["10.1.1.1"]), s.IPOption_NOP()]) / udp(900)),
        "fragment": plain(ip4(frag=3, flags="MF") / s.Raw(bytes(800))),
        "fragment6": plain(ip6() / s.IPv6ExtHdrFragment(m=1, nh=17) / s.Raw(bytes(800))),
    }
    return {name: b"\x09\x20\x02\x03" + frame for name, frame in frames.items()}


def test_fuzz(tmp_path: Path) -> None:
    sources = [HERE / "fuzz" / "fuzz_messages.c", *MODULES]
    fuzzer = build("clang", tmp_path / "messages", "fuzzer,address,undefined", sources)
    (tmp_path / "corpus").mkdir()
    for name, data in seeds().items():
        (tmp_path / "corpus" / name).write_bytes(data)
    runs = 50_000
    done = subprocess.run(
        [
            fuzzer,
            "-seed=1",
            f"-runs={runs}",
            "-max_len=3000",
            "-len_control=0",
            "-print_final_stats=1",
            "corpus",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"stat::number_of_executed_units: {runs}" in done.stderr


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
