"""Traces of requests, as people publish them: CSV with a header, a row each.

Azure's: ``TIMESTAMP,ContextTokens,GeneratedTokens``, the multimodal one with ``NumImages`` too; and
``arrival_s,input_tokens,output_tokens``.  A column ``image_bytes`` says how large all images of a request
are together; no public trace has it.  Rows may be out of order, as public ones are: they are sorted.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from orbitmesh.wire.limits import MAX_SERVED_PROMPT_BYTES
from orbitmesh.wire.load import Trace

from ..constants import NS_PER_S
from ..errors import InputError
from ..numbers import real, whole
from ..reading import Kind, MiB, read_text
from ..shown import shown

TRACE = Kind("a trace of requests", 256 * MiB)
MOST_REQUESTS = 200_000
MOST_TOKENS = 1_000_000

# columns by what they hold, in lower case
_COLUMNS = {
    "arrival": ("timestamp", "arrival_s"),
    "prompt": ("contexttokens", "input_tokens"),
    "output": ("generatedtokens", "output_tokens"),
    "images": ("numimages", "images"),
    "image_bytes": ("imagebytes", "image_bytes"),
}
_INSTANT = re.compile(r"(?P<second>.*?)(?:\.(?P<fraction>\d{1,12}))?(?P<offset>Z|[+-]\d\d:?\d\d)?")


def read_trace(path: Path) -> Trace:
    """InputError with file and line where a row is not what its column says."""
    lines = _lines(path, read_text(path, TRACE))
    try:
        header = [name.strip().lower() for name in next(lines)[1]]
    except StopIteration:
        raise InputError("is empty: a trace begins with the names of its columns", path=path) from None
    at = {what: header.index(name) for what, names in _COLUMNS.items() for name in names if name in header}
    for what in ("arrival", "prompt", "output"):
        if what not in at:
            raise InputError(
                f"has no column {' or '.join(_COLUMNS[what])}: it names {shown(','.join(header))}",
                path=path, line=1,
            )  # fmt: skip
    rows = []
    for line, row in lines:
        if not row:
            continue
        if len(row) != len(header):
            raise InputError(f"has {len(row)} values, the header {len(header)}", path=path, line=line)
        try:
            arrival_ns = _instant_ns(row[at["arrival"]])
            prompt, output = (_tokens(row[at[what]]) for what in ("prompt", "output"))
            images = 0 if "images" not in at else _count(row[at["images"]], 0, 10_000, "images")
            image_bytes = 0
            if "image_bytes" in at:
                image_bytes = _count(row[at["image_bytes"]], 0, MAX_SERVED_PROMPT_BYTES, "bytes of images")
            if "image_bytes" in at and "images" in at and (images == 0) != (image_bytes == 0):
                raise ValueError(f"{images} images have {image_bytes} bytes: both are 0, or neither")
        except ValueError as error:
            raise InputError(str(error), path=path, line=line) from None
        rows.append((arrival_ns, prompt, output, images, image_bytes))
        if len(rows) > MOST_REQUESTS:
            raise InputError(
                f"holds more than {MOST_REQUESTS:,} requests: cut it to those of the run",
                path=path,
                line=line,
            )
    if not rows:
        raise InputError("holds no request below its header", path=path)
    rows.sort(key=lambda row: row[0])
    first_ns = rows[0][0]
    return Trace(
        tuple(row[0] - first_ns for row in rows),
        tuple(row[1] for row in rows),
        tuple(row[2] for row in rows),
        tuple(row[3] for row in rows) if "images" in at else (),
        tuple(row[4] for row in rows) if "image_bytes" in at else (),
    )


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, values), whichever way lines end; InputError where csv can make nothing of one."""
    lines = csv.reader(io.StringIO(text, newline=None))
    try:
        for row in lines:
            yield lines.line_num, row
    except csv.Error as error:
        raise InputError(f"is no CSV there: {error}", path=path, line=lines.line_num) from None


def _instant_ns(text: str) -> int:
    """Seconds, or a date and time, in UTC where it states no offset; ValueError."""
    text = text.strip()
    if ":" not in text:
        seconds = real(text)
        if not 0 <= seconds <= 1e9:
            raise ValueError(f"an arrival of {shown(text)} s is not 0 to 1e9")
        return round(seconds * NS_PER_S)
    parts = _INSTANT.fullmatch(text)
    try:
        if parts is None:
            raise ValueError
        instant = datetime.fromisoformat(parts["second"] + (parts["offset"] or "Z"))
    except ValueError:
        raise ValueError(f"{shown(text)} is no instant: write seconds, or 2023-11-16 18:15:46.68") from None
    part = round(real("0." + parts["fraction"]) * NS_PER_S) if parts["fraction"] else 0
    return round((instant - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * NS_PER_S + part


def _tokens(text: str) -> int:
    return max(_count(text, 0, MOST_TOKENS, "tokens"), 1)  # an answer of none still ends a stream


def _count(text: str, least: int, most: int, what: str) -> int:
    number = whole(text.strip())
    if not least <= number <= most:
        raise ValueError(f"{number} {what} are not {least} to {most:,}")
    return number
