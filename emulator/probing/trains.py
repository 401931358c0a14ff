"""What a train of packets tells: figures from when each was sent and arrived.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

Packet = tuple[int, int, int]  # number, sent and arrived, unix ns


@dataclass(frozen=True)
class Train:
    """``packets`` in the order in which they arrived, ``sent`` of them all; each ``size_bytes`` of IP."""

    sent: int
    size_bytes: int
    packets: tuple[Packet, ...]

    @property
    def lost(self) -> int:
        return self.sent - len({number for number, _, _ in self.packets})

    @property
    def delays_ns(self) -> list[int]:
        return [arrived - sent for _, sent, arrived in self.packets]

    @property
    def reordered(self) -> int:
        """Arrived behind one that was sent later (RFC 4737)."""
        found, most = 0, -1
        for number, _, _ in self.packets:
            found += number < most
            most = max(most, number)
        return found

    @property
    def jitter_ns(self) -> float | None:
        """The mean difference between the delays of packets in a row."""
        by_number = sorted(self.packets)
        steps = [abs((b[2] - b[1]) - (a[2] - a[1])) for a, b in pairwise(by_number) if b[0] == a[0] + 1]
        return sum(steps) / len(steps) if steps else None

    @property
    def rate_bps(self) -> float | None:
        """By which it was spread: of packets in a row that both arrived, so that no loss makes it slower."""
        gaps_ns = [b[2] - a[2] for a, b in pairwise(self.packets) if b[0] == a[0] + 1]
        return len(gaps_ns) * self.size_bytes * 8e9 / sum(gaps_ns) if sum(gaps_ns) > 0 else None

    @property
    def sent_bps(self) -> float | None:
        """By which it was sent."""
        by_number = sorted(self.packets)
        if len(by_number) < 2 or by_number[-1][1] <= by_number[0][1]:
            return None
        n = by_number[-1][0] - by_number[0][0]
        return n * self.size_bytes * 8e9 / (by_number[-1][1] - by_number[0][1])

    def waited_bytes(self, least_delay_ns: int, rate_bps: float) -> int:
        """The most that stood before a packet, by how much longer than the least it took."""
        return round((max(self.delays_ns) - least_delay_ns) * rate_bps / 8e9)


@dataclass(frozen=True)
class Bottleneck:
    """``is_bound``: the sender was no faster, so the rate is at least that."""

    rate_bps: float
    is_bound: bool


def bottleneck(trains: Sequence[Train]) -> Bottleneck | None:
    """The median of trains sent as fast as can be; None where too few packets arrived."""
    rates = [rate for train in trains if (rate := train.rate_bps) is not None]
    sent = [rate for train in trains if (rate := train.sent_bps) is not None]
    if not rates or not sent:
        return None
    rate_bps = median(rates)
    return Bottleneck(rate_bps, median(sent) < 1.25 * rate_bps)


def has_overflowed(train: Train, loss_ratio: float) -> bool:
    """More is lost than links lose at random: by five standard deviations, and three packets."""
    expected = train.sent * loss_ratio
    spread = (train.sent * loss_ratio * (1 - loss_ratio)) ** 0.5
    return bool(train.lost > expected + 5 * spread + 3)
