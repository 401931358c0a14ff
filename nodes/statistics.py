"""What a node has measured, per peer and kind: counts since it started, quantiles over the latest."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orbitmesh.wire.spec import Sample

LATEST = 1_000


@dataclass(frozen=True)
class Summary:
    """Durations of what was answered, 0 where nothing was; ``task`` is empty unless ``kind`` is "task"."""

    peer: str
    kind: str
    task: str
    count: int
    lost: int
    min_ns: int
    max_ns: int
    p50_ns: int
    p90_ns: int
    p99_ns: int
    last_ns: int
    last_mono_ns: int


class Stream:
    """Durations of one peer and kind."""

    def __init__(self) -> None:
        self.count = self.lost = 0
        self.min_ns = self.max_ns = self.last_ns = self.last_mono_ns = 0
        self._latest_ns = array("q")  # grows to LATEST, then the oldest is overwritten

    def add(self, measured_ns: int, done_mono_ns: int) -> None:
        self.min_ns = min(self.min_ns, measured_ns) if self.count else measured_ns
        self.max_ns = max(self.max_ns, measured_ns)
        if self.count < LATEST:
            self._latest_ns.append(measured_ns)
        else:
            self._latest_ns[self.count % LATEST] = measured_ns
        self.count += 1
        self.last_ns, self.last_mono_ns = measured_ns, done_mono_ns

    def quantiles_ns(self, *q: float) -> tuple[int, ...]:
        """Of the latest; each was measured: the least with at least that share of them at or below."""
        if not self.count:
            return (0,) * len(q)
        return tuple(
            int(value)
            for value in np.quantile(np.frombuffer(self._latest_ns, np.int64), q, method="inverted_cdf")
        )


class Statistics:
    def __init__(self) -> None:
        self._streams: dict[tuple[str, str, str], Stream] = {}

    def add(self, sample: Sample) -> None:
        stream = self._streams.setdefault((sample.dst, sample.kind, sample.task), Stream())
        if sample.ok:
            stream.add(sample.measured_ns, sample.done_mono_ns)
        else:
            stream.lost += 1

    def summaries(self, peer: str = "") -> Iterator[Summary]:
        """By peer, kind and task; of one peer where it is named."""
        for (name, kind, task), stream in sorted(self._streams.items()):
            if peer in ("", name):
                p50_ns, p90_ns, p99_ns = stream.quantiles_ns(0.5, 0.9, 0.99)
                yield Summary(
                    name, kind, task, stream.count, stream.lost, stream.min_ns, stream.max_ns,
                    p50_ns, p90_ns, p99_ns, stream.last_ns, stream.last_mono_ns,
                )  # fmt: skip
