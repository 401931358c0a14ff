"""Be a lesser user than root from here on, where that one can read what is still needed."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .callers import who_called
from .processes import CAP_SETGID, CAP_SETUID, keep_capabilities

NOBODY = 65534
_PR_SET_DUMPABLE = 4
_MOST_LOOKED_AT = 10_000
#: Of this program and its libraries, which are loaded when they are first used.
PROGRAM = (Path(os.__file__), Path(np.__file__), Path(__file__))

_libc = ctypes.CDLL(None, use_errno=True)


def become_lesser(folder: Path) -> str | None:
    """Of root who only reads what is in a folder from here on; before there is a second thread.

    The user who called sudo, else the folder's owner, else nobody.  Returns what that one cannot read, where
    there is such a thing: then nothing has changed.  Does nothing for who is not root.
    """
    if os.geteuid() != 0:
        return None
    uid, gid = _who(folder)
    if (kept := _unreadable(uid, gid, folder)) is not None:
        return f"user {uid} cannot read {kept}"
    keep_capabilities((CAP_SETUID, CAP_SETGID))
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)  # and with it the last privileges go
    _own_again()
    return None


def _who(folder: Path) -> tuple[int, int]:
    called, owner = who_called(), folder.stat()
    if called is not None and called[0] != 0:
        return called
    return (owner.st_uid, owner.st_gid) if owner.st_uid != 0 else (NOBODY, NOBODY)


def _unreadable(uid: int, gid: int, folder: Path) -> str | None:
    """The first path of those that are needed that the user cannot read; tried as that user."""
    groups = os.getgroups()
    try:
        os.setgroups([])
        os.setegid(gid)
        os.seteuid(uid)
        _own_again()
        return next((str(path) for path in _needed(folder) if not _may_read(path)), None)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)
        _own_again()


def _needed(folder: Path) -> Iterator[Path]:
    yield from (*PROGRAM, folder)
    for n, path in enumerate(sorted(folder.rglob("*"))):
        if n >= _MOST_LOOKED_AT:
            return
        if not path.is_symlink():
            yield path


def _may_read(path: Path) -> bool:
    try:
        mode = os.R_OK | (os.X_OK if stat.S_ISDIR(path.stat().st_mode) else 0)
    except OSError:
        return False
    return os.access(path, mode, effective_ids=True)


def _own_again() -> None:
    """Linux gives a process's files in /proc to root when its user changes, and records are reached there."""
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
