"""Runs that a folder holds, each in a line: read no further than is needed to say how it ended."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..control.client import find_runs
from ..errors import InputError
from ..reading import RECORD, parse_json, read_text
from ..shown import plain
from . import ending, files, shape
from .results import read_run_file

DAMAGED = "damaged"


@dataclass(frozen=True)
class Listed:
    """``ended``: completed, interrupted, failed, killed, running, or damaged, with the reason.

    Of a damaged one ``run_id`` is the folder's name, and what it does not say is None.
    """

    run_id: str
    scenario: str | None
    began_utc: str | None
    ended: str
    reason: str | None
    size_bytes: int
    path: Path


def listed(runs: Path) -> list[Listed]:
    """Newest first, damaged ones last; InputError where there is no such folder.  Links are not followed."""
    try:
        folders = sorted(entry.name for entry in os.scandir(runs) if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise InputError(f"{error.strerror}: name a folder of runs", path=runs) from None
    running = set(find_runs())
    found = [_listed(runs / name, running) for name in folders]
    return sorted(found, key=lambda each: (each.began_utc is not None, each.began_utc or ""), reverse=True)


def _listed(path: Path, running: set[str]) -> Listed:
    size_bytes = 0
    try:
        size_bytes = sum(_sizes(path))
        run = read_run_file(path)
        if (wrong := shape.problem(run, _NEEDED)) is not None:
            raise InputError(wrong, path=path / files.RUN)
        ended, reason = _ended(path, run["run_id"] in running)
    except (InputError, OSError) as error:  # one that may not be read hides no other
        why = str(error) if isinstance(error, InputError) else f"{path}: {error.strerror}"
        return Listed(plain(path.name), None, None, DAMAGED, plain(why, 300), size_bytes, path)
    return Listed(
        plain(run["run_id"]), plain(run["scenario"]["name"]), plain(run["began_utc"]), ended, reason,
        size_bytes, path,
    )  # fmt: skip


def _ended(path: Path, is_running: bool) -> tuple[str, str | None]:
    """Told where it could not be in the summary, in the summary, or by nobody."""
    for name in (files.ENDING, files.SUMMARY):
        if not (path / name).exists():
            continue
        if name == files.ENDING:
            if (told := ending.told(path / name)) is not None:
                return told
            continue
        summary = parse_json(read_text(path / name, RECORD), RECORD, path / name)
        if (wrong := shape.problem(summary, {"ended": str})) is not None:
            raise InputError(wrong, path=path / name)
        return plain(summary["ended"]), plain(str(summary.get("reason") or ""), 300) or None
    if is_running:
        return "running", None
    return "killed", "it did not end in order"


def _sizes(path: Path) -> Iterator[int]:
    for folder, _, names, fd in os.fwalk(path, onerror=None):
        del folder
        for name in names:
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except OSError:
                continue  # removed meanwhile
            if stat.S_ISREG(status.st_mode):
                yield status.st_size


_NEEDED = {"run_id": str, "began_utc": str, "scenario": {"name": str}}
