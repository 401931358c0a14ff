"""Removes a run's folder, and nothing that is not of a run."""

from __future__ import annotations

import fnmatch
from pathlib import Path

from ..control.client import find_runs
from ..errors import HostError, InputError
from ..run_names import LOG_NAME
from ..safe_files import Folder, temporary_name
from . import files
from .results import read_run_file
from .scenario_kept import is_kept

_FILES = (
    files.SUMMARY,
    f"{files.SAMPLES}.parquet",
    f"{files.PATH_CHANGES}.parquet",
    f"{files.HANDOVERS}.parquet",
    f"{files.COURSE}.parquet",
    f"{files.PLATFORMS}.parquet",
    f"{files.ANSWERS}.parquet",
    f"{files.LINKS}.parquet",
    f"{files.TRAINING}.parquet",
    files.EVENTS,
    files.ENDING,
    files.WINDOWS,
    files.PAIRS,
    LOG_NAME,
)
_FOLDERS = (
    files.SAMPLES, files.PATH_CHANGES, files.HANDOVERS, files.COURSE, files.PLATFORMS, files.ANSWERS,
    files.LINKS, files.TRAINING,
)  # fmt: skip
_PART = "part-*.parquet"


def remove_run(path: Path | str) -> list[str]:
    """Remove the files of a run, and its folder if nothing else is in it; returns what was left in it.

    InputError for a folder that is no run, or whose run is under way.  A link in a file's place is removed
    itself; what it leads to stays.
    """
    path = Path(path)
    if path.is_symlink():
        raise InputError(f"is a link to {path.readlink()}; name the run's own folder", path=path)
    run = read_run_file(path)
    run_id = run.get("run_id")
    if isinstance(run_id, str) and run_id in find_runs():  # of a damaged record it may be anything
        raise InputError(f"run {run_id} is under way; end it first: orbitmesh down", path=path)
    try:
        with Folder.open(path) as folder:
            if folder.is_link(files.RUN):
                raise InputError("is a link, and no run's own file: remove it by hand", path=path / files.RUN)
            for name in _FOLDERS:
                _remove_parts(folder, name)
            for name in _FILES:
                _remove_file(folder, temporary_name(name))
                _remove_file(folder, name)
            for name in filter(is_kept, folder.names()):
                _remove_file(folder, name)
            # last, so that a removal that was broken off can be taken up again
            folder.remove(files.RUN)
            left = folder.names()
            if not left:
                folder.remove_itself()
    except OSError as error:
        raise HostError(f"cannot remove {error.filename or path}: {error.strerror}") from error
    return left


def _remove_parts(record: Folder, name: str) -> None:
    if not record.is_there(name):
        return
    if not record.is_folder(name):
        record.remove(name)
        return
    with record.child(name) as folder:
        for part in folder.names():
            if fnmatch.fnmatchcase(part, _PART) or fnmatch.fnmatchcase(part, temporary_name(_PART)):
                _remove_file(folder, part)
        is_empty = not folder.names()
    if is_empty:
        record.remove_folder(name)


def _remove_file(folder: Folder, name: str) -> None:
    """A folder in a file's place is none of the run's, and stays."""
    if not folder.is_folder(name):
        folder.remove(name)
