"""Who was started and is watched, and what ends the run: the one place where a death is noticed."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any, TypeVar

from ..errors import ProcessDied, RunError
from ..priority import First
from ..processes import Child, start_child
from ..stopped import is_stopped, let_go_on

T = TypeVar("T")

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
_SOON_S = 3.0  # who has not answered by then may be stopped


class Supervision:
    """``start`` children, say what is to be heard of each, ``watch``; ``stop_watching`` before ``stop``.

    The first failure, whoever finds it, ends the run, and one that comes while it ends is its failure too.
    A child that ends has died, from its start until ``stop_watching``, unless ``may_end`` was said of it.
    """

    def __init__(self) -> None:
        self.ended = threading.Event()  # the run is over, for whatever reason
        self.failure: BaseException | None = None
        self.children: list[Child] = []
        self._hear: dict[Any, tuple[Child, Callable[[], None]]] = {}
        self._may_end: set[str] = set()
        self._at_death: list[Callable[[Child], None]] = []
        self._others: list[Callable[[], str | None]] = []
        self._helper: Callable[[], int | None] = lambda: None
        self._on_stopped: Callable[[str], None] | None = None  # while the run ends
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    # ---- what is watched

    def start(
        self,
        name: str,
        module: str,
        samples: socket.socket | None = None,
        *,
        folder_fd: int | None = None,
        pickles: bool = True,
    ) -> Child:
        handed = {
            "--samples-fd": None if samples is None else samples.fileno(),
            "--folder-fd": folder_fd,
        }
        arguments = [word for name, fd in handed.items() if fd is not None for word in (name, str(fd))]
        fds = [fd for fd in handed.values() if fd is not None]
        child = start_child(name, module, arguments=arguments, pass_fds=fds, pickles=pickles, forked=True)
        self.children.append(child)
        return child

    def hear(self, child: Child, handle: Callable[[], None]) -> None:
        """``handle`` is called when the child has sent something; it raises EOFError when it has gone."""
        self._hear[child.control] = (child, handle)

    def at_death(self, do: Callable[[Child], None]) -> None:
        """Of any child, at any time: for what waits for an answer that will not come."""
        self._at_death.append(do)

    def may_end(self, child: Child) -> None:
        """It has done all it had to."""
        self._may_end.add(child.name)

    def watch_over(self, failure: Callable[[], str | None], pid: Callable[[], int | None]) -> None:
        """What is not a child with a socket to us: ``failure()`` says why it no longer works, or None.

        ``pid``: of its process, where it is one.
        """
        self._others.append(failure)
        self._helper = pid

    def watch(self) -> None:
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._watcher.start()

    # ---- how the run goes

    def fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
            self.ended.set()

    def check(self) -> None:
        if self.failure is not None:
            raise self.failure

    def answer(self, source: queue.Queue[T], timeout_s: float, what: str) -> T:
        """The next of a queue; raises what fails the run meanwhile."""
        began = time.monotonic()
        told: set[int] = set()
        while (waited_s := time.monotonic() - began) < timeout_s:
            self.check()
            with contextlib.suppress(queue.Empty):
                return source.get(timeout=0.05)
            for child in self.children if waited_s > _SOON_S else ():
                if child.pid not in told and is_stopped(child.pid):
                    told.add(child.pid)
                    log.warning(
                        "the %s process is stopped, and waited for: kill -CONT %d", child.name, child.pid
                    )
        self.check()
        raise RunError(f"{what} did not answer within {timeout_s:.0f} s; is the machine overloaded?")

    # ---- the end

    def let_all_go_on(self, on_stopped: Callable[[str], None]) -> None:
        """Who is stopped from now on would be waited for, and killed with what it knows; a sentence each."""
        self._on_stopped = on_stopped
        self._look_for_stopped()

    def _look_for_stopped(self) -> None:
        if self._on_stopped is None:
            return
        pids = {f"the {child.name} process": child.pid for child in self.children if child.ended() is None}
        if (pid := self._helper()) is not None:
            pids["the link engine"] = pid
        for who, pid in pids.items():
            if let_go_on(pid):
                self._on_stopped(
                    f"{who} (pid {pid}) was stopped when the run ended, and was let go on for it"
                )

    def stop_watching(self) -> None:
        self._closing.set()
        if (
            self._watcher is not None and self._watcher.ident is not None
        ):  # a signal may come before its start
            self._watcher.join()
            self.look()  # what happened since its last look

    # ---- the watcher's thread

    def _watch(self) -> None:
        try:
            first = First()
            while not self._closing.is_set():
                first.worked()
                self._look_at_children()
                self.look()
                self._look_for_stopped()
        except BaseException as error:  # a run that nobody watches must not go on
            self.fail(error)

    def look(self) -> None:
        """At what is not a child; may be called from the thread that ends the run too."""
        for failure in list(self._others):
            if (reason := failure()) is not None:
                self.fail(ProcessDied(reason))

    def _look_at_children(self) -> None:
        for source in wait(list(self._hear), timeout=_LOOK_EVERY_S):
            child, handle = self._hear[source]
            try:
                handle()
            except (EOFError, ConnectionError):
                del self._hear[source]
                self._died(child)
            except BaseException as error:  # never watch on half-blind
                del self._hear[source]
                self.fail(error)

    def _died(self, child: Child) -> None:
        with contextlib.suppress(Exception):
            child.process.wait(2.0)
        if child.name not in self._may_end:
            self.fail(
                ProcessDied(f"the {child.name} process died: {child.ended() or 'it closed its socket'}")
            )
        for do in self._at_death:
            do(child)
