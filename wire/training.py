"""A step of training among satellites: what each is told, and what it reports.

The all-reduce is a ring: member i sends to member i + 1, over a TCP connection of its own.  In each of
2 (N - 1) rounds it sends one of N chunks and receives another.  A message is ``HEADER`` (step, round) and
the chunk, float32 in the machine's byte order (all members are processes of one machine).
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any

TRAINING_PORT = 50052
HEADER = struct.Struct("<II")
ELEMENT_BYTES = 4
MOST_MEMBERS = 500
#: real bytes of gradient that one process holds, three times over
MOST_GRADIENT_BYTES = 64 * 2**20

MARK = b'"training_step"'


@dataclass(frozen=True)
class TrainingSpec:
    """What one member of the ring is told.

    ``gradient_bytes`` are those that really go over the links, a multiple of 4 for each member;
    ``compute_ns`` is what a step takes at full speed, and the all-reduce begins when ``1 - overlap_ratio``
    of it is done.  ``idle_w`` and ``full_w``: what its accelerators draw at rest and at full speed,
    ``power_exponent``: of the platform, how speed follows from power.  ``report_interval_ns``: how often the
    process tells what they drew (``energy.py``); 0: never.
    """

    place: int
    members: int
    next_name: str
    next_address: str
    gradient_bytes: int
    compute_ns: int
    overlap_ratio: float = 0.0
    timeout_ns: int = 60_000_000_000  # of a message of another
    idle_w: float = 0.0
    full_w: float = 0.0
    power_exponent: float = 1.0
    report_interval_ns: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.members <= MOST_MEMBERS:
            raise ValueError(f"a ring of {self.members} members: it must have 2 to {MOST_MEMBERS}")
        if not 0 <= self.place < self.members:
            raise ValueError(f"place {self.place} in a ring of {self.members}")
        if self.gradient_bytes % (ELEMENT_BYTES * self.members) or self.gradient_bytes <= 0:
            raise ValueError(
                f"{self.gradient_bytes} bytes of gradient: write a multiple of {ELEMENT_BYTES * self.members}"
            )
        if self.compute_ns <= 0 or self.timeout_ns <= 0 or not 0 <= self.overlap_ratio <= 1:
            raise ValueError("a step must take time, wait for others, and overlap by 0 to 1")

        if not (0 <= self.idle_w <= self.full_w and self.power_exponent > 0 and self.report_interval_ns >= 0):
            raise ValueError(
                f"{self.idle_w} W at rest and {self.full_w} W at full speed, with a power exponent of "
                f"{self.power_exponent}, reported each {self.report_interval_ns} ns: power must be 0 or "
                "above, and not be less at full speed"
            )

    @property
    def chunk_bytes(self) -> int:
        return self.gradient_bytes // self.members

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> TrainingSpec:
        return cls(**raw)


@dataclass(frozen=True)
class TrainingStep:
    """What one member did in one step; all instants are CLOCK_MONOTONIC of the machine, in ns.

    ``joined_mono_ns``: when it was ready to all-reduce, ``done_mono_ns``: when it had the sum.  ``held_ns``:
    how much longer it computed than at full speed.  ``waited_ns``: of its all-reduce, until the first
    message of the member before it came.  ``error``: "" where the sum is there and right.
    """

    training_step: int
    src: str
    began_mono_ns: int
    joined_mono_ns: int
    computed_mono_ns: int
    done_mono_ns: int
    held_ns: int = 0
    waited_ns: int = 0
    bytes_sent: int = 0
    error: str = ""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> TrainingStep:
        return cls(**json.loads(text))
