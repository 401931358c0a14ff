"""Orbit Mean-Elements Messages (CCSDS 502.0-B) in CSV, JSON or XML, as CelesTrak and Space-Track write."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ..errors import ElementsError
from .elements import ElementSet, make_satrec, range_problem
from .gravity import Gravity
from .time import DAY_S

_REQUIRED = (
    "NORAD_CAT_ID",
    "EPOCH",
    "MEAN_MOTION",
    "ECCENTRICITY",
    "INCLINATION",
    "RA_OF_ASC_NODE",
    "ARG_OF_PERICENTER",
    "MEAN_ANOMALY",
    "BSTAR",
)
# what SGP4 presumes, where the message says anything about it
_PRESUMED = {"MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"), "REF_FRAME": ("TEME",), "TIME_SYSTEM": ("UTC",)}
_REV_PER_DAY = 2 * math.pi / 1440  # in rad/min, SGP4's unit; its derivatives are per min² and min³
_SGP4_EPOCH = datetime(1949, 12, 31)


@dataclass(frozen=True)
class _Record:
    number: int  # from 1
    line: int
    fields: dict[str, str]


def read_omm(path: Path, gravity: Gravity) -> list[ElementSet]:
    """The messages of a file, in its order; its format is told from its first character.

    ElementsError names file, line and record.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ElementsError(f"cannot read the file: {error.strerror}", path=path) from None
    except UnicodeDecodeError:
        raise ElementsError("the file is not UTF-8 text: save it as UTF-8", path=path) from None
    start = text.lstrip()[:1]
    records: Iterable[_Record]
    if start in ("[", "{"):
        records = _json_records(text, path)
    elif start == "<":
        records = _xml_records(text, path)
    elif text.lstrip().startswith("CCSDS_OMM_VERS"):
        raise ElementsError(
            "this is an OMM in key = value form: fetch it as CSV, JSON or XML", path=path, line=1
        )
    else:
        records = _csv_records(text, path)
    found = [_element_set(record, path, gravity) for record in records]
    if not found:
        raise ElementsError("the file holds no element set: write one record per satellite", path=path)
    return found


def _csv_records(text: str, path: Path) -> Iterator[_Record]:
    reader = csv.reader(text.splitlines(keepends=True))
    header: list[str] | None = None
    number = 0
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = [cell.strip() for cell in row]
            missing = [name for name in _REQUIRED if name not in header]
            if missing:
                raise ElementsError(
                    f"the first line has no column {missing[0]}: this is no OMM in CSV, JSON or XML, "
                    "so fetch it again",
                    path=path,
                    line=reader.line_num,
                )
            continue
        number += 1
        if len(row) != len(header):
            raise ElementsError(
                f"record {number} has {len(row)} fields, and the first line {len(header)}: make them agree",
                path=path,
                line=reader.line_num,
            )
        yield _Record(number, reader.line_num, dict(zip(header, row, strict=True)))


