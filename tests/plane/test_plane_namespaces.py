"""Work on threads of their own: what comes back, and when."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from orbitmesh.emulator.plane.kernel.namespaces import on_own_threads


def test_works_go_side_by_side_and_their_results_keep_their_order() -> None:
    meeting = threading.Barrier(3)

    def work(number: int) -> int:
        meeting.wait(10)  # one after the other they would never meet
        time.sleep(0.01 * (3 - number))
        return number

    assert on_own_threads([partial(work, i) for i in range(3)]) == [0, 1, 2]
    assert on_own_threads([]) == []


def test_what_fails_is_raised_once_all_have_ended() -> None:
    ended = threading.Event()

    def fails() -> None:
        raise KeyError("first")

    def goes_on() -> None:
        time.sleep(0.05)
        ended.set()

    with pytest.raises(KeyError, match="first"):
        on_own_threads([fails, goes_on])
    assert ended.is_set()
