"""Where the fuzzers start: frames of each kind, sound or cut short, and seeded random bytes."""

from __future__ import annotations

import random
import struct
from pathlib import Path

_NEEDS_CSUM, _TCPV4, _TCPV6, _UDP_L4, _ECN = 1, 1, 4, 5, 0x80
_PAYLOAD = bytes(range(250))


def _vnet(
    gso: int, header: int, segment: int, transport: int, checksum: int, *, flags: int = _NEEDS_CSUM
) -> bytes:
    return struct.pack("=BBHHHH", flags, gso, header, segment, transport, checksum)


def _ipv4(protocol: int, payload: bytes) -> bytes:
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0x4000, 64, protocol, 0)
    return header + bytes([10, 0, 0, 1, 10, 0, 0, 2]) + payload


def _ipv6(next_header: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), next_header, 64) + bytes(31) + b"\1" + payload


def _tcp(payload: bytes, flags: int = 0x19) -> bytes:
    return struct.pack("!HHIIBBHHH", 1, 2, 1000, 2000, 0x50, flags, 100, 0, 0) + payload


def _udp(payload: bytes) -> bytes:
    return struct.pack("!HHHH", 1, 2, 8 + len(payload), 0) + payload


_OPTIONS = b"\x06\0\1\4\0\0\0\0"  # a destination options header before TCP

FRAMES = {
    "plain": _vnet(0, 0, 0, 0, 0, flags=0) + _ipv4(17, _udp(b"")),
    "tcp4": _vnet(_TCPV4, 40, 100, 20, 16) + _ipv4(6, _tcp(_PAYLOAD)),
    "tcp4-ecn": _vnet(_TCPV4 | _ECN, 40, 100, 20, 16) + _ipv4(6, _tcp(_PAYLOAD, 0x99)),
    "tcp4-summed": _vnet(_TCPV4, 40, 100, 0, 0, flags=0) + _ipv4(6, _tcp(_PAYLOAD)),
    "tcp4-short": _vnet(_TCPV4, 40, 100, 20, 16) + _ipv4(6, _tcp(b"")[:10]),
    "tcp6": _vnet(_TCPV6, 60, 100, 40, 16) + _ipv6(6, _tcp(_PAYLOAD)),
    "tcp6-options": _vnet(_TCPV6, 68, 100, 48, 16) + _ipv6(60, _OPTIONS + _tcp(_PAYLOAD)),
    "tcp6-options-short": _vnet(_TCPV6, 68, 100, 48, 16) + _ipv6(60, b"\x06\xff\1\4\0\0\0\0"),
    "udp4": _vnet(_UDP_L4, 28, 100, 20, 6) + _ipv4(17, _udp(_PAYLOAD)),
    "udp6": _vnet(_UDP_L4, 48, 100, 40, 6) + _ipv6(17, _udp(_PAYLOAD)),
}


def write(folder: Path, target: str) -> None:
    folder.mkdir()
    if target == "wire":
        for name, frame in FRAMES.items():
            (folder / name).write_bytes(b"\x02" + frame)
    else:
        source = random.Random(1)
        for i in range(64):
            (folder / str(i)).write_bytes(source.randbytes(source.choice([100, 400, 1500, 4000])))
