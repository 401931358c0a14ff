"""What a customer got of one request, until its last token.  One datagram, beside those of samples."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MARK = b'"customer_class"'
CUT_OFF = "cut-off"  # under way when the run ended


@dataclass(frozen=True)
class Answer:
    """All instants are CLOCK_MONOTONIC of the machine, in ns; durations 0 where there was no answer.

    ``number`` counts the requests of a class at its gateway, those without packets too.  Latency counts
    from ``due_mono_ns``; the request left at ``sent_mono_ns``.  ``first_mono_ns`` and ``done_mono_ns`` are
    when the first and the last token came (without an answer: when that was known).  ``queue_ns`` to
    ``decode_ns`` are the serving node's, by its model, and ``throttled_ns`` is part of them; of it
    ``throttled_queue_ns`` and ``throttled_prefill_ns`` are in the first two.
    ``late_p50_ns``, ``late_p99_ns``: how much later than modelled it sent its tokens.  ``error``: "" where it
    was answered, a gRPC status name, "unassigned" (``dst`` ""), "CUT_SHORT", "cut-off" or a policy's reason;
    ``moved_ns``: between two satellites, ``moved_first_ns`` of it before the first token; ``moves`` times, of
    which ``recomputed`` without its KV cache, and else with ``moved_bytes`` of it, at last to ``moved_to``.
    ``refused``: the node said no, or the policy that places requests; ``retry_ns``: in how long it, or the
    policy, said that it may be worth asking again, -1 where nothing was said.
    """

    customer_class: str
    src: str
    dst: str
    number: int
    due_mono_ns: int
    sent_mono_ns: int
    first_mono_ns: int
    done_mono_ns: int
    prompt_tokens: int
    output_tokens: int  # those that came
    bytes_up: int
    bytes_first: int  # of the first message
    bytes_down: int  # of all
    queue_ns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
    throttled_ns: int = 0
    throttled_queue_ns: int = 0
    throttled_prefill_ns: int = 0
    preempted: int = 0
    energy_j: float = 0.0
    late_p50_ns: int = 0
    late_p99_ns: int = 0
    error: str = ""
    refused: bool = False
    retry_ns: int = -1
    moved_ns: int = 0
    moved_first_ns: int = 0
    moves: int = 0
    recomputed: int = 0
    moved_bytes: int = 0
    moved_to: str = ""

    @property
    def ok(self) -> bool:
        return not self.error

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Answer:
        return cls(**json.loads(text))
