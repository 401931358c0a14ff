"""Messages decoded by pyroute2, and once more by the read-back, which shares nothing with the encoder."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink import nla
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.tcmsg import tcmsg
from pyroute2.netlink.rtnl.tcmsg.sched_netem import options

from orbitmesh.emulator.plane.netem import messages, readback, translate

NLM_F_REQUEST, NLM_F_ACK, NLM_F_ECHO = 0x1, 0x4, 0x8
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
TC_H_ROOT = 0xFFFFFFFF
TBIT_BYTES = 10**12 // 8


class Options(nla):  # type: ignore[misc]
    """pyroute2's, which ends at the rate of 32 bits, with what linux/pkt_sched.h goes on to."""

    fields = options.fields
    netem_corr, netem_reorder = options.netem_corr, options.netem_reorder
    netem_corrupt, netem_rate = options.netem_corrupt, options.netem_rate
    nla_map = (
        *options.nla_map,
        ("TCA_NETEM_ECN", "none"),
        ("TCA_NETEM_RATE64", "uint64"),
        ("TCA_NETEM_PAD", "none"),
        ("TCA_NETEM_LATENCY64", "int64"),
        ("TCA_NETEM_JITTER64", "int64"),
    )


def _decode(data: bytes) -> tcmsg:
    message = tcmsg(data)
    message.decode()
    return message


def _options(data: bytes) -> Options:
    """Of a request that has them after a kind of 12 bytes."""
    found = Options(data[48:])
    found.decode()
    return found


def _netem(
    ifindex: int,
    latency_ns: int,
    rate: int,
    limit: int,
    loss: int,
    *,
    new: bool = False,
) -> bytes:
    return messages.netem_messages(
        np.array([ifindex], np.int32),
        np.array([latency_ns], np.int64),
        np.array([rate], np.uint64),
        np.array([limit], np.uint32),
        np.array([loss], np.uint32),
        new=new,
    ).tobytes()


