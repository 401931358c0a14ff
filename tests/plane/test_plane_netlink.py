"""Messages decoded by pyroute2, whose authors read the same kernel headers as we did."""

from __future__ import annotations

import errno
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from orbitmesh.emulator.plane import addressing
from orbitmesh.emulator.plane.kernel import netlink

NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE = 0x1, 0x4, 0x100, 0x400


def _decode(messages: netlink.Messages, row: int) -> rtmsg:
    data = messages.tobytes()[row * netlink.ROUTE.itemsize : (row + 1) * netlink.ROUTE.itemsize]
    message = rtmsg(data)
    message.decode()
    return message


@given(
    st.lists(
        st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 2**31 - 1), st.integers(1, 2**32 - 1)),
        min_size=1,
        max_size=5,
    )
)
def test_a_route_says_what_was_meant(rows: list[tuple[int, int, int]]) -> None:
    destination, ifindex, source = (np.array(column) for column in zip(*rows, strict=True))
    messages = netlink.route_messages(
        destination.astype(np.uint32), ifindex.astype(np.int32), source.astype(np.uint32)
    )
    for row, (to, out, own) in enumerate(rows):
        found = _decode(messages, row)
        assert found["header"]["type"] == 24  # RTM_NEWROUTE
        assert found["header"]["flags"] == NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE
        assert found["header"]["sequence_number"] == row
        assert found["header"]["length"] == netlink.ROUTE.itemsize
        assert (found["dst_len"], found["src_len"], found["tos"]) == (32, 0, 0)
        assert (found["table"], found["proto"], found["scope"], found["type"]) == (254, 0x6F, 253, 1)
        assert dict(found["attrs"]) == {
            "RTA_DST": addressing.dotted(to),
            "RTA_OIF": out,
            "RTA_PREFSRC": addressing.dotted(own),
        }


def test_a_withdrawal_matches_whatever_interface_the_route_uses() -> None:
    found = _decode(
        netlink.route_messages(
            np.array([0x0A000001], np.uint32), np.array([0], np.int32), np.array([7], np.uint32)
        ),
        0,
    )
    assert found["header"]["type"] == 25  # RTM_DELROUTE
    assert found["header"]["flags"] == NLM_F_REQUEST
    assert (found["scope"], found["proto"]) == (255, 0x6F)
    assert dict(found["attrs"]) == {"RTA_DST": "10.0.0.1", "RTA_OIF": 0, "RTA_PREFSRC": "0.0.0.0"}


def test_only_the_rows_named_ask_for_an_answer() -> None:
    messages = netlink.route_messages(np.zeros(5, np.uint32), np.ones(5, np.int32), np.zeros(5, np.uint32))
    netlink.ask_acknowledgement(messages, np.array([1, 4]))
    assert [bool(flags & NLM_F_ACK) for flags in messages["nl_flags"]] == [False, True, False, False, True]


def test_loopback_comes_up_with_the_address() -> None:
    data = netlink.loopback_up(0x0A000308)
    (length,) = struct.unpack_from("=I", data)
    link, address = ifinfmsg(data[:length]), ifaddrmsg(data[length:])
    link.decode()
    address.decode()
    assert (link["header"]["type"], link["index"], link["flags"], link["change"]) == (16, 1, 1, 1)
    assert (address["header"]["type"], address["index"], address["prefixlen"]) == (20, 1, 32)
    assert dict(address["attrs"]) == {"IFA_LOCAL": "10.0.3.8", "IFA_ADDRESS": "10.0.3.8"}
    assert not link["header"]["flags"] & NLM_F_ACK
    assert address["header"]["flags"] & NLM_F_ACK


def _answer(seq: int, number: int) -> bytes:
    return struct.pack("=IHHIIiIHHII", 36, 2, 0, seq, 0, -number, 52, 24, 0, seq, 0)


def test_answers_are_read_until_the_last_request() -> None:
    refused: list[netlink.Refused] = []
    assert not netlink._read_answers(_answer(3, errno.ENETDOWN) + _answer(5, errno.ESRCH), 9, refused.append)
    assert netlink._read_answers(_answer(9, 0), 9, refused.append)
    assert [(r.seq, r.errno) for r in refused] == [(3, errno.ENETDOWN), (5, errno.ESRCH)]
    assert str(refused[0]) == "Network is down (ENETDOWN)"


@pytest.mark.parametrize(
    "junk", [b"", b"\0" * 15, b"\0" * 64, struct.pack("=IHHII", 1 << 31, 2, 0, 0, 0) + bytes(4)]
)
def test_junk_neither_ends_the_batch_nor_loops(junk: bytes) -> None:
    assert not netlink._read_answers(junk, 1, lambda _: pytest.fail("nothing was refused"))
