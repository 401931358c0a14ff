"""Room on the disk for how a run ended, taken when its record is opened: no full disk can refuse it.

``ending.json`` is written in place, in the page that it has; it goes once the summary says the same.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from ..errors import InputError, OrbitmeshError
from ..reading import RECORD, parse_json, read_text
from ..safe_files import Folder
from ..shown import plain
from . import files
from .shape import ENDING, problem
from .writer import write_whole

ROOM_BYTES = 4096  # a page, which is what file systems count in
_LESS_CHARACTERS = 32


def reserve(record: Folder) -> None:
    """HostError where there is no room."""
    write_whole(record, files.ENDING, _padded({}))


def tell(record: Folder, ended: str, reason: str) -> bool:
    """Into the room that was taken; False where that is gone, or cannot be written."""
    cut = reason
    while len(text := json.dumps({"ended": ended, "reason": cut})) >= ROOM_BYTES:
        cut = cut[:-_LESS_CHARACTERS]
    with contextlib.suppress(OSError):
        record.overwrite(files.ENDING, _padded(json.loads(text)))
        return True
    return False


def release(record: Folder) -> None:
    """It is told elsewhere."""
    with contextlib.suppress(OSError):  # a file more, which says what is true
        record.remove(files.ENDING)


def told(file: Path) -> tuple[str, str] | None:
    """``ended`` and ``reason``, where it says any; InputError: it is damaged."""
    value: Any = parse_json(read_text(file, RECORD), RECORD, file)
    if value == {}:
        return None
    if (wrong := problem(value, ENDING)) is not None:
        raise InputError(wrong, path=file)
    return plain(value["ended"]), plain(value["reason"], ROOM_BYTES)


def failure_of(record: Path) -> str | None:
    """Why a run that has ended failed, by its record; None where it did not, or the record cannot say."""
    for name in (files.ENDING, files.SUMMARY):  # the first is there only where the second could not be told
        try:
            value: Any = parse_json(read_text(record / name, RECORD), RECORD, record / name)
        except (OSError, OrbitmeshError):
            continue
        if isinstance(value, dict) and value.get("ended") == "failed":
            return plain(str(value.get("reason", "")))
    return None


def _padded(value: dict[str, str]) -> bytes:
    return json.dumps(value).ljust(ROOM_BYTES - 1).encode() + b"\n"
