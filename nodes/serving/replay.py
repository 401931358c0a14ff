"""The batcher driven by a list of requests, or by so many clients at once: no clock, no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orbitmesh.wire.serving import BLOCK_TOKENS

from .batcher import Batcher, Step
from .request import Request


def steps(batcher: Batcher, requests: Iterable[Request], capacity_ratio: float = 1.0) -> Iterator[Step]:
    """Every step until all requests, in the order of their arrival, are answered."""
    coming = iter(requests)
    following = next(coming, None)
    now_ns = 0
    while True:
        while following is not None and following.arrival_ns <= now_ns:
            batcher.admit(following)
            following = next(coming, None)
        step = batcher.step(now_ns, capacity_ratio)
        if step is not None:
            yield step
            now_ns = step.end_ns
            continue
        ready_ns = batcher.ready_ns()
        instants = [
            r for r in (ready_ns, None if following is None else following.arrival_ns) if r is not None
        ]
        if not instants:
            return
        now_ns = max(now_ns + 1, min(instants))


def replay(batcher: Batcher, requests: list[Request], capacity_ratio: float = 1.0) -> None:
    """All requests, to their ends: what became of each stands in it."""
    for _ in steps(batcher, sorted(requests, key=lambda r: r.arrival_ns), capacity_ratio):
        pass


@dataclass(frozen=True)
class Steady:
    time_per_token_ns: float
    first_token_ns: float
    requests: int  # whose first token was measured
    tokens_per_s: float  # of all together


_MOST_STEPS = 4_000


def steady(batcher: Batcher, clients: int, prompt_tokens: int, output_tokens: int) -> Steady:
    """So many clients that each ask again as soon as they have an answer, once they are out of step.

    Those that the KV cache has room for begin at even places within their answers: of their first ones a
    part counts as made.  Once all of these decode, one length of an answer is measured (at most 4,000 steps).
    """
    tokens = batcher.limits.blocks * BLOCK_TOKENS
    begun = min(clients, batcher.limits.requests, max(1, tokens // (prompt_tokens + output_tokens)))
    now_ns = 0
    waited_for: set[Request] = set()
    for i in range(clients):
        made = (output_tokens - 1) * i // begun if i < begun else 0
        batcher.admit(first := Request(prompt_tokens + made, output_tokens - made, 0))
        if i < begun:
            waited_for.add(first)
    count = time_ns = tokens = all_tokens = spent_ns = 0
    first_ns: list[int] = []
    began: set[Request] = set()
    while count < min(_MOST_STEPS, max(output_tokens, 64)):
        measuring = not waited_for
        step = batcher.step(now_ns)
        assert step is not None, "a closed loop never runs dry"
        now_ns = step.end_ns
        if measuring:
            count += 1
            time_ns += (step.end_ns - step.start_ns) * step.decodes
            tokens += step.decodes
            spent_ns += step.end_ns - step.start_ns
            all_tokens += step.decodes + len(step.first)
            first_ns += [r.first_token_ns - r.arrival_ns for r in step.first if r in began]
        waited_for.difference_update(step.first)
        for _ in step.finished:
            following = Request(prompt_tokens, output_tokens, now_ns)
            batcher.admit(following)
            if measuring:
                began.add(following)
    first_mean_ns = sum(first_ns) / len(first_ns) if first_ns else 0.0
    return Steady(time_ns / tokens, first_mean_ns, len(first_ns), all_tokens * 1e9 / spent_ns)


def common_start(
    batcher: Batcher, clients: int, prompt_tokens: int, output_tokens: int, rounds: int
) -> list[float]:
    """As load generators do: all clients ask at once, then each again as soon as it has an answer, so many
    times in all.  Nanoseconds from asking to the first token, of each request, in the order of these tokens.
    """
    for _ in range(clients):
        batcher.admit(Request(prompt_tokens, output_tokens, 0))
    left, now_ns = clients * (rounds - 1), 0
    found: list[float] = []
    while len(found) < clients * rounds:
        step = batcher.step(now_ns)
        assert step is not None, "some client still waits"
        now_ns = step.end_ns
        found += [request.first_token_ns - request.arrival_ns for request in step.first]
        again = min(left, len(step.finished))
        left -= again
        for _ in range(again):
            batcher.admit(Request(prompt_tokens, output_tokens, now_ns))
    return found
