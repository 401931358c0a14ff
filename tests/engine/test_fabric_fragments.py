"""Packets taken apart for a link, put together again by others."""

from __future__ import annotations

import ctypes
import random
from typing import Any

import pytest
from message_lab import (
    GSO_UDP_L4,
    VNET,
    Shape,
    buffers,
    ip4,
    ip6,
    partial,
    plain,
    scapy,
    split,
    sum16,
    summing_to_zero,
    udp,
)


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
