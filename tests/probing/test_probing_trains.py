"""What a train tells, against links worked out by hand."""

from __future__ import annotations

import random

import pytest

from orbitmesh.emulator.probing.trains import Packet, Train, bottleneck, has_overflowed

MS = 1_000_000
SIZE = 1400


def over_a_link(
    n: int,
    gap_ns: int,
    *,
    rate_bps: float,
    delay_ns: int = 30 * MS,
    queue_bytes: float = 1e12,
    loss: float = 0,
) -> Train:
    """A train over one link: a queue that drops at its tail, then loss at random."""
    rng, free_ns, packets = random.Random(7), 0.0, list[Packet]()
    for number in range(n):
        sent_ns = number * gap_ns
        waiting_bytes = max(0.0, free_ns - sent_ns) * rate_bps / 8e9
        if waiting_bytes + SIZE > queue_bytes:
            continue
        free_ns = max(free_ns, sent_ns) + SIZE * 8e9 / rate_bps
        if rng.random() >= loss:
            packets.append((number, sent_ns, round(free_ns + 30 * MS)))
    return Train(n, SIZE, tuple(packets))


def test_delays_jitter_loss_and_order_by_hand() -> None:
    train = Train(6, 84, ((0, 0, 100), (1, 10, 115), (3, 30, 129), (2, 20, 140), (4, 40, 140)))
    assert train.delays_ns == [100, 105, 99, 120, 100]
    assert (train.lost, train.reordered) == (1, 1)
    assert train.jitter_ns == (5 + 15 + 21 + 1) / 4
    assert Train(3, 84, ()).jitter_ns is None


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
def test_the_rate_is_the_links_whatever_is_lost(loss: float) -> None:
    train = over_a_link(40, 20_000, rate_bps=12e6, loss=loss)
    assert train.rate_bps == pytest.approx(12e6, rel=1e-3)
    found = bottleneck([train])
    assert found is not None
    assert not found.is_bound


def test_a_sender_that_is_no_faster_gives_a_bound() -> None:
    found = bottleneck([over_a_link(40, 100_000, rate_bps=1e9)])
    assert found is not None
    assert found.is_bound
    assert bottleneck([Train(4, 84, ())]) is None


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_the_queue_is_what_the_longest_wait_says_once_it_overflows(loss: float) -> None:
    small = over_a_link(40, 20_000, rate_bps=12e6, queue_bytes=150_000, loss=loss)
    assert not has_overflowed(small, loss)
    full = over_a_link(320, 20_000, rate_bps=12e6, queue_bytes=150_000, loss=loss)
    assert has_overflowed(full, loss)
    assert full.waited_bytes(min(small.delays_ns), 12e6) == pytest.approx(150_000, abs=3 * SIZE)


def test_loss_at_random_is_no_overflow() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        packets = tuple((i, i, i + 5) for i in range(400) if rng.random() >= 0.1)
        assert not has_overflowed(Train(400, SIZE, packets), 0.1)
