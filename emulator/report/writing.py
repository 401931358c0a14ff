"""A report written to a file: whole or not at all, through no link, over nothing but an earlier one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import FailureError, InputError
from ..safe_files import Folder
from ..shown import plain
from . import as_json, html, markdown

_MARKERS = tuple(each.encode() for each in (html.MARKER, markdown.MARKER, f'"{as_json.MARKER}"'))
_LOOKED_AT = 4096  # bytes: each marker stands among the first


def check(path: Path, key: str, markers: Sequence[bytes] = _MARKERS) -> None:
    """InputError where ``write`` would refuse it, ``key`` being the option that named it."""
    with _reached(path, key, markers):
        pass


def write(path: Path, text: str, key: str, markers: Sequence[bytes] = _MARKERS) -> int:
    """How many bytes; InputError where something else is there: a file that has none of the ``markers``."""
    data = text.encode(errors="backslashreplace")
    with _reached(path, key, markers) as folder, folder.replacing(path.name, for_caller=True) as file:
        file.write(data)
    return len(data)


@contextmanager
def _reached(path: Path, key: str, markers: Sequence[bytes]) -> Iterator[Folder]:
    shown = plain(str(path), 4096)
    if str(path) == "-":
        raise InputError("- is stdout elsewhere, where a table goes here: name a file", key=key)
    if path.name in ("", ".."):
        raise InputError(f"{shown} names no file: write one, as report.html", key=key)
    try:
        with Folder.reach(path.parent) as folder:
            _refuse_what_is_no_report(folder, path.name, shown, key, markers)
            yield folder
    except FileNotFoundError:
        raise InputError(f"cannot write {shown}: there is no such folder", key=key) from None
    except OSError as error:
        raise FailureError(f"cannot write {shown}: {error.strerror}") from error


def _refuse_what_is_no_report(
    folder: Folder, name: str, shown: str, key: str, markers: Sequence[bytes]
) -> None:
    if not folder.is_there(name):
        return
    if (other := folder.other_than_file(name)) is not None:
        raise InputError(f"{shown} is {other}: name a file of its own", key=key)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=folder.fd), "rb") as file:
        head = file.read(_LOOKED_AT)
    if not any(marker in head for marker in markers):
        raise InputError(
            f"{shown} is there already, and is no report of orbitmesh: name another file, or remove it",
            key=key,
        )
