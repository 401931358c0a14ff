"""What happened in a run, line by line (``events.jsonl``), and what failed it: told once of each kind.

The first of them is in ``ending.json`` too, which no full disk can refuse.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from ..errors import FailureError, HostError, RunError
from ..safe_files import Folder
from . import ending, files
from .facts import utc_text
from .writer import append_lines

T = TypeVar("T")
Fault = Callable[[FailureError], None]


def note(out: Folder, event: str, **more: Any) -> None:
    """A line more of ``events.jsonl``."""
    # the disk that refuses this line has refused the samples too, and that is reported
    with contextlib.suppress(HostError):
        append_lines(out, files.EVENTS, {"host_utc": utc_text(datetime.now(UTC)), "event": event} | more)


class Journal:
    """Of a record that is open; ``on_fault`` is told at once."""

    def __init__(self, out: Folder, on_fault: Fault) -> None:
        self._out, self._on_fault = out, on_fault
        self._faults: set[type[FailureError]] = set()
        self.failure: FailureError | None = None  # the first fault, which failed the run

    @property
    def n_faults(self) -> int:
        """Kinds of them."""
        return len(self._faults)

    def event(self, event: str, **more: Any) -> None:
        note(self._out, event, **more)

    def fault(self, error: FailureError) -> None:
        if type(error) in self._faults:
            return
        self._faults.add(type(error))
        self._on_fault(error)
        if self.failure is None:
            self.failure = error
            ending.tell(self._out, "failed", str(error))
        self.event("fault", text=str(error))

    def ended(self, ended: str, reason: str) -> None:
        """As the summary says; but where that could not be written the run has failed."""
        if ended != "failed" and self.failure is not None:
            ended, reason = "failed", str(self.failure)
        self.event("ended", ended=ended, reason=reason)

    def look(self, ask: Callable[[], T]) -> T | None:
        """None where the epochs contradict themselves: that fails the run, and the record goes on."""
        try:
            return ask()
        except RunError as error:
            self.fault(error)
            return None

    def write(self, write: Callable[[], None]) -> None:
        """A disk that refuses fails the run, and what else can be written is."""
        try:
            write()
        except HostError as error:
            self.fault(error)
