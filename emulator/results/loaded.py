"""A run's folder, read for a program: its summary and its tables, and what of them is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..errors import InputError
from ..reading import RECORD, parse_json, read_text
from ..record import files, soundness
from ..record.results import load_run
from ..run_names import is_run_id
from ..shown import plain
from .tables import frame, lacking, paths_of, read, tables

if TYPE_CHECKING:
    import pandas as pd

_MARKING = {"sound", "doubt", "sent_mono_ns", "done_mono_ns"}


@dataclass
class Results:
    """``summary`` as in summary.json and ``header`` as in run.json; empty where nothing of it can be read.

    The summary of a run that has not ended in order is made anew.

    ``format`` is the record's, None where it is not known.  Tables are read when they are asked for.
    """

    path: Path
    run_id: str
    format: int | None
    version: str
    summary: dict[str, Any] = field(repr=False)
    is_finished: bool
    header: dict[str, Any] = field(repr=False)
    _missing: list[str] = field(repr=False)
    _windows: tuple[soundness.Window, ...] = field(default=(), repr=False)

    @property
    def missing(self) -> tuple[str, ...]:
        """Sentences: what is damaged, absent or of another version, as far as it has been looked at."""
        return tuple(self._missing)

    @property
    def about(self) -> dict[str, str]:
        """What the tables' schemas say of the run."""
        told = {"orbitmesh_run_id": self.run_id, "orbitmesh_version": self.version}
        told["orbitmesh_format"] = "" if self.format is None else str(self.format)
        return {key: value for key, value in told.items() if value}

    def table(self, name: str, columns: Sequence[str] | None = None, *, is_encoded: bool = False) -> pa.Table:
        """By its name: one of ``orbitmesh.results.tables()``.  No rows where the scenario has none of it.

        ``columns``: those alone, in a third of the time.  ``is_encoded``: their texts as Arrow's
        dictionaries, without what their schema says of them.
        """
        if columns is not None and is_encoded:
            return self._encoded(name, columns)
        found = read(self.path, name, self.about, columns)
        self._missing += [sentence for sentence in found.missing if sentence not in self._missing]
        if name == files.SAMPLES and {*found.table.schema.names} >= _MARKING:
            return soundness.with_marks(found.table, self._windows).cast(found.table.schema)
        return found.table

    def _encoded(self, name: str, columns: Sequence[str]) -> pa.Table:
        marks = name == files.SAMPLES and bool({"sound", "doubt"}.intersection(columns))
        wanted = dict.fromkeys([*columns, *(sorted(_MARKING) if marks else ())])
        found = read(self.path, name, self.about, list(wanted), is_encoded=True)
        self._missing += [sentence for sentence in found.missing if sentence not in self._missing]
        table = found.table
        if marks and {*table.schema.names} >= _MARKING:
            table = soundness.with_marks(table, self._windows)
        return table.select([column for column in columns if column in table.schema.names])

    def frame(self, name: str) -> pd.DataFrame:
        """The same for pandas; units and meanings in ``attrs``.  HostError where it is not installed."""
        return frame(self.table(name))

    def samples(self) -> pa.Table:
        """A row for each measurement."""
        return self.table(files.SAMPLES)

    def answers(self) -> pa.Table:
        """A row for each request of a customer."""
        return self.table(files.ANSWERS)


def load(run: Path | str) -> Results:
    """A run by its folder, or its id in ./runs; also one that is under way, was killed, or is damaged.

    InputError only where there is nothing of a run.
    """
    path = _folder_of(run)
    header, missing = _header(path), list[str]()
    summary: dict[str, Any] = {}
    finished = False
    windows: tuple[soundness.Window, ...] = ()
    try:
        results = load_run(path)
        summary, finished, windows = results.summary, results.is_finished, results.windows
        missing += results.notes
    except InputError as error:
        missing.append(f"no summary: {error}")
    if not header and not any(paths_of(path, name) for name in tables()):
        raise InputError(f"holds nothing of a run: {'; '.join(missing)}", path=path)
    form = header.get(files.MARKER)
    machine = header.get("machine")
    version = machine.get("orbitmesh") if isinstance(machine, dict) else None
    told = (sentence for name in tables() for sentence in lacking(path, name))
    missing += files.not_yet_said(told, missing)
    return Results(
        path,
        plain(header["run_id"]) if isinstance(header.get("run_id"), str) else "",
        form if isinstance(form, int) and not isinstance(form, bool) else None,
        plain(version) if isinstance(version, str) else "",
        summary,
        finished,
        header,
        missing,
        windows,
    )


def _folder_of(run: Path | str) -> Path:
    path = Path(run)
    if isinstance(run, str) and is_run_id(run) and not os.path.isdir(path):  # noqa: PTH112 - False, never an error
        path = Path("runs", run)
    if not os.path.isdir(path):  # noqa: PTH112 - likewise
        raise InputError(
            "is not a folder; name one that orbitmesh run wrote, such as runs/<run id>", path=path
        )
    return path


def _header(path: Path) -> dict[str, Any]:
    """run.json as far as it can be read; what is wrong with it, ``load_run`` says."""
    try:
        value = parse_json(read_text(path / files.RUN, RECORD), RECORD, path / files.RUN)
    except (FileNotFoundError, InputError):
        return {}
    return value if files.is_run(value) else {}