def _json_records(text: str, path: Path) -> Iterator[_Record]:
    def line(offset: int) -> int:
        return text.count("\n", 0, offset) + 1

    def blank(offset: int) -> int:
        while offset < len(text) and text[offset] in " \t\r\n":
            offset += 1
        return offset

    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        raise ElementsError(
            f"this is not valid JSON: {error.msg} at column {error.colno}", path=path, line=error.lineno
        ) from None
    # once more, record by record, for their lines
    decoder = json.JSONDecoder()
    at = blank(0)
    if isinstance(whole, list):
        at = blank(at + 1)
    number, last_line, offset = 0, 1, 0
    while at < len(text) and text[at] != "]":
        value, end = decoder.raw_decode(text, at)
        number += 1
        last_line, offset = last_line + text.count("\n", offset, at), at
        if not isinstance(value, dict):
            raise ElementsError(
                f"record {number} is no object: write one {{…}} per satellite", path=path, line=last_line
            )
        yield _Record(
            number, last_line, {key: _plain(each) for key, each in value.items() if each is not None}
        )
        at = blank(end)
        if at < len(text) and text[at] == ",":
            at = blank(at + 1)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _xml_records(text: str, path: Path) -> list[_Record]:
    records: list[_Record] = []
    fields: dict[str, str] | None = None
    start_line, content = 0, ""
    parser = expat.ParserCreate("UTF-8")  # the text is decoded, whatever its head says

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal fields, start_line, content
        content = ""
        if _local(name) == "segment":
            fields, start_line = {}, parser.CurrentLineNumber

    def characters(data: str) -> None:
        nonlocal content
        content += data

    def end(name: str) -> None:
        nonlocal fields, content
        if _local(name) == "segment" and fields is not None:
            records.append(_Record(len(records) + 1, start_line, fields))
            fields = None
        elif fields is not None and content.strip():
            fields[_local(name)] = content.strip()
        content = ""

    parser.StartElementHandler, parser.CharacterDataHandler, parser.EndElementHandler = start, characters, end
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        said = expat.ErrorString(error.code)
        raise ElementsError(
            f"this is not valid XML: {said} at column {error.offset + 1}", path=path, line=error.lineno
        ) from None
    return records


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _element_set(record: _Record, path: Path, gravity: Gravity) -> ElementSet:
    fields = {key: value.strip() for key, value in record.fields.items()}

    def error(message: str) -> ElementsError:
        return ElementsError(f"record {record.number}: {message}", path=path, line=record.line)

    def number(key: str) -> float:
        try:
            value = float(fields[key])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise error(f"{key} is {fields[key]!r}: write a number")
        return value

    for key in _REQUIRED:
        if not fields.get(key):
            raise error(f"{key} is missing: add it")
    for key, accepted in _PRESUMED.items():
        if fields.get(key, accepted[0]).upper() not in accepted:
            raise error(f"{key} is {fields[key]!r}: only elements made for {accepted[0]} can be propagated")
    if not fields["NORAD_CAT_ID"].isascii() or not fields["NORAD_CAT_ID"].isdigit():
        raise error(f"NORAD_CAT_ID is {fields['NORAD_CAT_ID']!r}: write a whole number")
    problem = range_problem(
        inclination_deg=number("INCLINATION"),
        raan_deg=number("RA_OF_ASC_NODE"),
        eccentricity=number("ECCENTRICITY"),
        perigee_deg=number("ARG_OF_PERICENTER"),
        anomaly_deg=number("MEAN_ANOMALY"),
        mean_motion_rev_per_day=number("MEAN_MOTION"),
    )
    if problem is not None:
        raise error(f"{problem}; correct it")
    try:
        epoch_days = _epoch_days(fields["EPOCH"])
    except ValueError:
        raise error(f"EPOCH is {fields['EPOCH']!r}: write it as 2026-11-01T00:00:00.000000") from None
    return ElementSet(
        satrec=make_satrec(
            gravity,
            epoch_days=epoch_days,
            eccentricity=number("ECCENTRICITY"),
            perigee_rad=math.radians(number("ARG_OF_PERICENTER")),
            inclination_rad=math.radians(number("INCLINATION")),
            anomaly_rad=math.radians(number("MEAN_ANOMALY")),
            mean_motion_rad_per_min=number("MEAN_MOTION") * _REV_PER_DAY,
            raan_rad=math.radians(number("RA_OF_ASC_NODE")),
            bstar=number("BSTAR"),
            ndot=number("MEAN_MOTION_DOT") * _REV_PER_DAY / 1440 if fields.get("MEAN_MOTION_DOT") else 0.0,
            nddot=number("MEAN_MOTION_DDOT") * _REV_PER_DAY / 1440**2
            if fields.get("MEAN_MOTION_DDOT")
            else 0.0,
        ),
        catalog=int(fields["NORAD_CAT_ID"]),
        label=fields.get("OBJECT_NAME", ""),
        path=path,
        line=record.line,
    )


def _epoch_days(text: str) -> float:
    """Days since 1949-12-31 of an ISO instant in UTC, by calendar day or by day of the year."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise ValueError(text)
    by_calendar = whole.count("-") == 2
    instant = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S" if by_calendar else "%Y-%jT%H:%M:%S")
    since = instant - _SGP4_EPOCH
    return since.days + (since.seconds + float(f"0.{fraction or 0}")) / DAY_S
