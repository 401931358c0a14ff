"""One group of accelerators at the pace of the machine's clock: steps begin and end by a timer.

The next step begins at the modelled end of the one before, however late the process was told of it, so
that being late never adds up.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..timer import Timer
from .batcher import Batcher, Place, Step
from .limits import Refused
from .meter import Meter
from .request import Request

Sink = Callable[[Step], None]
LONGEST_TURN_NS = 5_000_000  # of steps that are behind, before the event loop has its turn


class Unpowered(Refused):
    """The accelerators stand still."""


@dataclass(frozen=True)
class Departed:
    """Taken out at an instant, with so many tokens of KV cache (0: none that is worth sending)."""

    at_ns: int
    context_tokens: int
    throttled_ns: int


class Replica:
    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.capacity_ratio = 1.0
        self.refused_background = 0
        self._timer = Timer(self._wake)
        self._sinks: dict[Request, Sink] = {}
        self._coming: deque[Request] = deque()  # background, by their arrivals
        self._step: Step | None = None  # under way
        self._free_ns = 0  # when the last step ended
        self._stopped_ns: int | None = None  # since when there is no power
        self.meter = Meter(batcher.power_w(0.0), batcher.power_w(1.0), time.monotonic_ns())
        self._departing: list[tuple[Request, asyncio.Future[Departed | None]]] = []
        self.step_ns = 0  # the last step's duration

    @property
    def load(self) -> int:
        return self.batcher.waiting + self.batcher.running

    def ask(self, request: Request, sink: Sink) -> None:
        """Take a request that has arrived; ``sink`` gets each step in which it gets a token.

        Raises Refused.
        """
        if self._stopped_ns is not None:
            raise Unpowered("the accelerators have no power now")
        self._admit_coming(request.arrival_ns)
        self.batcher.admit(request)
        self._sinks[request] = sink
        if self._step is None:
            self._go(time.monotonic_ns())

    async def depart(self, request: Request) -> Departed | None:
        """Take out one that goes on elsewhere, once the step under way has ended; None: it is finished."""
        if self._step is None:
            return self._take_out(request, max(time.monotonic_ns(), self._free_ns))
        left: asyncio.Future[Departed | None] = asyncio.get_running_loop().create_future()
        self._departing.append((request, left))
        return await left

    def arrive(self, request: Request, place: Place, sink: Sink) -> None:
        """One from elsewhere, which has arrived with its cache."""
        self.batcher.join(request, place)
        self._sinks[request] = sink
        if self._step is None:  # it decodes from now on, not from when the last step ended
            self._free_ns = max(self._free_ns, request.arrival_ns)
            self._go(time.monotonic_ns())

    def give_up(self, place: Place) -> None:
        """What was to arrive does not."""
        self.batcher.give_up(place)
        if self._step is None:
            self._go(time.monotonic_ns())

    @property
    def stands_still(self) -> bool:
        return self._stopped_ns is not None

    def forget(self, request: Request) -> None:
        """Whoever waited for it does so no more."""
        if self._sinks.pop(request, None) is not None and request.result is None:
            self.batcher.cancel(request)

    def background(self, requests: Iterable[Request]) -> None:
        """Requests of others, in the order of their arrivals, which follow on those told before."""
        self._coming.extend(requests)
        if self._step is None:
            self._go(time.monotonic_ns())

    def set_capacity(self, ratio: float) -> None:
        """From the next step on; 0: none begins until there is power again."""
        if not 0 <= ratio <= 1:
            raise ValueError(f"a capacity of {ratio} is not 0 to 1")
        now_ns = time.monotonic_ns()
        if ratio > 0 and self._stopped_ns is not None:
            self.batcher.stood_still(now_ns - self._stopped_ns)
            self.meter.on(now_ns)
            self._free_ns = max(self._free_ns, now_ns)
            self._stopped_ns = None
        elif ratio == 0 and self._stopped_ns is None:
            self._stopped_ns = now_ns
            self.meter.off(now_ns, has_work=self.load > 0)
        self.capacity_ratio = ratio
        if self._step is None:
            self._go(now_ns)

    def catch_up(self) -> None:
        """Do what is due, however late the timer is: whoever reads the meter next finds steps, not rest."""
        now_ns = time.monotonic_ns()
        self._go(now_ns)
        while (step := self._step) is not None and step.end_ns <= now_ns:  # what is left out is lost
            self._end(step, now_ns)
        self._go(now_ns)

    def close(self) -> None:
        self._timer.close()

    def _wake(self) -> None:
        now_ns = turn_ns = time.monotonic_ns()
        while (step := self._step) is not None and step.end_ns <= now_ns:
            self._end(step, now_ns)
            now_ns = time.monotonic_ns()
            if now_ns - turn_ns > LONGEST_TURN_NS:
                break  # what is behind goes on at once, after whoever else waits
        self._go(now_ns)

    def _end(self, step: Step, now_ns: int) -> None:
        """Tell whose tokens are there, and take the step that follows."""
        self._free_ns = step.end_ns
        for request in step.tokens:
            if sink := self._sinks.get(request):
                sink(step)
        for request in step.finished:
            self._sinks.pop(request, None)
        self.step_ns = step.end_ns - step.start_ns
        self._let_go(step.end_ns)
        self._step = self._following(now_ns)

    def _let_go(self, at_ns: int) -> None:
        departing, self._departing = self._departing, []
        for request, left in departing:
            if not left.done():
                left.set_result(self._take_out(request, at_ns))

    def _take_out(self, request: Request, at_ns: int) -> Departed | None:
        if request.result is not None or self._sinks.pop(request, None) is None:
            return None
        throttled_ns = self.batcher.throttled_ns(request)
        if self._stopped_ns is not None:
            throttled_ns += max(0, at_ns - max(self._stopped_ns, request.arrival_ns))
        return Departed(at_ns, self.batcher.release(request), throttled_ns)

    def _go(self, now_ns: int) -> None:
        """Begin a step where there is one to begin, and set the timer."""
        self._step = self._step or self._following(now_ns)
        if self._step is not None:
            self._timer.set(self._step.end_ns)
            return
        instants = [ns for ns in (self.batcher.ready_ns(), self._next_arrival_ns()) if ns is not None]
        if instants and self._stopped_ns is None:
            self._timer.set(max(min(instants), self._free_ns))
        else:
            self._timer.clear()

    def _following(self, now_ns: int) -> Step | None:
        """The next step, from where the last one ended, or from when there was something to do again."""
        if self._stopped_ns is not None:
            return None
        ready = [ns for ns in (self.batcher.ready_ns(), self._next_arrival_ns()) if ns is not None]
        if not ready:
            return None
        start_ns = max(self._free_ns, min(ready))
        if start_ns > now_ns:
            return None
        self._admit_coming(start_ns)
        step = self.batcher.step(start_ns, self.capacity_ratio)
        if step is not None:
            self.meter.step(step.start_ns, step.end_ns, step.energy_j)
        return step

    def _next_arrival_ns(self) -> int | None:
        if not self._coming:
            return None
        return self._coming[0].arrival_ns + self.batcher.limits.before_queue_ns

    def _admit_coming(self, until_ns: int) -> None:
        while self._coming and self._coming[0].arrival_ns <= until_ns:
            try:
                self.batcher.admit(self._coming.popleft())
            except Refused:
                self.refused_background += 1
