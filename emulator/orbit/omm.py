"""Orbit Mean-Elements Messages (CCSDS 502.0-B) in CSV, JSON, XML or KVN, as catalogues write them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.parsers import expat

from ..errors import ElementsError
from ..numbers import MOST_CHARACTERS, real
from ..reading import ELEMENTS, check_depth, json_decoder, parse_json, read_text, sentence_of
from ..shown import plain, shown
from .elements import ElementSet, make_satrec, range_problem, theory_problem
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
_PRESUMED = {
    "MEAN_ELEMENT_THEORY": ("SGP4", "SGP/SGP4"),
    "REF_FRAME": ("TEME",),
    "TIME_SYSTEM": ("UTC",),
    "CENTER_NAME": ("EARTH",),
}
_KEY_AND_VALUE = re.compile(r"^[ \t]*[A-Z_]+[ \t]*=", re.MULTILINE)
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
        text = read_text(path, ELEMENTS, utf16=True)
    except FileNotFoundError:
        raise ElementsError("cannot read the file: No such file or directory", path=path) from None
    start = text.lstrip()[:1]
    records: Iterable[_Record]
    if start in ("[", "{"):
        records = _json_records(text, path)
    elif start == "<":
        records = _xml_records(text, path)
    elif _KEY_AND_VALUE.search(text) and "," not in text.lstrip().partition("\n")[0]:
        records = _kvn_records(text, path)
    else:
        records = _csv_records(text, path)
    found = [_element_set(record, path, gravity) for record in records]
    if not found:
        raise ElementsError("the file holds no element set: write one record per satellite", path=path)
    return found


def _csv_records(text: str, path: Path) -> Iterator[_Record]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    number = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # a quote that is never closed, a cell of 131,072 characters
            raise ElementsError(
                f"this is not valid CSV: {error}; copy the file again",
                path=path,
                line=max(1, reader.line_num),
            ) from None
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = [cell.strip() for cell in row]
            twice = [name for name in _REQUIRED if header.count(name) > 1]
            if twice:
                raise ElementsError(
                    f"the first line has two columns {twice[0]}: remove one", path=path, line=reader.line_num
                )
            missing = [name for name in _REQUIRED if name not in header]
            if missing:
                raise ElementsError(
                    f"the first line has no column {missing[0]}: this is no OMM in CSV, JSON, XML or KVN, "
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

    at = blank(0)
    is_list = text[at] == "["
    if is_list:
        parse_json(text, ELEMENTS, path)
        at = blank(at + 1)
    # once more, record by record, for their lines; without a list around them, JSON lines
    decoder = json_decoder()
    number, last_line, offset = 0, 1, 0
    while at < len(text) and text[at] != "]":
        try:
            value, end = decoder.raw_decode(text, at)
            check_depth(value)
        except json.JSONDecodeError as error:
            said = f"this is not valid JSON: {error.msg} at column {error.colno}"
            raise ElementsError(said, path=path, line=error.lineno) from None
        except (ValueError, RecursionError) as error:
            said = f"record {number + 1}: {sentence_of(error)}"
            raise ElementsError(said, path=path, line=line(at)) from None
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
        if is_list and at < len(text) and text[at] == ",":
            at = blank(at + 1)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _kvn_records(text: str, path: Path) -> list[_Record]:
    """Key = value, a message from each CCSDS_OMM_VERS on; units in [brackets] are those of the standard."""
    records: list[_Record] = []
    for line, said in enumerate(re.split("\r\n|\r|\n", text), 1):
        if not said.strip() or said.split()[0] == "COMMENT":
            continue
        key, equals, value = (part.strip() for part in said.partition("="))
        if not equals:
            raise ElementsError(f"{shown(said.strip())} is not of the form key = value", path=path, line=line)
        if not records or key == "CCSDS_OMM_VERS":
            records.append(_Record(len(records) + 1, line, {}))
        fields = records[-1].fields
        if key in fields:
            raise ElementsError(
                f"record {len(records)}: {shown(key)} is given a second time: begin each message "
                "with CCSDS_OMM_VERS",
                path=path,
                line=line,
            )
        fields[key] = re.sub(r"\s*\[[^\[\]]*\]$", "", value)
    return records


def _xml_records(text: str, path: Path) -> list[_Record]:
    records: list[_Record] = []
    fields: dict[str, str] | None = None
    start_line = 0
    content: list[str] = []
    parser = expat.ParserCreate("UTF-8")  # the text is decoded, whatever its head says

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal fields, start_line
        content.clear()
        if _local(name) == "segment":
            fields, start_line = {}, parser.CurrentLineNumber

    def characters(data: str) -> None:
        content.append(data)

    def document_type(*_declared: object) -> None:
        raise ElementsError(
            "the file declares a document type, and with it entities that can grow without end: remove it",
            path=path,
            line=parser.CurrentLineNumber,
        )

    def end(name: str) -> None:
        nonlocal fields
        text = "".join(content).strip()
        content.clear()
        if _local(name) == "segment" and fields is not None:
            records.append(_Record(len(records) + 1, start_line, fields))
            fields = None
        elif fields is not None and text:
            fields[_local(name)] = text

    parser.StartElementHandler, parser.CharacterDataHandler, parser.EndElementHandler = start, characters, end
    parser.StartDoctypeDeclHandler = document_type
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
            return real(fields[key])
        except ValueError:
            raise error(f"{key} is {shown(fields[key])}: write a number") from None

    theory = theory_problem(fields.get("EPHEMERIS_TYPE", ""))
    if theory is None and (fields.get("BTERM") or fields.get("AGOM")):
        theory = (
            "BTERM and AGOM belong to SGP4-XP, for which SGP4 gives wrong positions: take a set with BSTAR"
        )
    if theory is not None:
        raise error(theory)
    for key in _REQUIRED:
        if not fields.get(key):
            raise error(f"{key} is missing: add it")
    for key, accepted in _PRESUMED.items():
        if fields.get(key, accepted[0]).upper() not in accepted:
            raise error(
                f"{key} is {shown(fields[key])}: only elements made for {accepted[0]} can be propagated"
            )
    catalog = fields["NORAD_CAT_ID"]
    if re.fullmatch(r"[0-9]{1,9}", catalog) is None:
        raise error(f"NORAD_CAT_ID is {shown(catalog)}: write a whole number of at most nine digits")
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
        raise error(f"EPOCH is {shown(fields['EPOCH'])}: write it as 2026-11-01T00:00:00.000000") from None
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
        catalog=int(catalog),
        label=plain(fields.get("OBJECT_NAME", ""), 60),
        path=path,
        line=record.line,
    )


def _epoch_days(text: str) -> float:
    """Days since 1949-12-31 of an ISO instant in UTC, by calendar day or by day of the year."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(text)
    whole, _, fraction = text.removesuffix("Z").partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise ValueError(text)
    by_calendar = whole.count("-") == 2
    instant = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S" if by_calendar else "%Y-%jT%H:%M:%S")
    since = instant - _SGP4_EPOCH
    return since.days + (since.seconds + float(f"0.{fraction or 0}")) / DAY_S
