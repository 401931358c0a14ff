"""Continuous batching as vLLM does it, without a clock: the caller says when a step begins.

First come first served; in each step every request that decodes gets a token, and what is left of the
token budget goes to prompts, in chunks.  KV cache is given in blocks of 16 tokens as a request grows;
where blocks run out, the youngest is preempted, and later computes its prompt and its tokens again: with
prefix caching only those whose blocks were given to others in the meantime.
(TensorRT-LLM promises each request its whole answer before it begins: ``Limits.promise_answers``.)

A request that decodes is touched only where something happens to it (it joins, ends, is preempted): when
it ends and when it opens a block follow from the number of the step at which it joined, so that a step of
64 requests costs no more than one of a few.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol

from orbitmesh.wire.serving import BLOCK_TOKENS

from .blocks import Blocks, blocks_of
from .limits import Limits, NeverFits, QueueFull
from .request import Request

_RATE_OVER = 64  # answers from whose ends the time until there is room is guessed
_UNKNOWN_RETRY_NS = 1_000_000_000


class StepTimes(Protocol):
    def ns(self, prefill_tokens: int, pairs: float, decodes: int, context_tokens: int) -> int:
        """Of one step: new prompt tokens, the sum of n (s + n/2) over prompts of n on top of s, decoding
        requests and the sum of their contexts."""


@dataclass(slots=True)
class Step:
    """One step, over at ``end_ns``: that is when its tokens are there.

    ``tokens``: the real requests that got one (each one).  ``first``, ``finished``, ``preempted``: of all
    kinds, those that got their first, their last, and those that lost their place.
    """

    start_ns: int
    end_ns: int
    modelled_ns: int  # at full power
    prefill_tokens: int
    decodes: int
    tokens: list[Request]
    first: list[Request]
    finished: list[Request]
    preempted: list[Request]
    energy_j: float = 0.0


@dataclass(frozen=True)
class Place:
    """Kept for a request from elsewhere: blocks that it has, and those that it has at its end."""

    blocks: int
    whole: int


@dataclass
class Batcher:
    times: StepTimes
    limits: Limits
    power_w: Callable[[float], float] = lambda capacity_ratio: 0.0  # of the accelerators while a step runs

    def __post_init__(self) -> None:
        self._blocks = Blocks(self.limits.blocks, caching=self.limits.prefix_caching)
        self._waiting: deque[Request] = deque()
        self._running: dict[Request, None] = {}  # in the order of admission: the last is the youngest
        self._prefilling: dict[Request, None] = {}
        self._real: dict[Request, None] = {}  # decoding, and not background
        self._decodes = 0
        self._context_tokens = 0  # of those that decode
        self._number = 0  # of the decode step to come
        # who opens a block in the steps of each number modulo 16
        self._opening: list[set[Request]] = [set() for _ in range(BLOCK_TOKENS)]
        self._ends: list[tuple[int, int, Request]] = []
        self._admitted = 0
        self._promised = 0  # blocks that the running need at their ends
        self._throttled_ns = 0
        self._decode_j = 0.0  # that one request would have spent, had it decoded in every step
        self._answer_ends: deque[int] = deque(maxlen=_RATE_OVER)
        self._expected = 0  # requests under way from elsewhere, whose blocks are kept for them
        self._is_stuck = False  # what waits has no room beside those

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def free_blocks(self) -> int:
        return self._blocks.free

    @property
    def decoding(self) -> int:
        return self._decodes

    def admit(self, request: Request) -> None:
        """Take a request, which arrives at its ``arrival_ns``.  Raises Refused."""
        most = self.limits.blocks * BLOCK_TOKENS
        if request.prompt_tokens + request.output_tokens > most:
            raise NeverFits(
                f"{request.prompt_tokens} prompt and {request.output_tokens} output tokens are more than the "
                f"KV cache holds ({most} tokens): ask for fewer"
            )
        if len(self._waiting) >= self.limits.waiting:
            raise QueueFull(len(self._waiting), self.retry_ns())
        request.target = request.prompt_tokens + request.made  # made: elsewhere
        self._number_and_note(request)
        self._waiting.append(request)
        self._is_stuck = False

    def retry_ns(self) -> int:
        """When there is room in the queue, as far as the last answers tell."""
        ends = self._answer_ends
        if len(ends) < 2 or ends[-1] == ends[0]:
            return _UNKNOWN_RETRY_NS
        return max(1, (ends[-1] - ends[0]) // (len(ends) - 1))

    def ready_ns(self) -> int | None:
        """From when on a step has something to do; None where nothing is there.  0: at once."""
        if self._running:
            return 0
        if self._is_stuck:
            return None
        return self._waiting[0].arrival_ns + self.limits.before_queue_ns if self._waiting else None

    def expect(self, request: Request) -> Place | None:
        """Keep room for one that comes with its cache; None where there is none."""
        whole = blocks_of(request.prompt_tokens + request.output_tokens)
        blocks, limits = blocks_of(request.context_tokens), self.limits
        if len(self._running) + self._expected >= limits.requests or whole > limits.blocks:
            return None
        if limits.promise_answers and self._promised + whole > limits.blocks:
            return None
        if not self._blocks.room(blocks):
            return None
        self._blocks.take(blocks)
        self._expected += 1
        self._promised += whole
        return Place(blocks, whole)

    def give_up(self, place: Place) -> None:
        """It does not come."""
        self._blocks.give_back(place.blocks)
        self._promised -= place.whole
        self._expected -= 1
        self._is_stuck = False

    def join(self, request: Request, place: Place) -> None:
        """It is there, at its ``arrival_ns``, and decodes from the next step on."""
        self._expected -= 1
        self._is_stuck = False
        self._number_and_note(request)
        request.computed = request.target = request.context_tokens
        request.blocks = place.blocks
        request.scheduled_ns = request.first_token_ns = request.arrival_ns
        request.throttled_begun_ns = request.throttled_first_ns = self._throttled_ns
        self._running[request] = None
        self._decode(request)

    def release(self, request: Request) -> int:
        """It goes on elsewhere: out of here, with so many tokens of KV cache (0: it was not decoding)."""
        decodes = request in self._running and request.joined >= 0
        self.cancel(request)
        return request.context_tokens if decodes else 0

    def throttled_ns(self, request: Request) -> int:
        """Since it was admitted."""
        return self._throttled_ns - request.throttled_before_ns

    def stood_still(self, duration_ns: int) -> None:
        """No step began for so long, for want of power: it counts as throttled."""
        self._throttled_ns += duration_ns

    def cancel(self, request: Request) -> None:
        """Nobody waits for it any more; no matter where it is."""
        if request in self._running:
            self._leave(request)
        elif request in self._waiting:
            self._waiting.remove(request)
            self._blocks.forget(request)
        self._is_stuck = False

    def step(self, start_ns: int, capacity_ratio: float = 1.0) -> Step | None:
        """The step that begins now, with the share of its speed that the accelerator has now.

        None where nothing is ready by then.  All it does is done at once: what arrives while it lasts is
        admitted to the queue, and looked at by the next.
        """
        if not 0 < capacity_ratio <= 1:
            raise ValueError(f"capacity_ratio is {capacity_ratio}: it must be above 0 and at most 1")
        preempted: list[Request] = []
        opening = self._opening[self._number % BLOCK_TOKENS]
        while opening and not self._blocks.room(len(opening)):
            preempted.append(self._preempt())
        self._blocks.take(len(opening))

        chunks, budget = self._continue_prompts(self.limits.step_tokens - self._decodes, preempted)
        if not preempted:
            self._start_prompts(chunks, budget, start_ns)
        tokens, pairs = 0, 0.0
        for request, n in chunks:
            tokens += n
            pairs += n * (request.computed + n / 2)
        decodes = self._decodes
        if not decodes and not tokens:
            self._is_stuck = bool(self._expected)
            return None

        modelled_ns = self.times.ns(tokens, pairs, decodes, self._context_tokens)
        duration_ns = round(modelled_ns / capacity_ratio)
        step = Step(
            start_ns,
            start_ns + duration_ns,
            modelled_ns,
            tokens,
            decodes,
            list(self._real),
            [],
            [],
            preempted,
        )
        self._throttled_ns += duration_ns - modelled_ns
        step.energy_j = self.power_w(capacity_ratio) * duration_ns / 1e9
        self._share_energy(step, chunks)
        if decodes:
            self._number += 1
            self._context_tokens += decodes
        self._end_answers(step)
        for request, n in chunks:
            request.computed += n
            self._blocks.publish(request)
            if request.computed == request.target:
                self._end_prompt(request, step)
        return step

    # -- the parts of a step --------------------------------------------------------------------------

    def _continue_prompts(
        self, budget: int, preempted: list[Request]
    ) -> tuple[list[tuple[Request, int]], int]:
        chunks: list[tuple[Request, int]] = []
        for request in list(self._prefilling):
            if budget <= 0:
                break
            if request not in self._prefilling:  # preempted for one before it
                continue
            n = min(request.target - request.computed, budget)
            needed = blocks_of(request.computed + n) - request.blocks
            while not self._blocks.room(needed):
                youngest = self._preempt()
                preempted.append(youngest)
                if youngest is request:
                    break
            else:
                self._blocks.grow(request, needed)
                chunks.append((request, n))
                budget -= n
        return chunks, budget

    def _start_prompts(self, chunks: list[tuple[Request, int]], budget: int, start_ns: int) -> None:
        limits = self.limits
        while budget > 0 and self._waiting and len(self._running) + self._expected < limits.requests:
            request = self._waiting[0]
            if request.arrival_ns + limits.before_queue_ns > start_ns:
                return
            whole = blocks_of(request.prompt_tokens + request.output_tokens)
            if limits.promise_answers and self._promised + whole > limits.blocks:
                return
            shared, computed = self._blocks.known(request)
            n = min(request.target - computed, budget)
            needed = blocks_of(computed + n) - shared
            if not self._blocks.room(needed, keep=request.prefix):
                return
            self._waiting.popleft()
            request.computed = computed
            self._blocks.begin(request, shared, needed)
            if request.scheduled_ns < 0:
                request.scheduled_ns = start_ns
                request.throttled_begun_ns = self._throttled_ns
            self._running[request] = self._prefilling[request] = None
            self._promised += whole
            chunks.append((request, n))
            budget -= n

    def _end_prompt(self, request: Request, step: Step) -> None:
        """Its last prompt token gives its first token (after a preemption: the next)."""
        request.made += 1
        if request.first_token_ns < 0:
            request.first_token_ns = step.end_ns
            request.throttled_first_ns = self._throttled_ns
            step.first.append(request)
        if not request.background:
            step.tokens.append(request)
        if request.made >= request.output_tokens:
            self._finish(request, step)
            return
        del self._prefilling[request]
        self._decode(request)

    def _number_and_note(self, request: Request) -> None:
        request.order = self._admitted
        request.throttled_before_ns = self._throttled_ns
        self._admitted += 1

    def _decode(self, request: Request) -> None:
        """From the step to come on."""
        request.joined = self._number
        request.decode_j_before = self._decode_j
        request.opens = (self._number - request.computed) % BLOCK_TOKENS
        self._opening[request.opens].add(request)
        self._decodes += 1
        self._context_tokens += request.computed
        if not request.background:
            self._real[request] = None
        last = self._number + request.output_tokens - request.made - 1
        heappush(self._ends, (last, request.order, request))

    def _end_answers(self, step: Step) -> None:
        while self._ends and self._ends[0][0] < self._number:
            last, _, request = heappop(self._ends)
            # not those that were preempted or cancelled since
            if request.joined >= 0 and request.joined + request.output_tokens - request.made - 1 == last:
                self._finish(request, step)

    def _share_energy(self, step: Step, chunks: list[tuple[Request, int]]) -> None:
        """By the time that each part takes: decoding alone, and what the prompts add."""
        if not step.energy_j:
            return
        decode = 1.0
        if chunks:
            alone_ns = self.times.ns(0, 0.0, step.decodes, self._context_tokens) if step.decodes else 0
            decode = min(1.0, alone_ns / step.modelled_ns)
            each = step.energy_j * (1 - decode) / step.prefill_tokens
            for request, n in chunks:
                request.prefill_j += n * each
        if step.decodes:
            self._decode_j += step.energy_j * decode / step.decodes

    # -- who comes and goes ---------------------------------------------------------------------------

    def _finish(self, request: Request, step: Step) -> None:
        if request.joined >= 0:
            request.made = request.output_tokens
        self._leave(request)
        request.finish(step.end_ns, self._throttled_ns)
        step.finished.append(request)
        self._answer_ends.append(step.end_ns)

    def _leave(self, request: Request) -> int:
        """Out of the batch; how many blocks that frees."""
        del self._running[request]
        self._promised -= blocks_of(request.prompt_tokens + request.output_tokens)
        self._prefilling.pop(request, None)
        if request.joined >= 0:
            steps = self._number - request.joined
            request.decode_j += self._decode_j - request.decode_j_before
            # of the last step of an answer, its context counts already as long as it is
            self._context_tokens -= request.computed + steps
            self._decodes -= 1
            self._opening[request.opens].discard(request)
            self._real.pop(request, None)
            blocks = blocks_of(request.computed + steps)
            request.made = min(request.made + steps, request.output_tokens)
            request.joined = -1
        else:
            blocks = request.blocks
        return self._blocks.leave(request, blocks)

    def _preempt(self) -> Request:
        request = next(reversed(self._running))
        self._blocks.remain(request, self._leave(request))
        request.preempted += 1
        request.target = request.prompt_tokens + request.made
        request.computed = 0
        self._waiting.appendleft(request)
        return request
