"""What a class of customers demands: a bound on a latency, for a share of its requests.

Presets are the server limits of MLPerf Inference, all at p99; one's own are in the scenario.
"""

from __future__ import annotations

from dataclasses import dataclass

#: what can be demanded, and what it counts
METRICS = {
    "ttft": "from when the request was due to its first token",
    "tpot": "time per output token after the first, mean of an answer",
    "answer": "from when the request was due to its last token",
}


@dataclass(frozen=True)
class Target:
    """At least ``share`` of the requests within each bound that is given; an answer is good if within all."""

    ttft_ns: int | None = None
    tpot_ns: int | None = None
    answer_ns: int | None = None
    share: float = 0.99
    preset: str | None = None

    def __post_init__(self) -> None:
        if not self.bounds_ns:
            raise ValueError("a target bounds nothing: give it ttft, tpot or answer")
        for metric, bound_ns in self.bounds_ns.items():
            if bound_ns <= 0:
                raise ValueError(f"a target of {bound_ns} ns for {metric} is not above 0")
        if not 0 < self.share < 1:
            raise ValueError(f"a target for a share of {self.share} of the requests is not between 0 and 1")

    @property
    def bounds_ns(self) -> dict[str, int]:
        bounds = {"ttft": self.ttft_ns, "tpot": self.tpot_ns, "answer": self.answer_ns}
        return {metric: ns for metric, ns in bounds.items() if ns is not None}


def below_light(target: Target, round_trip_ns: int) -> dict[str, int]:
    """The bounds that light alone forbids, by how much: a first token cannot come before a round trip.

    ``round_trip_ns`` is the least that the geometry allows between gateway and server.
    """
    return {
        metric: round_trip_ns - bound_ns
        for metric, bound_ns in target.bounds_ns.items()
        if metric in ("ttft", "answer") and bound_ns < round_trip_ns
    }
