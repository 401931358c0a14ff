"""What looks at a run again and again: each time, once more at its end, and never on after a failure."""

from __future__ import annotations

import threading

from orbitmesh.emulator.run.rounds import Rounds


def test_it_looks_until_it_is_stopped_and_then_once_more() -> None:
    seen: list[str] = []
    thrice = threading.Semaphore(0)

    def look() -> None:
        seen.append("look")
        thrice.release()

    failures: list[BaseException] = []
    rounds = Rounds("eyes", 0.001, look, failures.append, at_end=lambda: seen.append("end"))
    rounds.start()
    for _ in range(3):
        assert thrice.acquire(timeout=20)
    rounds.stop()
    assert seen == ["look"] * (len(seen) - 1) + ["end"]
    n = len(seen)
    rounds.stop()
    assert (len(seen), failures) == (n, [])


def test_what_fails_is_told_once_and_ends_it() -> None:
    failures: list[BaseException] = []
    told = threading.Event()

    def note(error: BaseException) -> None:
        failures.append(error)
        told.set()

    def look() -> None:
        raise ValueError("blind")

    rounds = Rounds("eyes", 0.001, look, note, at_end=lambda: failures.append(KeyError()))
    rounds.start()
    assert told.wait(20)
    rounds.stop()
    assert [str(error) for error in failures] == ["blind"]


def test_what_was_never_started_looks_at_nothing() -> None:
    seen: list[str] = []
    Rounds("eyes", 0.001, lambda: None, seen.append, at_end=lambda: seen.append("end")).stop()
    assert seen == []
