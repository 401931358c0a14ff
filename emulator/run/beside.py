"""A process beside the run that serves others: when it dies the mesh goes on, and it is started again."""

from __future__ import annotations

import logging
import os
import threading
import time
from multiprocessing.connection import wait
from typing import Any

from ..errors import FailureError
from ..processes import Child

log = logging.getLogger(__name__)

_LEAST_AGAIN_S, _MOST_AGAIN_S = 0.2, 10.0  # between starts of one that dies at once
_LIVED_S = 5.0
_GRACE_S = 5.0


class Beside:
    """From now on until ``close``.  It is started when something can be read from any of the sources; at once
    where there are none.
    """

    name = ""

    def __init__(self, *sources: Any) -> None:
        self._sources = sources
        self._closing, self._wake = os.pipe2(os.O_CLOEXEC)
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def start(self) -> Child:
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """Of its process, while there is one."""
        child = self._child
        return None if child is None else child.pid

    def close(self) -> None:
        """Safe to call twice."""
        if self._wake >= 0:
            os.close(self._wake)
            self._thread.join()
            os.close(self._closing)
            self._wake = -1

    def _run(self) -> None:
        again_s = _LEAST_AGAIN_S
        try:
            while self._closing not in wait(
                [self._closing, *self._sources], timeout=None if self._sources else 0
            ):
                began_s = time.monotonic()
                if self._start_and_wait():
                    return
                again_s = _LEAST_AGAIN_S if time.monotonic() - began_s > _LIVED_S else again_s
                if wait([self._closing], timeout=again_s):
                    return
                again_s = min(2 * again_s, _MOST_AGAIN_S)
        except Exception:
            # the mesh goes on, and so do the door and all verbs that use it
            log.exception("%s cannot be called any more", self.name)

    def _start_and_wait(self) -> bool:
        """Until it has ended; True where the run ends, and so has it."""
        try:
            self._child = child = self.start()
        except (FailureError, OSError) as error:
            log.warning("the process of %s cannot be started: %s", self.name, error)
            return False
        try:
            is_closing = self._closing in wait([child.control, self._closing])
        finally:
            child.stop(_GRACE_S)
            self._child = None
        if not is_closing and child.process.returncode != 0:
            log.warning(
                "the process of %s died (%s); the mesh goes on, and it is started again",
                self.name,
                child.ended(),
            )
        return is_closing
