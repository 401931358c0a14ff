"""What is wrong with a scenario, in words: pydantic's errors and tomllib's, with file, line and key."""

from __future__ import annotations

import inspect
import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic_core import ErrorDetails

from ..errors import InputError, ScenarioError
from ..presets import preset, presets
from ..shown import shown
from ..suggest import nearest, suggest
from ..toml_lines import Location, key_lines, key_of, line_of
from .model import Content
from .problem import Problem
from .section import Section

_MOST_SAID = 100  # finding what a key was meant to be takes a millisecond


def first_error(
    found: Sequence[Problem], text: str, path: Path | None, kind: type[InputError] = ScenarioError
) -> InputError:
    """The problem that stands first in the file, and how many more there are."""
    lines = key_lines(text)
    placed = sorted(
        ((line_of(lines, problem.location) or 0, i) for i, problem in enumerate(found)),
    )
    line, first = placed[0]
    more = len(found) - 1
    message = found[first].message
    if more:
        message += f" ({more} more {'error' if more == 1 else 'errors'} in this file)"
    return kind(message, path=path, line=line or None, key=key_of(found[first].location) or None)


def syntax_error(
    error: tomllib.TOMLDecodeError, text: str, path: Path | None, kind: type[InputError] = ScenarioError
) -> InputError:
    said = str(error)
    match = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", said)
    line = None
    if match is not None:
        line = int(match[1]) if match[1] else text.count("\n") + 1
        said = said[: match.start()] + (f" at column {match[2]}" if match[2] else " at the end of the file")
    return kind(f"this is not valid TOML: {said[:1].lower()}{said[1:]}", path=path, line=line)


def problems_said(errors: Sequence[ErrorDetails], text: str, model: type[Section] = Content) -> list[Problem]:
    """In our words; of very many only the first are looked at closely.

    ``model``: what the file is read into.
    """
    if len(errors) > _MOST_SAID:
        lines = key_lines(text)
        errors = sorted(errors, key=lambda details: line_of(lines, _location(details)) or 0)[:_MOST_SAID]
    found: list[Problem] = []
    meant = {_meant(_location(details), model) for details in errors if details["type"] == "extra_forbidden"}
    for details in errors:
        location, kind, context = _location(details), details["type"], details.get("ctx", {})
        if kind == "orbitmesh":
            found += context["problems"]
        elif kind != "missing" or location not in meant:  # a key misspelt is said once
            sentence = _sentence(kind, location, details["input"], context, details["msg"], model)
            found.append(Problem(location, sentence))
    return found


def _location(details: ErrorDetails) -> Location:
    """Where it is in the file: without the tags of unions."""
    return tuple(part for part in details["loc"] if not str(part).startswith("<"))


def _meant(location: Location, model: type[Section]) -> Location | None:
    """The key that an unknown one seems to be."""
    near = nearest(str(location[-1]), _keys(_section_at(location[:-1], model)))
    return None if near is None else (*location[:-1], near)


def _sentence(
    kind: str, location: Location, value: Any, context: Mapping[str, Any], said: str, model: type[Section]
) -> str:
    key = location[-1] if location else "scenario"
    section = _section_at(location[:-1], model)
    if kind == "extra_forbidden" and location[-2:-1] == ("platform",) and key in _figures():
        return f"{shown(str(key))} is a figure of the preset: write it within figures = {{ {key} = … }}"
    if kind == "extra_forbidden":
        return f"unknown key {shown(str(key))}: {suggest(str(key), _keys(section), 'keys here')}"
    if kind == "missing":
        inside = key_of(location[:-1])
        return f"the key {key!r} is missing: add it" + (f" to {inside}" if inside else "")
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{shown(value)} is not known here: write one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        what = "write lower-case letters, digits and hyphens, as in 'new-york'"
        return f"{shown(value)} is not a name: {what}"
    bounds = {
        "greater_than": ("gt", "more than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in bounds:
        name, word = bounds[kind]
        return f"the value is out of range: it must be {word} {_bound(key, section, context[name])}"
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        return f"{_shown(value)} is too {kind.rpartition('_')[2]}: {said[:1].lower()}{said[1:]}"
    expected = {
        "string_type": "a text in quotes",
        "bool_type": "true or false",
        "int_type": "a whole number, without quotes",
        "float_type": "a number, without quotes",
        "finite_number": "a finite number",
        "path_type": "a file name in quotes",
        "tuple_type": "a list in [brackets]",
        "model_type": "a table of keys",
        "model_attributes_type": "a table of keys",
    }.get(kind)
    if expected is not None:
        return f"{_shown(value)} cannot stand here: write {expected}"
    return f"{_shown(value)}: {said[:1].lower()}{said[1:]}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date | time) else shown(value)  # datetime is a date


def _bound(key: str | int, section: type[Section] | None, bound: Any) -> str:
    """A bound in the unit that the key is written in, as far as its attribute's name tells one."""
    fields = section.model_fields if section is not None else {}
    attribute = next((name for name, field in fields.items() if (field.alias or name) == key), "")
    suffix = attribute.rpartition("_")[2] if "_" in attribute else ""
    if suffix == "ns":
        return f"{bound / 1e6:g} ms"
    unit = {
        "km": "km",
        "m": "m",
        "w": "W",
        "k": "K",
        "bps": "bit/s",
        "bytes": "B",
        "rad": "rad",
        "s": "s",
    }.get(suffix)
    number = f"{bound:.0f}" if 1e6 <= bound < 1e12 else f"{bound:g}"
    return f"{number} {unit}" if unit is not None else number


def _figures() -> set[str]:
    """What a platform takes in its table of figures."""
    return {figure for name in presets("platform") for figure in preset("platform", name).figures}


def _keys(section: type[Section] | None) -> list[str]:
    return [] if section is None else [field.alias or name for name, field in section.model_fields.items()]


def _section_at(location: Location, model: type[Section]) -> type[Section] | None:
    """The model that the table at a location is read into."""
    section: type[Section] | None = model
    for part in location:
        if isinstance(part, int) or section is None:
            continue
        field = next((f for n, f in section.model_fields.items() if (f.alias or n) == part), None)
        section = None if field is None else _section_in(field.annotation)
    return section


def _section_in(annotation: Any) -> type[Section] | None:
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        return annotation
    for argument in typing.get_args(annotation):
        found = _section_in(argument)
        if found is not None:
            return found
    return None
