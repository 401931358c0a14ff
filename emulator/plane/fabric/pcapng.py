"""The head of a capture in pcapng (draft-ietf-opsawg-pcapng): what it is, in words, and its interface.

Packets follow by the engine, which writes into the same section.
"""

from __future__ import annotations

import struct
from importlib.metadata import version

_SECTION, _INTERFACE = 0x0A0D0D0A, 1
_BYTE_ORDER = 0x1A2B3C4D
_COMMENT, _APPLICATION, _NAME, _DESCRIPTION, _RESOLUTION = 1, 4, 2, 3, 9
_RAW_IP, _NANOSECONDS = 101, 9
_MOST_TEXT_BYTES = 1000


def head(name: str, description: str, comment: str) -> bytes:
    """A section with one interface: raw IP packets, stamped in ns since 1970; in the machine's byte order."""
    section = struct.pack("=IHHq", _BYTE_ORDER, 1, 0, -1) + _options(
        (_COMMENT, _text(comment)), (_APPLICATION, _text(f"orbitmesh {version('orbitmesh')}"))
    )
    interface = struct.pack("=HHI", _RAW_IP, 0, 0) + _options(
        (_COMMENT, _text(comment)),
        (_NAME, _text(name)),
        (_DESCRIPTION, _text(description)),
        (_RESOLUTION, bytes([_NANOSECONDS])),
    )
    return _block(_SECTION, section) + _block(_INTERFACE, interface)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("=I", 12 + len(body))
    return struct.pack("=I", kind) + size + body + size


def _options(*options: tuple[int, bytes]) -> bytes:
    told = b"".join(
        struct.pack("=HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options
    )
    return told + bytes(4)


def _text(words: str) -> bytes:
    return words.encode()[:_MOST_TEXT_BYTES].decode(errors="ignore").encode()
