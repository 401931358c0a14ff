"""Who asks for answers, and how much: what a gateway's process is told of a class of customers.

The satellites that serve a class are told the same: what is asked for is a function of this and of a seed
alone (``nodes/load/arrivals.py``), so they need not be sent the requests that have no packets of their own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

HOURS = 24
_Z95 = 1.6448536269514722  # the standard normal's 95th percentile
LENGTH_KINDS = ("fixed", "exponential", "lognormal")


@dataclass(frozen=True)
class Lengths:
    """How many tokens a prompt or an answer has, from 1 to ``most_tokens``.

    "fixed": ``middle_tokens``.  "exponential": of that median.  "lognormal": of that median, and with
    ``p95_tokens`` as its 95th percentile.  What is longer than ``most_tokens`` is cut to it.
    """

    kind: str
    middle_tokens: float
    p95_tokens: float = 0.0
    most_tokens: int = 1_000_000

    def __post_init__(self) -> None:
        if self.kind not in LENGTH_KINDS:
            raise ValueError(f"kind of lengths {self.kind!r} is none of {', '.join(LENGTH_KINDS)}")
        if not 1 <= self.middle_tokens <= self.most_tokens:
            raise ValueError(f"a median of {self.middle_tokens} tokens is not 1 to {self.most_tokens}")
        if self.kind == "lognormal" and not self.p95_tokens > self.middle_tokens:
            raise ValueError(
                f"a 95th percentile of {self.p95_tokens} tokens is not above the median, {self.middle_tokens}"
            )

    @property
    def mean_tokens(self) -> float:
        """Of those that are drawn, before they are cut; at most ``most_tokens``."""
        mean = self.middle_tokens
        if self.kind == "exponential":
            mean /= math.log(2)
        elif self.kind == "lognormal":
            sigma = math.log(self.p95_tokens / self.middle_tokens) / _Z95
            mean *= math.exp(sigma * sigma / 2)
        return min(mean, self.most_tokens)


@dataclass(frozen=True)
class Trace:
    """Requests as they were seen somewhere: instants from the first, ascending, and their tokens."""

    arrival_ns: tuple[int, ...]
    prompt_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    images: tuple[int, ...] = ()  # how many
    image_bytes: tuple[int, ...] = ()  # of all images of a request; where not told: so many for each

    def __post_init__(self) -> None:
        if len({len(self.arrival_ns), len(self.prompt_tokens), len(self.output_tokens)}) != 1:
            raise ValueError("a trace needs an instant, a prompt and an answer for each request")
        for told in (self.images, self.image_bytes):
            if told and len(told) != len(self.arrival_ns):
                raise ValueError("a trace that tells images tells them for each request")
        if any(b < a for a, b in zip(self.arrival_ns, self.arrival_ns[1:], strict=False)):
            raise ValueError("the requests of a trace are not in the order of their instants")


@dataclass(frozen=True)
class LoadSpec:
    """What one class of customers asks for at one gateway.

    ``rate_per_s`` is the mean over a day; ``hours`` are factors of it by local hour (from 0, mean 1), and
    ``local_hour_at_start`` is the gateway's at emulated 0.  ``clients`` ask independently: the share of
    the i-th is as i to the power of -``skew``, and the gaps between a client's requests are Gamma of
    coefficient of variation ``gaps_cv``; 1 client of 1 is Poisson.  One request in ``one_in`` is real: it
    has packets of its own, the others occupy accelerators and links as background.
    """

    customer_class: str
    gateway: str
    seed: int
    rate_per_s: float
    prompt: Lengths
    output: Lengths
    gaps_cv: float = 1.0
    clients: int = 1
    skew: float = 1.0
    hours: tuple[float, ...] = (1.0,) * HOURS
    local_hour_at_start: float = 0.0
    one_in: int = 1
    bytes_per_token: float = 4.0
    bytes_per_image: int = 0
    trace: Trace | None = None

    def __post_init__(self) -> None:
        if not self.rate_per_s > 0:
            raise ValueError(f"a rate of {self.rate_per_s} requests/s is not above 0")
        if not 0.1 <= self.gaps_cv <= 20:
            raise ValueError(f"a coefficient of variation of {self.gaps_cv} is not 0.1 to 20")
        if not 1 <= self.clients <= 10_000:
            raise ValueError(f"{self.clients} clients are not 1 to 10,000")
        if len(self.hours) != HOURS or min(self.hours) < 0 or not sum(self.hours) > 0:
            raise ValueError(f"a day's curve needs {HOURS} factors of 0 or more, not all 0")
        if self.one_in < 1:
            raise ValueError(f"one in {self.one_in} requests cannot be real")

    @property
    def mean_rate_per_s(self) -> float:
        """Over a day, or the trace."""
        if self.trace is None:
            return self.rate_per_s
        arrivals = self.trace.arrival_ns
        return (len(arrivals) - 1) * 1e9 / max(1, arrivals[-1] - arrivals[0]) if len(arrivals) > 1 else 0.0

    @property
    def mean_tokens(self) -> tuple[float, float]:
        """Of a prompt, and of an answer."""
        if self.trace is None:
            return self.prompt.mean_tokens, self.output.mean_tokens
        n = max(1, len(self.trace.arrival_ns))
        return sum(self.trace.prompt_tokens) / n, sum(self.trace.output_tokens) / n

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> LoadSpec:
        trace = raw.get("trace")
        return cls(
            **{
                **raw,
                "prompt": Lengths(**raw["prompt"]),
                "output": Lengths(**raw["output"]),
                "hours": tuple(raw["hours"]),
                "trace": None if trace is None else Trace(**{k: tuple(v) for k, v in trace.items()}),
            }
        )
