"""How a run ends: signals while it does, and a summary also where no recorder is left to write one."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any

from ..errors import OrbitmeshError
from ..record import files
from ..record.facts import RunFacts
from ..record.writer import write_json
from ..safe_files import Folder

log = logging.getLogger(__name__)


@contextlib.contextmanager
def signals_noted() -> Iterator[None]:
    """Ctrl-C while ending says that it is ending, instead of breaking it off half-way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(*_: object) -> None:
        log.warning("ending; the record is being written")

    before = {
        number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summarise_without_recorder(out: Folder, facts: RunFacts) -> dict[str, Any]:
    """Write what is known; empty, and said, where that is nothing or cannot be written."""
    from ..record.results import summary_without_recorder  # it reads tables: only here they are wanted

    try:
        summary = summary_without_recorder(out.anchored, facts.to_dict())
        write_json(out, files.SUMMARY, summary)
    except OrbitmeshError as error:
        log.error("there is no summary of this run: %s", error)
        return {}
    log.warning("the recorder is gone; the summary holds what it had written until then")
    return summary


def tell_failure(out: Folder, summary: dict[str, Any], reason: str) -> None:
    """In a summary that was written before the failure was known."""
    if summary["ended"] == "failed":
        return
    summary.update(ended="failed", reason=reason, trusted=False)
    summary["doubts"] = [f"the run failed: {reason}", *summary["doubts"]]
    try:
        write_json(out, files.SUMMARY, summary)
    except OrbitmeshError as error:
        log.error("the summary does not say that the run failed (%s): %s", reason, error)
