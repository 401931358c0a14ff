"""Presets as files: ``data/<family>/<name>.toml``, which people read and add to.

::

    title = "one line for lists"
    note = "what to know before one trusts it (may be left out)"

    [sources]
    talk = { text = "who said it, and where", date = "2026-06" }

    [figures]
    peak-power = { value = 150, unit = "kW", low = 140, high = 150, kind = "published", source = "talk" }
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from ..errors import InputError
from ..reading import Kind, MiB, parse_toml, read_text
from ..shown import shown
from ..toml_lines import Location, key_lines, key_of, line_of
from .figures import FAMILIES, KINDS, Family, Figure, Preset
from .units import base_of

DATA = Path(__file__).parent / "data"
_PRESET = Kind("a preset", MiB)
_NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
_KEYS = ("title", "note", "sources", "figures")
_OF_A_SOURCE = ("text", "date")
_OF_A_FIGURE = ("value", "unit", "low", "high", "kind", "source")


@cache
def presets(family: Family | None = None) -> Mapping[str, Preset]:
    """All of a family, or all, by name, families in their order; InputError for a file that is wrong."""
    found: dict[str, Preset] = {}
    for folder in FAMILIES if family is None else (family,):
        for path in sorted((DATA / folder).glob("*.toml")):
            made = read_preset(path)
            if made.name in found:
                raise InputError(f"a second preset is named {made.name!r}: rename one", path=path)
            found[made.name] = made
    return found


def preset(family: Family, name: str) -> Preset:
    """One by name; InputError names those that there are."""
    known = presets(family)
    if name not in known:
        near = difflib.get_close_matches(name[:60], known, 1)
        meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        article = "an" if family == "accelerator" else "a"
        raise InputError(f"{shown(name)} is not {article} {family} preset: {meant}")
    return known[name]


def read_preset(path: Path) -> Preset:
    """From its file, whose folder is its family; InputError names file, line and key."""
    return _File(path).preset()


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = read_text(path, _PRESET)
        try:
            self.raw = parse_toml(self.text, _PRESET, path)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"this is not valid TOML: {error}", path=path) from None

    def preset(self) -> Preset:
        name, family = self.path.stem, self.path.parent.name
        if family not in FAMILIES:
            raise self.wrong(f"the folder {shown(family)} is no family: there are {', '.join(FAMILIES)}")
        if _NAME.fullmatch(name) is None:
            raise self.wrong(f"{shown(name)} is not a name: write lower-case letters, digits, '-' and '.'")
        self.keys(self.raw, _KEYS, ("title", "sources", "figures"))
        sources = {key: self.source(key) for key in self.table("sources")}
        figures = {key: self.figure(key, sources) for key in self.table("figures")}
        if not figures:
            raise self.wrong("a preset without a figure: add one", "figures")
        title, note = (self.words(self.raw.get(key, ""), key) for key in ("title", "note"))
        return Preset(name, family, title, note, figures)

    def source(self, key: str) -> tuple[str, str]:
        at: Location = ("sources", key)
        table = self.table(*at)
        self.keys(table, _OF_A_SOURCE, _OF_A_SOURCE, *at)
        text, date = (self.words(table[part], *at, part) for part in _OF_A_SOURCE)
        if not text.strip() or _DATE.fullmatch(date) is None:
            raise self.wrong("a source has a text, and a date as in '2026-06'", *at)
        return text, date

    def figure(self, name: str, sources: Mapping[str, tuple[str, str]]) -> Figure:
        at: Location = ("figures", name)
        table = self.table(*at)
        if _NAME.fullmatch(name) is None:
            raise self.wrong(f"{shown(name)} is not a name: write lower-case letters, digits and '-'", *at)
        self.keys(table, _OF_A_FIGURE, _OF_A_FIGURE, *at)
        low, value, high = (self.number(table[key], *at, key) for key in ("low", "value", "high"))
        if not low <= value <= high:
            raise self.wrong(
                f"{low:g} <= {value:g} <= {high:g} does not hold: correct low, value or high", *at
            )
        unit, kind, source = (self.words(table[key], *at, key) for key in ("unit", "kind", "source"))
        try:
            base_of(unit)
        except ValueError as error:
            raise self.wrong(str(error), *at, "unit") from None
        if kind not in KINDS:
            raise self.wrong(f"{shown(kind)} is not a kind: write one of {', '.join(KINDS)}", *at, "kind")
        if source not in sources:
            raise self.wrong(f"there is no source {shown(source)}: add it under [sources]", *at, "source")
        known = cast(Literal["published", "estimated", "calibrated"], kind)
        return Figure(value, unit, *sources[source], known, low, high)

    def table(self, *at: str | int) -> Mapping[str, Any]:
        found: Any = self.raw
        for part in at:
            found = found[part]
        if not isinstance(found, dict):
            raise self.wrong(f"{shown(found)} cannot stand here: write a table of keys", *at)
        return found

    def keys(
        self, table: Mapping[str, Any], known: tuple[str, ...], needed: tuple[str, ...], *at: str | int
    ) -> None:
        for key in table:
            if key not in known:
                raise self.wrong(f"unknown key {shown(key)}: keys here: {', '.join(known)}", *at, key)
        for key in needed:
            if key not in table:
                raise self.wrong(f"the key {key!r} is missing: add it", *at)

    def words(self, value: Any, *at: str | int) -> str:
        if not isinstance(value, str):
            raise self.wrong(f"{shown(value)} cannot stand here: write a text in quotes", *at)
        return value

    def number(self, value: Any, *at: str | int) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(f"{shown(value)} cannot stand here: write a number, without quotes", *at)
        return float(value)

    def wrong(self, message: str, *at: str | int) -> InputError:
        line = line_of(key_lines(self.text), at)
        return InputError(message, path=self.path, line=line, key=key_of(at) or None)
