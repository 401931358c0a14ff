"""DNS messages written and read by the tests' own hand: what the resolver is held against."""

from __future__ import annotations

import struct
from typing import NamedTuple

A, PTR, TXT, AAAA = 1, 12, 16, 28
_CODES = {0: "NOERROR", 1: "FORMERR", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


class Reply(NamedTuple):
    number: int
    code: str
    name: str
    records: list[bytes]


def question(
    name: str, kind: int, *, number: int = 7, family: int = 1, flags: int = 0x100, edns: bool = False
) -> bytes:
    """As a stub resolver asks it."""
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    head = struct.pack("!6H", number, flags, 1, 0, 0, edns)
    return (
        head
        + wire
        + struct.pack("!HH", kind, family)
        + (struct.pack("!xHHIH", 41, 1232, 0, 0) if edns else b"")
    )


def read_reply(data: bytes) -> Reply:
    """AssertionError for what is no answer."""
    number, flags, n_questions, n_answers, n_authorities, n_more = struct.unpack_from("!6H", data)
    assert flags & 0x8000, "no answer"
    assert flags & 0x0080, "Go takes an answer without recursion for a lame one"
    at, labels = 12, []
    if n_questions:
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]])
            at += 1 + data[at]
        at += 5
    records = []
    for _ in range(n_answers):
        pointer, _kind, _family, _ttl_s, length = struct.unpack_from("!HHHIH", data, at)
        assert pointer == 0xC00C
        records.append(data[at + 12 : at + 12 + length])
        assert len(records[-1]) == length
        at += 12 + length
    assert (n_authorities, at + 11 * n_more) == (0, len(data))
    return Reply(number, _CODES[flags & 15], b".".join(labels).decode(errors="replace"), records)
