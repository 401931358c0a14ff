"""A request on its way through the batcher, and where its time went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finished:
    """Where the time of an answer went, by the model; together its whole time in the accelerator.

    ``throttled_ns`` is in the others: what its steps took longer than at full power; of it
    ``throttled_queue_ns`` before its own first step, ``throttled_prefill_ns`` from then to its first token.
    """

    queue_ns: int
    prefill_ns: int
    decode_ns: int
    throttled_ns: int
    throttled_queue_ns: int
    throttled_prefill_ns: int
    preempted: int
    energy_j: float


@dataclass(frozen=True)
class Before:
    """What happened to an answer at other satellites, and on its way from them."""

    queue_ns: int = 0
    prefill_ns: int = 0
    decode_ns: int = 0
    throttled_ns: int = 0
    throttled_queue_ns: int = 0
    throttled_prefill_ns: int = 0
    preempted: int = 0
    energy_j: float = 0.0
    moved_ns: int = 0
    moved_first_ns: int = 0  # of it, before the first token
    moves: int = 0
    recomputed: int = 0  # of them, without the cache
    moved_bytes: int = 0


@dataclass(eq=False, slots=True)
class Request:
    """``background``: it fills accelerator and batch as any other, and nobody waits for its tokens.

    ``prefix``: what begins with the same ``prefix_tokens`` as others of that name.
    """

    prompt_tokens: int
    output_tokens: int
    arrival_ns: int
    background: bool = False
    prefix: str = ""
    prefix_tokens: int = 0

    # the batcher's
    order: int = 0
    target: int = 0  # tokens to compute before the next one is made
    computed: int = 0  # with their keys and values in blocks; of one that decodes, when it joined
    made: int = 0  # tokens of the answer; of one that decodes, when it joined
    blocks: int = 0
    shared_blocks: int = 0  # of them, those of a prefix
    holds: str = ""  # the prefix that it uses
    joined: int = -1  # number of the step from which on it decodes
    opens: int = 0
    preempted: int = 0
    scheduled_ns: int = -1
    first_token_ns: int = -1
    finished_ns: int = -1
    throttled_before_ns: int = 0  # by the batcher's count: when it came, began, and had its first token
    throttled_begun_ns: int = 0
    throttled_first_ns: int = 0
    prefill_j: float = 0.0
    decode_j: float = 0.0
    decode_j_before: float = 0.0
    result: Finished | None = None
    before: Before = Before()
    is_anew: bool = False  # tokens that the customer has are computed again, without their cache

    def __post_init__(self) -> None:
        if self.prompt_tokens < 1 or self.output_tokens < 1:
            raise ValueError(
                f"{self.prompt_tokens} prompt and {self.output_tokens} output tokens: each must be at least 1"
            )
        if not 0 <= self.prefix_tokens <= self.prompt_tokens:
            raise ValueError(f"a prefix of {self.prefix_tokens} tokens in a prompt of {self.prompt_tokens}")
        self.target = self.prompt_tokens

    @property
    def context_tokens(self) -> int:
        """Whose keys and values one that decodes has: all but those of the token made last."""
        return self.prompt_tokens + self.made - 1

    def finish(self, at_ns: int, throttled_ns: int) -> None:
        """Its last token is there; ``throttled_ns``: the batcher's count."""
        self.finished_ns = at_ns
        self.result = Finished(
            queue_ns=self.scheduled_ns - self.arrival_ns,
            prefill_ns=self.first_token_ns - self.scheduled_ns,
            decode_ns=at_ns - self.first_token_ns,
            throttled_ns=throttled_ns - self.throttled_before_ns,
            throttled_queue_ns=self.throttled_begun_ns - self.throttled_before_ns,
            throttled_prefill_ns=self.throttled_first_ns - self.throttled_begun_ns,
            preempted=self.preempted,
            energy_j=self.prefill_j + self.decode_j,
        )
