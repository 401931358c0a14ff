"""Files that people and other programs wrote: which may be read, how large, how deep, in which encoding.

Only a regular file is read (a FIFO would wait for a writer, a device never
end), up to the size that its kind states.  What is wrong is said by an error
of the kind's own type, with file and line.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .errors import ElementsError, InputError, ScenarioError
from .numbers import LARGEST_WHOLE, real, whole
from .safe_files import reach_file
from .shown import shown
from .toml_lines import key_lines, key_of, line_of

MiB = 2**20
MOST_DEPTH = 32  # tables and lists inside each other; a scenario needs 6
_MOST_KEY_PARTS = 32  # of a dotted key: tomllib's time is quadratic in them
_LONG_KEY = re.compile(r"^[ \t\[]*(?:[\w\"'-]+[ \t]*\.[ \t]*){%d}" % _MOST_KEY_PARTS, re.MULTILINE)  # noqa: UP031


@dataclass(frozen=True)
class Kind:
    """``what`` it is, how large it may be, and the type of the errors about it.

    ``is_ours``: written by orbitmesh, so that root follows no link of another user's to it.
    ``is_itself``: it never was a link, and whoever puts one in its place means another file to be read.
    """

    what: str
    most_bytes: int
    error: type[InputError] = InputError
    is_ours: bool = False
    is_itself: bool = False


SCENARIO = Kind("a scenario", 4 * MiB, ScenarioError)
ELEMENTS = Kind("a file of orbital elements", 256 * MiB, ElementsError)  # all that fly: 30 MiB of JSON
RECORD = Kind("the record of a run", 64 * MiB, is_ours=True, is_itself=True)  # run.json, summary.json
EVENTS = Kind("the events of a run", 512 * MiB, is_ours=True, is_itself=True)
CALIBRATION = Kind("a calibration", 4 * MiB, is_ours=True)
TABLE = Kind("a table of a run", 1024**2 * MiB, is_ours=True, is_itself=True)

_OTHER_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def what_instead(path: Path) -> str | None:
    """'a FIFO', 'a folder', … where the path leads to what is no regular file; OSError where to nothing."""
    return _what(path.stat().st_mode)


def _what(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return next((name for test, name in _OTHER_KINDS if test(mode)), "no regular file")


def open_regular(path: Path, kind: Kind) -> BinaryIO:
    """Open to read; FileNotFoundError goes on, since whoever asked knows better what to say of it.

    What is no regular file is not opened at all: to open a device can set it going.
    """
    try:
        found = _found(path, kind)
        try:
            about = os.fstat(found)
            other = _what(about.st_mode)
            if other is not None:
                raise kind.error(_not_regular(other, kind), path=path)
            if about.st_size > kind.most_bytes:
                raise kind.error(_too_large(kind), path=path)
            fd = os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        finally:
            os.close(found)
    except FileNotFoundError:
        raise
    except ValueError:  # a NUL in the name
        raise kind.error("the name holds a NUL, which no file's does: correct it", path=path) from None
    except OSError as error:
        raise kind.error(f"cannot read the file: {error.strerror}", path=path) from None
    return os.fdopen(fd, "rb")


def _found(path: Path, kind: Kind) -> int:
    is_careful = kind.is_ours and os.geteuid() == 0
    if not kind.is_itself:
        return reach_file(path) if is_careful else os.open(path, os.O_PATH | os.O_CLOEXEC)
    folder = reach_file(path.parent) if is_careful else os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        return os.open(path.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)


def _not_regular(other: str, kind: Kind) -> str:
    return f"this is {other}, and {kind.what} is read from a regular file: name one"


def _too_large(kind: Kind) -> str:
    return (
        f"the file is larger than {kind.most_bytes / MiB:.0f} MiB, the most for {kind.what}: make it smaller"
    )


def read_bytes(path: Path, kind: Kind) -> bytes:
    """All of a regular file; FileNotFoundError goes on."""
    with open_regular(path, kind) as file:
        try:
            data = file.read(kind.most_bytes + 1)
        except OSError as error:
            raise kind.error(f"cannot read the file: {error.strerror}", path=path) from None
    if len(data) > kind.most_bytes:  # it grew, or is one of the kernel's that state no size
        raise kind.error(_too_large(kind), path=path)
    return data


def read_text(path: Path, kind: Kind, *, utf16: bool = False, replace: bool = False) -> str:
    """UTF-8, with or without a byte order mark; ``utf16``: or that, which is told from its first bytes.

    ``replace``: bytes that are no UTF-8 become �, for formats of ASCII fields around a free text.
    """
    data = read_bytes(path, kind)
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif data[:2].strip(b"\0") and b"\0" in data[:2]:  # a first character of ASCII
        encoding = "utf-16-le" if data[1] == 0 else "utf-16-be"
    if encoding != "utf-8-sig" and not utf16:
        raise kind.error("the file is UTF-16 text: save it as UTF-8", path=path)
    try:
        return data.decode(encoding, "replace" if replace else "strict")
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise kind.error("the file is not UTF-8 text, nor UTF-16: save it as UTF-8", path=path) from None
        line = data.count(b"\n", 0, error.start) + 1
        raise kind.error("the file is not UTF-8 text: save it as UTF-8", path=path, line=line) from None


def parse_json(text: str, kind: Kind, path: Path | None = None) -> Any:
    """The value; numbers are bounded, NaN and depths beyond ``MOST_DEPTH`` refused."""
    decoder = json_decoder()
    try:
        value = decoder.decode(text)
        check_depth(value)
    except json.JSONDecodeError as error:
        raise kind.error(
            f"this is not valid JSON: {error.msg} at column {error.colno}",
            path=path,
            line=error.lineno,
        ) from None
    except (ValueError, RecursionError) as error:
        raise kind.error(sentence_of(error), path=path) from None
    return value


def json_decoder() -> json.JSONDecoder:
    """As ``parse_json`` reads; it raises ValueError, JSONDecodeError and RecursionError."""
    return json.JSONDecoder(parse_float=real, parse_int=whole, parse_constant=_no_number)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number: write one")


def sentence_of(error: Exception) -> str:
    """What a decoder's ValueError or RecursionError means to whoever wrote the file."""
    return _TOO_DEEP if isinstance(error, RecursionError) else str(error)


