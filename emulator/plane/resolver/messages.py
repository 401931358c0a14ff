"""DNS messages (RFC 1035, 6891): a question in, the bytes of its answer out.  Pure, standard library only.

A node is known by an IPv4 address and nothing else: a question after any other
kind of record of a node is answered with none, at once, and any other name
with "there is no such name".  Nothing in a question is believed.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Protocol

PORT = 53
#: a question that programs ask is shorter
MOST_BYTES = 512
TTL_S = 60

_HEAD = struct.Struct("!6H")
_RESPONSE, _AUTHORITATIVE, _WANTS_RECURSION, _HAS_RECURSION = 0x8000, 0x0400, 0x0100, 0x0080
_NOERROR, _FORMERR, _NXDOMAIN, _NOTIMP, _REFUSED = 0, 1, 3, 4, 5
_A, _PTR, _OPT, _ANY = 1, 12, 41, 255
_IN, _ANY_CLASS = 1, 255
_TO_QUESTION = 0xC000 | _HEAD.size  # a compressed name: the one that was asked for
_MOST_NAME_BYTES, _MOST_LABEL_BYTES = 255, 63
_EDNS = struct.pack("!xHHIH", _OPT, MOST_BYTES, 0, 0)


class Directory(Protocol):
    """Who is known; names in lower case, addresses as four or sixteen bytes."""

    def address_of(self, name: bytes) -> bytes | None: ...

    def name_of(self, address: bytes) -> bytes | None: ...


def answer(query: bytes, known: Directory) -> bytes | None:
    """What to send back; None for what is no question at all."""
    if len(query) < _HEAD.size:
        return None
    number, flags, n_questions, *_ = _HEAD.unpack_from(query)
    if flags & _RESPONSE:
        return None  # two servers would answer each other for ever
    if (flags >> 11) & 15:
        return _reply(number, flags, _NOTIMP)
    question = _read_question(query) if n_questions == 1 else None
    if question is None:
        return _reply(number, flags, _FORMERR)
    labels, kind, family, end = question
    asked = query[_HEAD.size : end]
    edns = _EDNS if _knows_edns(query, end) else b""
    if family not in (_IN, _ANY_CLASS):
        return _reply(number, flags, _REFUSED, asked, edns=edns)
    name = b".".join(labels).lower()
    address = known.address_of(name)
    if address is not None:
        records = [_record(_A, address)] if kind in (_A, _ANY) else []
        return _reply(number, flags, _NOERROR, asked, records, edns)
    pointed = _pointed_at(name)
    owner = None if pointed is None else known.name_of(pointed)
    if owner is not None:
        target = b"".join(bytes([len(label)]) + label for label in owner.split(b".")) + b"\0"
        records = [_record(_PTR, target)] if kind in (_PTR, _ANY) else []
        return _reply(number, flags, _NOERROR, asked, records, edns)
    return _reply(number, flags, _NXDOMAIN, asked, edns=edns)


def _read_question(query: bytes) -> tuple[list[bytes], int, int, int] | None:
    """Labels, type, class, and where the question ends; None where it is none."""
    labels, at = [], _HEAD.size
    while True:
        if at >= len(query):
            return None
        length = query[at]
        at += 1
        if length == 0:
            break
        # more than that is a pointer: nothing stands before the question that it could point at
        if length > _MOST_LABEL_BYTES or at + length > len(query):
            return None
        labels.append(query[at : at + length])
        at += length
        if at - _HEAD.size >= _MOST_NAME_BYTES:
            return None
    if at + 4 > len(query):
        return None
    kind, family = struct.unpack_from("!HH", query, at)
    return labels, kind, family, at + 4


def _knows_edns(query: bytes, at: int) -> bool:
    """Whether the record behind the question is the asker's offer to take longer answers."""
    return query[at : at + 3] == struct.pack("!xH", _OPT)


def _pointed_at(name: bytes) -> bytes | None:
    """The address, in network order, that a name of the reverse tree stands for."""
    try:
        if name.endswith(b".in-addr.arpa"):
            parts = name.removesuffix(b".in-addr.arpa").decode("ascii").split(".")
            return ipaddress.IPv4Address(".".join(parts[::-1])).packed
        if name.endswith(b".ip6.arpa"):
            digits = name.removesuffix(b".ip6.arpa").decode("ascii").split(".")
            if len(digits) == 32 and all(len(digit) == 1 for digit in digits):
                return bytes.fromhex("".join(digits[::-1]))
    except ValueError:  # not of that form, or no ASCII
        return None
    return None


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("!HHHIH", _TO_QUESTION, kind, _IN, TTL_S, len(data)) + data


def _reply(
    number: int,
    flags: int,
    code: int,
    asked: bytes = b"",
    records: list[bytes] | None = None,
    edns: bytes = b"",
) -> bytes:
    said = _RESPONSE | _AUTHORITATIVE | _HAS_RECURSION | flags & (0x7800 | _WANTS_RECURSION) | code
    records = records or []
    head = _HEAD.pack(number, said, bool(asked), len(records), 0, bool(edns))
    return head + asked + b"".join(records) + edns
