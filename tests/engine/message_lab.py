"""What the fabric makes of packets, as a small library: its modules, called with frames made here.

What they make is read by scapy, and by a splitter written from the standards,
which share no code with them.
"""

from __future__ import annotations

import ctypes
import functools
import random
import struct
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

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


def load_library(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
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


def ip4(**fields: Any) -> Any:
    return scapy().IP(**{"src": "10.0.0.1", "dst": "10.0.0.2", "ttl": 9, "id": 77} | fields)


def ip6(**fields: Any) -> Any:
    return scapy().IPv6(**{"src": "fd00::1", "dst": "fd00::2", "hlim": 9} | fields)


def udp(size: int, seed: int = 0) -> Any:
    return scapy().UDP(sport=1000, dport=2000) / scapy().Raw(random.Random(seed).randbytes(size))
