"""Signals that have to wait for a stretch of code to end."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class held_back:  # noqa: N801 - reads as what it does: with held_back()
    """In the block what would unwind the main thread (Ctrl-C) waits; it does so at the block's end.

    For what cannot bear an exception between any two instructions: Python's own threads, for one.
    ``Thread.join``, interrupted, takes a thread that still works for one that has ended, and
    ``Thread.start`` may leave a lock behind (Python 3.11).  Nothing on other threads, where no
    handler runs.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._noted: list[int] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        try:
            for number in ENDING:
                if callable(
                    signal.getsignal(number)
                ):  # not what is ignored, nor what ends the process at once
                    self._before[number] = signal.getsignal(number)
                    signal.signal(number, self._note)
        except BaseException:
            self._put_back()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        interrupt = self._put_back()
        for number in self._noted:
            signal.raise_signal(number)
        if interrupt is not None:
            raise interrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)

    def _put_back(self) -> KeyboardInterrupt | None:
        """What a handler that is back already has raised before all are."""
        interrupt = None
        while self._before:
            try:
                number, handler = next(iter(self._before.items()))
                signal.signal(number, handler)
                del self._before[number]
            except KeyboardInterrupt as error:
                interrupt = error
        return interrupt
