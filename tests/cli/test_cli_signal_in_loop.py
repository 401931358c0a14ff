"""A signal to a verb that serves by asyncio: it ends in order, whatever the loop was about."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from orbitmesh.emulator.cli.ending import Interrupted, interruptible, run_interruptibly


def test_a_signal_breaks_off_nothing_that_the_loop_has_begun() -> None:
    """The live page hung once at SIGTERM: what waits for a connection's end was never told of it."""
    did: list[str] = []

    async def work() -> None:
        connection_ended = asyncio.Event()

        def end_connection() -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            for _ in range(1000):  # where a handler of Python's own would raise
                pass
            did.append("told")
            connection_ended.set()

        asyncio.get_running_loop().call_soon(end_connection)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.wait_for(connection_ended.wait(), 10)
            did.append("ended in order")

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught, interruptible():
        run_interruptibly(work())
    assert caught.value.number == signal.SIGTERM
    assert did == ["told", "ended in order"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_done_is_returned() -> None:
    async def work() -> int:
        return 7

    with interruptible():
        assert run_interruptibly(work()) == 7
