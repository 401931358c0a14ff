"""Mean elements of satellites, for SGP4 elsewhere: two-line sets, and OMM in XML, KVN, JSON and CSV.

A two-line set holds angles to 0.0001 degrees: some 10 m.  An OMM here holds all digits: the same positions.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from sgp4.alpha5 import to_alpha5
from sgp4.api import Satrec
from sgp4.exporter import export_tle

from .. import spreadsheet
from ..errors import InputError
from ..orbit.gravity import GRAVITY
from ..orbit.time import DAY_NS, UNIX_EPOCH_JD
from ..orbit.tle import checksum
from .scene import Scene

FIRST_CATALOG = 80_001  # from here on catalogues name nothing for good: analysts' objects
MOST_ALPHA5 = 339_999
MOST_OMM = 999_999_999
_PER_DAY = 1440 / (2 * math.pi)  # from rad/min
_MOST_NAME = 24


@dataclass(frozen=True)
class _Named:
    name: str
    catalog: int
    satrec: Satrec


def _named(scene: Scene, most_catalog: int) -> Iterator[_Named]:
    """By the names and numbers of files where satellites have them; others are numbered in order."""
    nodes, elements = scene.geometry.nodes, scene.geometry.fleet.elements
    known = nodes.known_as.by_node
    taken = {each.catalog for each in known.values() if each.catalog is not None}
    unknown = sum(node not in known for node in scene.satellites.tolist())
    if FIRST_CATALOG + unknown - 1 + len(taken) > most_catalog:
        raise InputError(
            f"{unknown:,} satellites would be numbered from {FIRST_CATALOG:,} on, and the format holds "
            f"numbers up to {most_catalog:,}: name fewer with --node, or write omm-json"
        )
    following = FIRST_CATALOG
    for node in scene.satellites.tolist():
        each = elements[node]
        number = each.catalog
        if number is None:
            while following in taken:
                following += 1
            number, following = following, following + 1
        elif number > most_catalog:
            raise InputError(
                f"{nodes.names[node]} has the catalogue number {number:,}, and the format holds numbers up "
                f"to {most_catalog:,}: name others with --node, or write omm-json"
            )
        yield _Named(each.label or nodes.names[node], number, each.satrec)


def cautions(scene: Scene, *, rounded: bool) -> list[str]:
    """What does not go along, a sentence each.  ``rounded``: as two-line sets are."""
    found = []
    for row in scene.satellites[:1].tolist():
        satrec = scene.geometry.fleet.elements[row].satrec
        if satrec.mu != GRAVITY["WGS72"].gm_km3_per_s2:
            found.append(
                "these elements go by the gravity of WGS84, and SGP4 elsewhere takes WGS72 unless "
                "it is told: positions would be off by kilometres"
            )
    close = [shell.name for shell in scene.geometry.fleet.shells if shell.lattice is not None]
    if rounded and close:
        found.append(
            f"a two-line set is exact to some 10 m: of {', '.join(close)} take omm-json, which loses nothing"
        )
    return found


# ---- two lines


def tle(scene: Scene) -> Iterator[str]:
    """A line with the name, and two."""
    for each in _named(scene, MOST_ALPHA5):
        number = to_alpha5(each.catalog)
        yield f"{_one_line(each.name)[:_MOST_NAME]}\n"
        for line in export_tle(each.satrec):
            line = f"{line[:2]}{number:>5}{line[7:68]}"
            yield f"{line}{checksum(line + '0')}\n"


# ---- OMM


def _fields(scene: Scene, each: _Named) -> dict[str, dict[str, str]]:
    """By part of the message, in the order of the standard (CCSDS 502.0-B)."""
    s = each.satrec

    def degrees(angle_rad: float) -> str:
        return repr(math.degrees(angle_rad) % 360)

    return {
        "metadata": {
            "OBJECT_NAME": _one_line(each.name), "OBJECT_ID": _international(s.intldesg),
            "CENTER_NAME": "EARTH", "REF_FRAME": "TEME", "TIME_SYSTEM": "UTC", "MEAN_ELEMENT_THEORY": "SGP4",
        },
        "meanElements": {
            "EPOCH": _epoch(s), "MEAN_MOTION": repr(s.no_kozai * _PER_DAY), "ECCENTRICITY": repr(s.ecco),
            "INCLINATION": repr(math.degrees(s.inclo)), "RA_OF_ASC_NODE": degrees(s.nodeo),
            "ARG_OF_PERICENTER": degrees(s.argpo), "MEAN_ANOMALY": degrees(s.mo),
        },
        "tleParameters": {
            "EPHEMERIS_TYPE": "0", "CLASSIFICATION_TYPE": "U", "NORAD_CAT_ID": str(each.catalog),
            "ELEMENT_SET_NO": "999", "REV_AT_EPOCH": str(s.revnum), "BSTAR": repr(s.bstar),
            "MEAN_MOTION_DOT": repr(s.ndot * _PER_DAY * 1440),
            "MEAN_MOTION_DDOT": repr(s.nddot * _PER_DAY * 1440**2),
        },
    }  # fmt: skip


def omm_json(scene: Scene) -> Iterator[str]:
    """A list of flat objects, as CelesTrak and Space-Track give them; numbers are numbers."""
    texts = {
        "OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY", "EPOCH",
        "CLASSIFICATION_TYPE",
    }  # fmt: skip
    before = "[\n"
    for each in _named(scene, MOST_OMM):
        flat = {
            key: value if key in texts else json.loads(value)
            for part in _fields(scene, each).values()
            for key, value in part.items()
        }
        yield before + json.dumps({"CCSDS_OMM_VERS": "2.0", **flat})
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def omm_csv(scene: Scene) -> Iterator[str]:
    """A line for each, as CelesTrak and Space-Track give them."""
    has_header = False
    for each in _named(scene, MOST_OMM):
        flat = {key: value for part in _fields(scene, each).values() for key, value in part.items()}
        if not has_header:
            yield _csv_line(flat.keys())
            has_header = True
        yield _csv_line(flat.values())


def _csv_line(values: Iterable[str]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow(spreadsheet.row(values))
    return file.getvalue()


def omm_kvn(scene: Scene) -> Iterator[str]:
    made = _now()
    for each in _named(scene, MOST_OMM):
        lines = ["CCSDS_OMM_VERS = 2.0", f"CREATION_DATE = {made}", "ORIGINATOR = ORBITMESH"]
        for part in _fields(scene, each).values():
            lines += [f"{key} = {value}" for key, value in part.items()]
        yield "\n".join([*lines, "", ""])


def omm_xml(scene: Scene) -> Iterator[str]:
    made = _now()
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<ndm>\n'
    for each in _named(scene, MOST_OMM):
        parts = _fields(scene, each)
        inner = {
            name: "".join(f"<{key}>{escape(value)}</{key}>" for key, value in part.items())
            for name, part in parts.items()
        }
        yield (
            f'<omm id="CCSDS_OMM_VERS" version="2.0"><header><CREATION_DATE>{made}</CREATION_DATE>'
            "<ORIGINATOR>ORBITMESH</ORIGINATOR></header><body><segment>"
            f"<metadata>{inner['metadata']}</metadata><data><meanElements>{inner['meanElements']}</meanElements>"
            f"<tleParameters>{inner['tleParameters']}</tleParameters></data></segment></body></omm>\n"
        )
    yield "</ndm>\n"


def _epoch(satrec: Satrec) -> str:
    """To the microsecond, which is what SGP4 holds of it."""
    days = satrec.jdsatepoch - UNIX_EPOCH_JD
    us = round(days * DAY_NS / 1000) + round(satrec.jdsatepochF * DAY_NS / 1000)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _international(designator: str) -> str:
    """1998067A as 1998-067A; one that was never launched has none."""
    text = designator.strip()
    if len(text) < 6 or not text[:5].isdigit():
        return "UNKNOWN"
    year = int(text[:2])
    return f"{2000 + year if year < 57 else 1900 + year}-{text[2:]}"


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


FORMATS: dict[str, Callable[[Scene], Iterator[str]]] = {
    "tle": tle, "omm-json": omm_json, "omm-csv": omm_csv, "omm-kvn": omm_kvn, "omm-xml": omm_xml
}  # fmt: skip
