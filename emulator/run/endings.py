"""How a run ends: signals while it does, and a summary also where no recorder is left to write one."""

from __future__ import annotations

import contextlib
import json
import logging
import signal
import threading
from collections.abc import Iterator
from typing import Any

from ..errors import OrbitmeshError
from ..reading import RECORD
from ..record import ending, files
from ..record.facts import RunFacts, RunHeader
from ..record.journal import note
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


def summarise_without_recorder(out: Folder, facts: RunFacts, header: RunHeader | None) -> dict[str, Any]:
    """Write what is known; empty, and said, where that is nothing or cannot be written.

    A recorder that died at once had not even written what is run: ``header`` says it.
    """
    from ..record.results import summary_without_recorder  # it reads tables: only here they are wanted

    try:
        if header is not None and not out.is_there(files.RUN):
            write_json(out, files.RUN, header.as_file())
        if not out.is_there(files.RUN):
            return {}  # it was refused before there was a record
        summary = summary_without_recorder(out.anchored, facts.to_dict())
        write_json(out, files.SUMMARY, summary)
        note(out, "ended", ended=summary["ended"], reason=summary["reason"])
    except OrbitmeshError as error:
        log.error("there is no summary of this run: %s", error)
        return {}
    log.warning("the recorder is gone; the summary holds what it had written until then")
    return summary


def tell_failure(out: Folder, summary: dict[str, Any], reason: str) -> None:
    """Of a run that failed: in its summary, where that was written before the failure was known.

    Where there is no record yet, none is begun for it.
    """
    if summary.get("ended") == "failed" or not out.is_there(files.RUN):
        return
    note(out, "ended", ended="failed", reason=reason)  # the last such line counts
    if not summary:
        ending.tell(out, "failed", reason)
        return
    from ..record.results import ended_otherwise

    ended_otherwise(summary, "failed", reason)
    try:
        write_json(out, files.SUMMARY, summary)
    except OrbitmeshError as error:
        log.error("the summary does not say that the run failed (%s): %s", reason, error)
        ending.tell(out, "failed", reason)


def release_ending(out: Folder, summary: dict[str, Any]) -> None:
    """The room for it, where the summary on the disk says how the run ended."""
    try:
        written = out.read(files.SUMMARY, RECORD.most_bytes)
        if json.loads(written)["ended"] == summary.get("ended"):
            ending.release(out)
    except (OSError, ValueError, LookupError, TypeError):
        return  # it says so itself, or whoever reads it finds that the run was broken off