@given(
    st.integers(1, 2**31 - 1),
    st.integers(0, 10**12),
    st.integers(1, 100 * TBIT_BYTES),
    st.integers(1, 2**31 - 1),
    st.integers(0, 2**32 - 1),
)
def test_a_change_is_in_place_and_says_all(
    ifindex: int, latency_ns: int, rate: int, limit: int, loss: int
) -> None:
    data = _netem(ifindex, latency_ns, rate, limit, loss)
    found = _decode(data)
    assert found["header"]["type"] == 36  # RTM_NEWQDISC
    # with CREATE the kernel might make another qdisc where ours is gone
    assert found["header"]["flags"] == NLM_F_REQUEST | NLM_F_REPLACE
    assert found["header"]["length"] == len(data)
    assert (found["index"], found["handle"], found["parent"]) == (ifindex, 0x10000, TC_H_ROOT)
    assert found.get_attr("TCA_KIND") == "netem"
    short = found.get_attr("TCA_OPTIONS")
    assert short["limit"] == limit
    assert short["loss"] == loss
    assert (short["gap"], short["duplicate"], short["jitter"]) == (0, 0, 0)
    assert short["delay"] == min(latency_ns // 64, 2**32 - 1)
    long = _options(data)
    assert long.get_attr("TCA_NETEM_LATENCY64") == latency_ns
    assert long.get_attr("TCA_NETEM_JITTER64") == 0
    assert long.get_attr("TCA_NETEM_RATE64") == rate
    assert long.get_attr("TCA_NETEM_RATE") == {
        "rate": min(rate, 2**32 - 1),
        "packet_overhead": -14,
        "cell_size": 0,
        "cell_overhead": 0,
    }

    (again,) = readback.qdiscs([data])
    assert (again.ifindex, again.handle, again.kind) == (ifindex, 0x10000, "netem")
    assert (again.latency_ns, again.jitter_ns, again.rate_bytes_per_s) == (latency_ns, 0, rate)
    assert (again.limit_packets, again.loss) == (limit, loss)


def test_many_changes_are_one_run_of_bytes() -> None:
    n = np.arange(1, 6)
    small = n.astype(np.uint32)
    data = messages.netem_messages(n.astype(np.int32), n * 1000, n.astype(np.uint64), small, small).tobytes()
    for row in range(5):
        found = _decode(data[row * 132 : (row + 1) * 132])
        assert (found["index"], found["header"]["sequence_number"]) == (row + 1, row)
    assert len(data) == 5 * 132


def test_a_first_netem_is_made() -> None:
    found = _decode(_netem(3, 0, 1, 1, 0, new=True))
    assert found["header"]["flags"] == NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE
    assert found["handle"] == 0x10000


def test_a_queue_of_another_length_changes_nothing_else() -> None:
    data = messages.queue_messages(np.array([12, 13], np.int32), np.array([1000, 1001], np.uint32)).tobytes()
    for row, length in ((0, 1000), (1, 1001)):
        found = ifinfmsg(data[row * 40 : (row + 1) * 40])
        found.decode()
        assert (found["header"]["type"], found["header"]["flags"]) == (16, NLM_F_REQUEST)
        assert (found["index"], found["flags"], found["change"]) == (12 + row, 0, 0)
        assert [tuple(one) for one in found["attrs"]] == [("IFLA_TXQLEN", length)]
    assert len(data) == 80


def test_a_question_asks_for_its_answer() -> None:
    found = _decode(messages.qdisc_questions(np.array([9], np.int32)).tobytes())
    assert found["header"]["type"] == 38  # RTM_GETQDISC
    assert found["header"]["flags"] == NLM_F_REQUEST | NLM_F_ECHO
    assert (found["index"], found["parent"]) == (9, TC_H_ROOT)
    dump = _decode(messages.qdisc_dump())
    assert (dump["header"]["type"], dump["header"]["flags"], dump["index"]) == (38, NLM_F_REQUEST | 0x300, 0)


@pytest.mark.parametrize(
    ("build", "kind", "flags"),
    [(messages.up_messages, 16, 1), (messages.removal_messages, 17, 0), (messages.device_questions, 18, 0)],
)
def test_requests_about_a_device(build, kind: int, flags: int) -> None:  # type: ignore[no-untyped-def]
    found = ifinfmsg(build(np.array([12], np.int32)).tobytes())
    found.decode()
    assert found["header"]["type"] == kind
    assert found["header"]["flags"] == NLM_F_REQUEST
    assert (found["index"], found["flags"], found["change"]) == (12, flags, flags)


def test_a_veth_pair_has_one_address_and_resolves_none() -> None:
    found = ifinfmsg(
        messages.veth_pair(
            3, "isl0", 9, "gsl11", messages.mac_address(0x01020304), 1000, mtu_bytes=9000, acknowledge=True
        )
    )
    found.decode()
    assert found["header"]["flags"] == NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL
    assert found["header"]["sequence_number"] == 3
    peer = found.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA").get_attr("VETH_INFO_PEER")
    assert found.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_KIND") == "veth"
    for end, name in ((found, "isl0"), (peer, "gsl11")):
        assert end.get_attr("IFLA_IFNAME") == name
        assert end.get_attr("IFLA_ADDRESS") == "02:6f:01:02:03:04"
        assert end.get_attr("IFLA_TXQLEN") == 1000
        assert end.get_attr("IFLA_MTU") == 9000
        assert end.get_attr("IFLA_GSO_MAX_SEGS") == 1
        assert (end["flags"], end["change"]) == (0x80, 0x80)  # IFF_NOARP
    assert found.get_attr("IFLA_NET_NS_FD") is None
    assert peer.get_attr("IFLA_NET_NS_FD") == 9


def test_the_readback_reads_what_an_older_kernel_says() -> None:
    """Without the attributes of 64 bits: ticks of 64 ns, and a rate that fits."""
    options_ = struct.pack("=6I", 46_875, 81, 5, 0, 0, 0) + struct.pack("=HHIiIi", 20, 6, 6_250_000, 0, 0, 0)
    body = struct.pack("=BxxxiIII", 0, 7, 0x10000, TC_H_ROOT, 2)
    body += struct.pack("=HH8s", 10, 1, b"netem") + struct.pack("=HH", 4 + len(options_), 2) + options_
    stats = struct.pack("=HHQI", 16, 1, 15_140, 10) + struct.pack("=HH5I", 24, 3, 4, 6_056, 3, 0, 0)
    body += struct.pack("=HH", 4 + len(stats), 7) + stats
    (found,) = readback.qdiscs([struct.pack("=IHHII", 16 + len(body), 36, 0, 0, 0) + body])
    assert found == readback.Qdisc(
        7, 0x10000, "netem", 3_000_000, 0, 81, 5, 6_250_000, 10, 15_140, 3, 4, 6_056
    )


def test_other_messages_and_other_qdiscs_are_no_root() -> None:
    child = bytearray(_netem(3, 0, 1, 1, 0))
    child[28:32] = struct.pack("=I", 0x10001)
    assert (
        list(readback.qdiscs([bytes(child), messages.up_messages(np.array([1], np.int32)).tobytes()])) == []
    )


def test_a_rate_is_bits_a_second_and_netems_is_bytes() -> None:
    rate = np.array([8_000_000_000, 400_000_000_000, 0, 1, 12_345], np.int64)
    assert translate.bytes_per_s(rate).tolist() == [
        10**9,
        50 * 10**9,
        messages.UNLIMITED_BYTES_PER_S,
        1,
        1543,
    ]


def test_the_limit_holds_the_queue_and_what_is_in_flight() -> None:
    rate = np.array([12_000_000, 12_000_000, 0, 12_000_000], np.int64)
    queue = np.array([15_000, 15_000, 15_000, 0], np.int64)
    latency = np.array([0, 100_000_000, 0, 0], np.int64)
    # 12 Mbit/s are 1,000 packets a second: 100 in flight in 100 ms; and one that is being sent
    unbounded = translate.UNBOUNDED_PACKETS
    assert translate.limit_packets(rate, queue, latency, np.full(4, 1_500)).tolist() == [
        11, 111, unbounded, unbounded
    ]  # fmt: skip
    # a sixth of them where each may be six times as long: as many bytes
    jumbo = translate.limit_packets(rate[:2], 6 * queue[:2], 6 * latency[:2], np.full(2, 9_000))
    assert jumbo.tolist() == [11, 111]


@given(st.floats(0, 1e9), st.floats(-1e6, 1e6), st.integers(0, 10**10), st.floats(0, 1))
def test_a_stepped_delay_is_never_early_and_late_by_no_more_than_stated(
    delay_ns: float, slope_ns_per_s: float, since_ns: int, within: float
) -> None:
    step_ns = 100_000_000
    (set_ns,) = translate.longest_until_next_step_ns(
        np.array([delay_ns]), np.array([slope_ns_per_s]), np.array([since_ns]), step_ns
    )
    true_ns = max(0.0, delay_ns + slope_ns_per_s * (since_ns + within * step_ns) / 1e9)
    assert set_ns % translate.DELAY_QUANTUM_NS == 0
    error_ns = set_ns - true_ns
    assert error_ns >= -0.01
    assert error_ns <= abs(slope_ns_per_s) * step_ns / 1e9 + translate.DELAY_QUANTUM_NS


def test_a_delay_in_whole_microseconds_is_kept() -> None:
    flat = np.zeros(3)
    set_ns = translate.longest_until_next_step_ns(
        np.array([0, 3e6, 3e6 + 1]), flat, flat.astype(np.int64), 10**8
    )
    assert set_ns.tolist() == [0, 3_000_000, 3_001_000]
