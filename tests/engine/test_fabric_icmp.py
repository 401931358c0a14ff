"""What a node says to packets that go no further, and its answers to echo requests."""

from __future__ import annotations

import ctypes
import ipaddress
import random
import struct
from typing import Any

import pytest
from message_lab import (
    EXPIRED,
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_UDP_L4,
    NO_HOST,
    NO_NET,
    NO_PORT,
    NO_PROTOCOL,
    ROUTER4,
    ROUTER6,
    TOO_BIG,
    VNET,
    aged,
    buffers,
    ip4,
    ip6,
    load,
    partial,
    plain,
    pseudo_sum,
    rebuilt,
    scapy,
    split,
    sum16,
    summing_to_zero,
    udp,
)


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
