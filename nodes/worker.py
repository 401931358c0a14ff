"""One thread that computes, so that the event loop of the node stays free to answer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from orbitmesh.wire.limits import MAX_WAITING_TASKS

T = TypeVar("T")

_MOST_LEARNT = 256
_SHORTEST_RETRY_NS = 10_000_000


class WorkerBusy(Exception):
    """Too many tasks wait already."""

    def __init__(self, waiting: int, retry_ns: int) -> None:
        super().__init__(f"{waiting} tasks wait already")
        self.retry_ns = retry_ns


class DeadlineTooShort(Exception):
    """The task cannot be done by then."""

    def __init__(self, needed_ns: int, left_ns: int) -> None:
        super().__init__(
            f"the task needs at least {needed_ns / 1e6:.1f} ms, {left_ns / 1e6:.1f} ms are left"
            if left_ns > 0
            else "the deadline has passed"
        )


class Cancelled(Exception):
    """Nobody waits for the task any more.  Raised inside it, by ``Job.check``."""


@dataclass(frozen=True)
class Done(Generic[T]):
    value: T
    queue_ns: int
    compute_ns: int


@dataclass(eq=False)
class Job(Generic[T]):
    """A task on its way.  ``work`` runs on the worker's thread and is handed this job."""

    kind: str
    size: int
    work: Callable[[Job[T]], T]
    expected_ns: int
    done: asyncio.Future[Done[T]]
    submitted_mono_ns: int = field(default_factory=time.monotonic_ns)
    started_mono_ns: int = 0
    cancelled: bool = False

    def check(self) -> None:
        """For long work to call now and then: raises Cancelled where it is in vain."""
        if self.cancelled:
            raise Cancelled

    @property
    def queue_ns(self) -> int:
        return self.started_mono_ns - self.submitted_mono_ns


class Worker:
    """Takes jobs in the order they came.  Use from one event loop.

    It learns the least time that a task of each kind and size has taken, and
    refuses what cannot be done in time even so; a task it has not met is tried.
    """

    def __init__(self, most_waiting: int = MAX_WAITING_TASKS) -> None:
        self._loop = asyncio.get_running_loop()
        self._most_waiting = most_waiting
        self._jobs: deque[Job[object]] = deque()
        self._running: Job[object] | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._least_ns: dict[tuple[str, int], int] = {}
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    async def run(self, kind: str, size: int, work: Callable[[Job[T]], T], left_ns: int) -> Done[T]:
        """Compute ``work`` and say how long it waited and took; what it raises is raised here.

        ``left_ns``: the time until the caller's deadline.  Raises WorkerBusy or
        DeadlineTooShort at once.  When the awaiting task is cancelled, so is the job.
        """
        job: Job[T] = Job(kind, size, work, self._least_ns.get((kind, size), 0), self._loop.create_future())
        with self._changed:
            backlog_ns = self._backlog_ns()
            if len(self._jobs) >= self._most_waiting:
                raise WorkerBusy(len(self._jobs), max(backlog_ns, _SHORTEST_RETRY_NS))
            needed_ns = backlog_ns + job.expected_ns
            if needed_ns > left_ns or left_ns <= 0:
                raise DeadlineTooShort(needed_ns, left_ns)
            self._jobs.append(job)  # type: ignore[arg-type]
            self._changed.notify()
        try:
            return await job.done
        finally:
            job.cancelled = True
            with self._changed:
                if job in self._jobs:
                    self._jobs.remove(job)  # type: ignore[arg-type]

    @property
    def running(self) -> bool:
        return self._running is not None

    @property
    def waiting(self) -> int:
        return len(self._jobs)

    def close(self) -> None:
        """Start nothing more; the thread ends after the job that runs now."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def _backlog_ns(self) -> int:
        """At least this long until a job that comes now is taken up."""
        backlog_ns = sum(job.expected_ns for job in self._jobs)
        if self._running is not None:
            elapsed_ns = time.monotonic_ns() - self._running.started_mono_ns
            backlog_ns += max(0, self._running.expected_ns - elapsed_ns)
        return backlog_ns

    def _run(self) -> None:
        while True:
            with self._changed:
                self._running = None
                while not self._jobs and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                job = self._running = self._jobs.popleft()
                job.started_mono_ns = time.monotonic_ns()
            try:
                value = job.work(job)
            except BaseException as error:
                self._settle(job, error, None)
            else:
                compute_ns = time.monotonic_ns() - job.started_mono_ns
                self._learn(job, compute_ns)
                self._settle(job, None, Done(value, job.queue_ns, compute_ns))
            del job  # its payload is not to stay until the next one comes

    def _learn(self, job: Job[object], compute_ns: int) -> None:
        key = (job.kind, job.size)
        least_ns = min(compute_ns, self._least_ns.pop(key, compute_ns))
        if len(self._least_ns) >= _MOST_LEARNT:
            del self._least_ns[next(iter(self._least_ns))]  # the one not met for longest
        self._least_ns[key] = least_ns

    def _settle(self, job: Job[object], error: BaseException | None, done: Done[object] | None) -> None:
        def settle() -> None:
            if job.done.done():
                return
            if error is not None:
                job.done.set_exception(error)
            elif done is not None:
                job.done.set_result(done)

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(settle)
