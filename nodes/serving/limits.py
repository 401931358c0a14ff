"""What a batcher takes, and how it refuses what it does not."""

from __future__ import annotations

from dataclasses import dataclass


class Refused(Exception):
    """A request that is not taken."""


class NeverFits(Refused):
    """Its context is longer than the whole KV cache."""


class QueueFull(Refused):
    def __init__(self, waiting: int, retry_ns: int) -> None:
        super().__init__(f"{waiting} requests wait already: try again in {retry_ns / 1e9:.1f} s")
        self.retry_ns = retry_ns


@dataclass(frozen=True)
class Limits:
    """``blocks``: of KV cache, of 16 tokens each."""

    blocks: int
    step_tokens: int = 2048
    requests: int = 128
    waiting: int = 100_000
    prefix_caching: bool = True  # vLLM's default
    promise_answers: bool = False  # begin only what surely ends without preemption
    before_queue_ns: int = 0  # what a request takes before it can be scheduled

    def __post_init__(self) -> None:
        for name in ("blocks", "step_tokens", "requests", "waiting"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be above 0")
        if self.step_tokens < self.requests:
            raise ValueError(
                f"{self.step_tokens} tokens a step do not give each of {self.requests} requests one: "
                "raise the tokens, or lower the requests"
            )
