"""Removes a run's folder, and nothing that is not of a run."""

from __future__ import annotations

from pathlib import Path

from ..control.client import find_runs
from ..errors import HostError, InputError
from . import files
from .results import read_run_file

_FILES = (
    files.SUMMARY,
    f"{files.SAMPLES}.parquet",
    f"{files.PATH_CHANGES}.parquet",
    files.EVENTS,
    files.WINDOWS,
    files.PAIRS,
)
_FOLDERS = (files.SAMPLES, files.PATH_CHANGES)


def remove_run(path: Path | str) -> list[str]:
    """Remove the files of a run, and its folder if nothing else is in it; returns what was left in it.

    InputError for a folder that is no run, or whose run is under way.
    """
    path = Path(path)
    if path.is_symlink():
        raise InputError(f"is a link to {path.readlink()}; name the run's own folder", path=path)
    run = read_run_file(path)
    run_id = run.get("run_id")
    if isinstance(run_id, str) and run_id in find_runs():  # of a damaged record it may be anything
        raise InputError(f"run {run_id} is under way; end it first: orbitmesh down", path=path)
    try:
        for name in _FOLDERS:
            _remove_parts(path / name)
        for name in _FILES:
            (path / f".{name}.writing").unlink(missing_ok=True)
            (path / name).unlink(missing_ok=True)
        # last, so that a removal that was broken off can be taken up again
        (path / files.RUN).unlink()
        left = sorted(entry.name for entry in path.iterdir())
        if not left:
            path.rmdir()
    except OSError as error:
        raise HostError(f"cannot remove {error.filename or path}: {error.strerror}") from error
    return left


def _remove_parts(folder: Path) -> None:
    # a link in its place is not ours, and not followed
    if folder.is_symlink() or not folder.is_dir():
        return
    for part in [*folder.glob("part-*.parquet"), *folder.glob(".part-*.parquet.writing")]:
        part.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()
