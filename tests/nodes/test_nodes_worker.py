"""The worker: order, measured waiting, refusals, cancelling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from orbitmesh.nodes.worker import Cancelled, DeadlineTooShort, Job, Worker, WorkerBusy

LONG_NS = 60_000_000_000


def on_worker(scenario: Callable[[Worker], Awaitable[None]], most_waiting: int = 16) -> None:
    async def run() -> None:
        worker = Worker(most_waiting)
        try:
            await scenario(worker)
        finally:
            worker.close()

    asyncio.run(run())


def test_a_result_and_its_times() -> None:
    async def scenario(worker: Worker) -> None:
        done = await worker.run("answer", 1, lambda _: 42, LONG_NS)
        assert done.value == 42
        assert done.queue_ns >= 0
        assert done.compute_ns > 0

    on_worker(scenario)


def test_an_error_reaches_who_asked_and_the_worker_goes_on() -> None:
    def fail(_: Job[int]) -> int:
        raise ZeroDivisionError

    async def scenario(worker: Worker) -> None:
        with pytest.raises(ZeroDivisionError):
            await worker.run("fails", 1, fail, LONG_NS)
        assert (await worker.run("answer", 1, lambda _: 1, LONG_NS)).value == 1

    on_worker(scenario)


def test_jobs_run_in_order_and_the_second_waits_as_long_as_the_first_computes() -> None:
    release = threading.Event()
    order: list[str] = []

    def first(_: Job[None]) -> None:
        release.wait()
        order.append("first")

    async def scenario(worker: Worker) -> None:
        one = asyncio.create_task(worker.run("first", 1, first, LONG_NS))
        await asyncio.sleep(0)
        two = asyncio.create_task(worker.run("second", 1, lambda _: order.append("second"), LONG_NS))
        # the loop goes on meanwhile: this is what the wait below is measured against
        await asyncio.sleep(0.05)
        release.set()
        first_done, second_done = await one, await two
        assert order == ["first", "second"]
        assert first_done.compute_ns >= 50_000_000 - first_done.queue_ns
        assert second_done.queue_ns >= 49_000_000

    on_worker(scenario)


def test_a_full_queue_is_refused_with_a_time_to_come_back() -> None:
    release = threading.Event()

    async def scenario(worker: Worker) -> None:
        running = asyncio.create_task(worker.run("a", 1, lambda _: release.wait(), LONG_NS))
        while not worker.running:
            await asyncio.sleep(0.001)
        waiting = [asyncio.create_task(worker.run("a", 1, lambda _: True, LONG_NS)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(WorkerBusy) as refused:
            await worker.run("a", 1, lambda _: True, LONG_NS)
        assert refused.value.retry_ns > 0
        release.set()
        await asyncio.gather(running, *waiting)
        assert (await worker.run("a", 1, lambda _: 5, LONG_NS)).value == 5

    on_worker(scenario, most_waiting=2)


def test_a_deadline_that_was_never_met_yet_is_refused_at_once() -> None:
    started: list[int] = []

    def slow(_: Job[None]) -> None:
        started.append(1)
        threading.Event().wait(0.05)

    async def scenario(worker: Worker) -> None:
        await worker.run("slow", 3, slow, LONG_NS)
        with pytest.raises(DeadlineTooShort, match="needs at least"):
            await worker.run("slow", 3, slow, 40_000_000)
        with pytest.raises(DeadlineTooShort):
            await worker.run("never met", 1, slow, 0)
        assert len(started) == 1
        await worker.run("slow", 4, slow, 40_000_000)  # another size: nothing is known, so it is tried
        assert len(started) == 2

    on_worker(scenario)


def test_what_waits_before_it_counts_against_a_deadline() -> None:
    async def scenario(worker: Worker) -> None:
        await worker.run("slow", 1, lambda _: threading.Event().wait(0.1), LONG_NS)
        ahead = [
            asyncio.create_task(worker.run("slow", 1, lambda _: threading.Event().wait(0.1), LONG_NS))
            for _ in range(2)
        ]
        await asyncio.sleep(0)
        with pytest.raises(DeadlineTooShort):
            await worker.run("quick", 1, lambda _: None, 90_000_000)
        await asyncio.gather(*ahead)

    on_worker(scenario)


def test_a_cancelled_job_that_waits_never_runs_and_one_that_runs_can_notice() -> None:
    release, noticed = threading.Event(), threading.Event()
    ran: list[str] = []

    def until_cancelled(job: Job[None]) -> None:
        release.wait()
        try:
            while True:
                job.check()
        except Cancelled:
            noticed.set()
            raise

    async def scenario(worker: Worker) -> None:
        running = asyncio.create_task(worker.run("a", 1, until_cancelled, LONG_NS))
        waiting = asyncio.create_task(worker.run("b", 1, lambda _: ran.append("b"), LONG_NS))
        while not (worker.running and worker.waiting):
            await asyncio.sleep(0.001)
        waiting.cancel()
        running.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)
        release.set()
        await worker.run("c", 1, lambda _: ran.append("c"), LONG_NS)
        assert noticed.is_set()
        assert ran == ["c"]

    on_worker(scenario)
