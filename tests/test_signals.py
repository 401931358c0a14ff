"""Work on a thread of its own has ended when its caller goes on, whatever interrupts."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from orbitmesh.emulator.plane.kernel.namespaces import on_own_thread
from orbitmesh.emulator.signals import held_back

Interrupt = Callable[[float], None]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupt]:
    """Ctrl-C after so many seconds."""
    monkeypatch.setattr("orbitmesh.emulator.signals.ENDING", (signal.SIGALRM, signal.SIGTERM))

    def unwind(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, unwind)
    yield lambda after_s: signal.setitimer(signal.ITIMER_REAL, after_s)  # type: ignore[func-returns-value]
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    assert signal.getsignal(signal.SIGALRM) is unwind
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGALRM, before)


def test_an_interrupt_leaves_once_the_work_has_ended(interrupt: Interrupt):
    done: list[int] = []

    def work() -> None:
        for step in range(20):
            time.sleep(0.01)
            if step == 5:
                os.kill(os.getpid(), signal.SIGALRM)
            done.append(step)

    try:
        on_own_thread(work)
    except KeyboardInterrupt:
        assert len(done) == 20
    else:
        pytest.fail("the interrupt was lost")


def test_an_interrupt_at_any_instant_leaves_nothing_at_work(interrupt: Interrupt):
    interrupted = 0
    for attempt in range(400):
        began, ended = threading.Event(), threading.Event()

        def work(began: threading.Event = began, ended: threading.Event = ended) -> None:
            began.set()
            time.sleep(0.001)
            ended.set()

        try:
            interrupt(2e-6 * (attempt + 1))
            on_own_thread(work)
            interrupt(0.0)
        except KeyboardInterrupt:
            interrupted += 1
            assert began.is_set() == ended.is_set()
    assert interrupted > 0


def test_held_back_raises_at_its_end_what_came_meanwhile(interrupt: Interrupt):
    reached: list[bool] = []

    def work() -> None:
        with held_back():
            signal.raise_signal(signal.SIGALRM)
            reached.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == [True]
