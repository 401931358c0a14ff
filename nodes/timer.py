"""A timer of the kernel for an event loop: asyncio's own rounds up to a whole millisecond."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import time
from collections.abc import Callable

_TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME = 0o4000, 0o2000000, 1
_NS_PER_S = 1_000_000_000
_libc = ctypes.CDLL(None, use_errno=True)


class Timer:
    """Calls back once, at an instant of CLOCK_MONOTONIC; setting it anew forgets the one before."""

    def __init__(self, fire: Callable[[], None]) -> None:
        self._fire = fire
        self._fd: int = _libc.timerfd_create(time.CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), f"timerfd_create: {os.strerror(ctypes.get_errno())}")
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._expired)

    def set(self, mono_ns: int) -> None:
        """An instant that has passed fires at once."""
        self._set(max(1, mono_ns))

    def clear(self) -> None:
        self._set(0)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _set(self, mono_ns: int) -> None:
        value = struct.pack("qqqq", 0, 0, mono_ns // _NS_PER_S, mono_ns % _NS_PER_S)
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, value, None) != 0:
            raise OSError(ctypes.get_errno(), f"timerfd_settime: {os.strerror(ctypes.get_errno())}")

    def _expired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # set anew in the meantime
        self._fire()
