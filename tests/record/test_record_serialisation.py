from __future__ import annotations

import numpy as np
import pytest

from orbitmesh.emulator.record.serialisation import packets_bytes, serialisation_ns


def test_a_datagram_is_sent_in_full_at_every_hop() -> None:
    # 48 + 28 bytes = 608 bits at 1 Mbit/s and at 2 Mbit/s
    first, total = packets_bytes("udp", 48)
    assert (first, total) == (76, 76)
    rates = np.array([1_000_000, 2_000_000], np.int64)
    assert serialisation_ns(first, total, rates) == pytest.approx(608_000 + 304_000)


def test_a_long_message_follows_at_the_pace_of_the_narrowest_link() -> None:
    first, total = packets_bytes("grpc", 10 * 1448)
    assert (first, total) == (1500, 15_000)
    rates = np.array([8_000_000, 80_000_000], np.int64)  # 1 us and 0.1 us a byte
    assert serialisation_ns(first, total, rates) == pytest.approx(1_500_000 + 150_000 + 13_500_000)


def test_the_last_segment_is_charged_its_own_header() -> None:
    assert packets_bytes("task", 1449) == (1500, 1449 + 2 * 52)
    assert packets_bytes("task", 0) == (52, 52)


def test_an_unlimited_link_costs_no_time() -> None:
    assert serialisation_ns(76, 76, np.array([0, 0], np.int64)) == 0
    assert serialisation_ns(100, 100, np.array([0, 8_000_000], np.int64)) == pytest.approx(100_000)
