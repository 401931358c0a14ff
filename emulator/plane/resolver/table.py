"""The names of a mesh as one text, a line ``address name`` each, and the search in it.  Stdlib only.

A million nodes are 20 MB of text in memory that the processes share.  A search
goes through it from the top, where the nodes are that something runs in: 20 ms
at most for a million, a few microseconds where there are thousands.
"""

from __future__ import annotations

import mmap
import re
import socket

_LOCALHOST = b"\x7f\0\0\1"
# of no name: it could match across lines
_BLANK = re.compile(rb"[\0-\x20]")
#: of every node's IPv6 address; behind it stands the IPv4 address (see plane/addressing.py)
_IPV6_PREFIX = bytes.fromhex("fd6f6d00") + bytes(8)


def table_text(lines: str) -> bytes:
    """What ``Table`` searches, from the lines of a hosts file."""
    return b"\n" + lines.lower().encode() + b"\n"


class Table:
    """See messages.Directory."""

    def __init__(self, text: bytes | mmap.mmap) -> None:
        self._text = text

    def address_of(self, name: bytes) -> bytes | None:
        if name == b"localhost" or name.endswith(b".localhost"):
            return _LOCALHOST
        if not name or _BLANK.search(name):
            return None
        at = self._text.find(b" " + name + b"\n")
        if at < 0:
            return None
        return socket.inet_aton(self._text[self._text.rfind(b"\n", 0, at) + 1 : at].decode())

    def name_of(self, address: bytes) -> bytes | None:
        if address == _LOCALHOST:
            return b"localhost"
        if len(address) == 16:
            if not address.startswith(_IPV6_PREFIX):
                return None
            address = address[len(_IPV6_PREFIX) :]
        written = b"\n" + socket.inet_ntoa(address).encode() + b" "
        at = self._text.find(written)
        if at < 0:
            return None
        return self._text[at + len(written) : self._text.find(b"\n", at + 1)]