_TOO_DEEP = f"lists or tables stand in each other more than {MOST_DEPTH} deep: make it flatter"


def check_depth(value: Any) -> None:
    """RecursionError where lists and objects stand in each other more than ``MOST_DEPTH`` deep."""
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [each for one in level for each in _members(one) if isinstance(each, list | dict)]
        if not level:
            return
    raise RecursionError(_TOO_DEEP)


def _members(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def parse_toml(text: str, kind: Kind, path: Path | None = None) -> dict[str, Any]:
    """The table; ``kind.error`` with the line for what is too deep, or a number too large for TOML.

    ``tomllib.TOMLDecodeError`` goes on.
    """
    long_key = _LONG_KEY.search(text)
    if long_key is not None:
        line = text.count("\n", 0, long_key.start()) + 1
        raise kind.error(
            f"this key has more than {_MOST_KEY_PARTS} parts: make it shorter", path=path, line=line
        )
    try:
        found = tomllib.loads(text, parse_float=_toml_float)
        check_depth(found)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise kind.error(_TOO_DEEP, path=path) from None
    except ValueError as error:  # 4,300 digits, or a date such as 2026-02-30
        digits = re.search(r"[\d_]{400,}", text)
        where = None if digits is None else text.count("\n", 0, digits.start()) + 1
        said = str(error) if digits is None else "this number is too large: write one below 2^63"
        raise kind.error(said, path=path, line=where) from None
    for location, value in _wholes(found):
        if abs(value) > LARGEST_WHOLE:
            raise kind.error(
                f"{shown(value)} is too large a number: write one below 2^63",
                path=path,
                line=line_of(key_lines(text), location),
                key=key_of(location),
            )
    return found


def _toml_float(text: str) -> float:
    plain = text.replace("_", "")
    return float(plain) if plain.lstrip("+-") in ("inf", "nan") else real(plain)


def _wholes(value: Any) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """All whole numbers of a value that is not too deep, with their places."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        if isinstance(each, list | dict):
            for location, number in _wholes(each):
                yield (key, *location), number
        elif isinstance(each, int):
            yield (key,), each
