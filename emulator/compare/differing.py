"""What two runs differ in before anything is measured: scenario, seed, versions, machine, duration, plane."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..shown import plain
from .runs import Run

# of run.json, what says how a run was set up; "content" is the scenario itself
_KEYS = (
    "seed", "start_utc", "duration_ns", "step_ns", "plane", "backend", "clock", "rate_scale", "satellites",
    "gateways", "options", "awake", "machine", "schedule",
)  # fmt: skip
# of the scenario's file, and said already
_TOLD = {"run.start", "run.duration", "run.step", "run.rate-scale", "run.seed"}
_NOTHING = "(not given)"
MOST = 200
LEAST_SHORTER_NS = 5_000_000_000  # how long a run lasts beyond its duration is the machine's


@dataclass(frozen=True)
class Difference:
    """``what``: a key, in dots; values as text."""

    what: str
    base: str
    other: str


def differences(a: Run, b: Run) -> list[Difference]:
    """In the order of importance: the scenario, then how it was run, then on what."""
    first, second = a.results.header, b.results.header
    found = [*_scenario(first, second)]
    for key in _KEYS:
        found += _walk(key, first.get(key), second.get(key))
    found += _walk("format", a.results.format, b.results.format)
    for key in ("ended", "trusted", "interventions.count", "clock_pauses", "clock_steps"):
        found += _walk(key, _at(a.summary, key), _at(b.summary, key))
    speeds = (", ".join(map(str, _at(each.summary, "clock_speeds") or ())) or None for each in (a, b))
    found += _walk("clock_speeds", *speeds)
    lasted = [each.summary.get("emulated_ns") for each in (a, b)]
    known = [each for each in lasted if isinstance(each, int)]
    if len(known) == 2 and abs(known[0] - known[1]) > LEAST_SHORTER_NS:
        found += _walk("emulated_ns", *lasted)
    budgets = (_at(each.summary, "error_budget.calibrated_utc") for each in (a, b))
    found += _walk("calibrated", *budgets)
    if len(found) > MOST:
        found[MOST:] = [Difference(f"and {len(found) - MOST} more", "", "")]
    return found


def _scenario(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    mine, theirs = first.get("scenario") or {}, second.get("scenario") or {}
    if not isinstance(mine, Mapping) or not isinstance(theirs, Mapping):
        return
    if mine.get("sha256") == theirs.get("sha256") and mine:
        return
    yield from _walk("scenario", mine.get("name"), theirs.get("name"))
    contents = first.get("content"), second.get("content")
    if all(contents) and all(isinstance(each, Mapping) for each in contents):
        inner = [each for each in _walk("", *contents) if each.what not in {"name", "title"} | _TOLD]
        yield from inner
        if inner:
            return
    yield from _walk("scenario.sha256", mine.get("sha256"), theirs.get("sha256"))


def _at(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _walk(at: str, first: Any, second: Any) -> Iterator[Difference]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys([*first, *second]):
            yield from _walk(f"{at}.{key}" if at else str(key), first.get(key), second.get(key))
    elif _rows(first) and _rows(second):
        for i in range(max(len(first), len(second))):
            one, other = (each[i] if i < len(each) else None for each in (first, second))
            yield from _walk(f"{at}[{i}]", one, other)
    elif first != second:
        yield Difference(plain(at), _text(first, at), _text(second, at))


# as a scenario's content has them
_QUANTITY = re.compile(r"(-?[0-9.]{1,30}(?:e-?[0-9]{1,3})?) (rad|ns)")


def _as_written(value: float, unit: str) -> str:
    """In units that people write: degrees, s or ms."""
    if unit == "rad":
        return f"{math.degrees(value):.9g} deg"
    return f"{value / 1e9:,.9g} s" if abs(value) >= 1e9 else f"{value / 1e6:,.9g} ms"


def _rows(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _text(value: Any, key: str = "") -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, Mapping):
        inside = ", ".join(
            f"{name} = {_text(each, str(name))}" for name, each in [*value.items()][:20] if each is not None
        )
        return plain(f"{{{inside}}}")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and (quantity := _QUANTITY.fullmatch(value)):
        return _as_written(float(quantity[1]), quantity[2])
    if key.endswith("_ns") and isinstance(value, int):
        return f"{value / 1e9:,.9g} s"
    return plain(value if isinstance(value, str) else str(value))
