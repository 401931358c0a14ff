"""Rules that a run is held against: a TOML file, checked as a scenario is: errors name file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..errors import InputError
from ..numbers import LARGEST_WHOLE
from ..reading import Kind, MiB, parse_toml, read_text
from ..scenario.problem import Problem
from ..scenario.section import Section
from ..scenario.sentences import first_error, problems_said, syntax_error
from ..scenario.units import DURATION_NS, PERCENT, parse, parse_whole
from ..shown import shown

RULES = Kind("a file of rules", MiB)
MOST_RULES = 1000

OF_TRAINING = ("step", "all-reduce")
DURATIONS = ("udp", "grpc", "task", "ttft", "answer", *OF_TRAINING, "engine-lateness", "longest-gap")
SHARES = ("lost", "unanswered", "availability", "sound")
COUNTS = ("samples", "late-ticks", "dead-nodes", "path-changes", "handovers")
TRUTHS = ("trusted", "completed", "target")
OF_CUSTOMERS = ("ttft", "answer", "unanswered", "target")
OF_WHOLE_RUN = (
    "engine-lateness", "late-ticks", "dead-nodes", "path-changes", "handovers", "trusted", "completed",
)  # fmt: skip
_WITH_QUANTILE = ("udp", "grpc", "task", "ttft", "answer", *OF_TRAINING, "engine-lateness")

_OF_SAMPLES = ("udp", "grpc", "task", "ttft", "answer", "lost", "unanswered")

_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?)")


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _text_or_whole(value: object) -> object:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    how = 'write a quantity in quotes, as in "100 ms" or "1 %", or a whole number'
    raise ValueError(f"{shown(value)} cannot stand here: {how}")


def _quantile(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f'{shown(value)} cannot stand here: write a quantile in quotes, as in "p99" or "p99.9"')


Globs = Annotated[tuple[StrictStr, ...], BeforeValidator(_one_or_more)]
Bound = Annotated[str | int, BeforeValidator(_text_or_whole)]


class Rule(Section):
    name: StrictStr = Field(min_length=1, max_length=200)
    of: Literal[
        "udp", "grpc", "task", "ttft", "answer", "step", "all-reduce", "engine-lateness", "longest-gap",
        "lost", "unanswered", "availability", "sound",
        "samples", "late-ticks", "dead-nodes", "path-changes", "handovers",
        "trusted", "completed", "target",
    ]  # fmt: skip
    quantile: Annotated[str | None, BeforeValidator(_quantile)] = None
    at_most: Bound | None = Field(None, alias="at-most")
    at_least: Bound | None = Field(None, alias="at-least")
    gateway: Globs = ()
    customer_class: Globs = Field((), alias="class")
    satellite: Globs = ()
    kind: Globs = ()
    each: Literal["gateway", "class", "satellite", "kind"] | None = None
    least_samples: StrictInt | None = Field(None, alias="least-samples", ge=1, le=LARGEST_WHOLE)
    not_known: Literal["fail", "pass"] = Field("fail", alias="not-known")
    sound_only: StrictBool | None = Field(None, alias="sound-only")

    @property
    def q(self) -> float | None:
        """The quantile from 0 to 1; 1 is the most of all."""
        if self.quantile == "most":
            return 1.0
        match = None if self.quantile is None else _QUANTILE.fullmatch(self.quantile)
        return None if match is None else float(match[1]) / 100

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """At least, at most: in ns, as a share, or as a number, whichever the rule is of."""
        low, high = (None if each is None else bound(self.of, each) for each in (self.at_least, self.at_most))
        return low, high


def bound(of: str, value: str | int) -> float:
    """ValueError in words."""
    if of in DURATIONS:
        return float(parse_whole(value, DURATION_NS))
    if of in SHARES:
        share = parse(value, PERCENT)
        if share > 1:
            raise ValueError(f"{shown(value)} is more than all: write 0 to 100 %")
        return share
    if isinstance(value, str) or value < 0:
        raise ValueError(f"{shown(value)} cannot stand here: write a whole number from 0 on, without quotes")
    return float(value)


def problems(rule: Rule) -> Iterator[tuple[str, str]]:
    """What is wrong with one beyond its keys' own types: the key and a sentence."""
    of = rule.of
    if of in _WITH_QUANTILE:
        if rule.quantile is None:
            yield "quantile", f'of {of} a quantile is asked: add one, as in quantile = "p99"'
        elif rule.q is None or rule.q <= 0:
            how = 'write one as in "p50", "p99.9" or "most"'
            yield "quantile", f"{shown(rule.quantile)} is no quantile: {how}"
        elif of == "engine-lateness" and rule.quantile not in ("p50", "p99", "most"):
            yield "quantile", f'{shown(rule.quantile)}: the engine tells "p50", "p99" and "most" alone'
    elif rule.quantile is not None:
        yield "quantile", f"of {of} there is no quantile: remove it"
    bounds = {"at-most": rule.at_most, "at-least": rule.at_least}
    given = [key for key, value in bounds.items() if value is not None]
    if of in TRUTHS and given:
        yield given[0], f"{of} is true or not: remove {given[0]!r}"
    elif of not in TRUTHS and not given:
        yield "name", f"nothing is demanded: add at-most or at-least, as in at-most = {_example(of)}"
    read: dict[str, float] = {}
    for key, value in bounds.items():
        if value is not None and of not in TRUTHS:
            try:
                read[key] = bound(of, value)
            except ValueError as error:
                yield key, str(error)
    if len(read) == 2 and read["at-least"] > read["at-most"]:
        yield (
            "at-least",
            f"{shown(rule.at_least)} is more than at-most, {shown(rule.at_most)}: nothing can pass",
        )
    filters = {
        "gateway": rule.gateway, "satellite": rule.satellite, "class": rule.customer_class, "kind": rule.kind,
    }  # fmt: skip
    for key, globs in filters.items():
        if (globs or rule.each == key) and not _may_filter(of, key):
            yield ("each" if not globs else key), f"{of} is not told by {key}: remove it"
    if rule.least_samples is not None and (of in OF_WHOLE_RUN or of == "target"):
        yield "least-samples", f"{of} is one figure of the run: remove it"
    if rule.sound_only is not None and of not in _OF_SAMPLES:
        yield "sound-only", f"{of} is not of samples alone: remove it"


def _may_filter(of: str, key: str) -> bool:
    if of in OF_WHOLE_RUN or of in OF_TRAINING:
        return False
    if key == "class":
        return of in OF_CUSTOMERS
    if of in OF_CUSTOMERS:
        return key in ("gateway", "satellite") and of != "target"
    return key != "kind" or of in ("lost", "sound", "samples")


def _example(of: str) -> str:
    return '"100 ms"' if of in DURATIONS else '"1 %"' if of in SHARES else "10"


class RulesFile(Section):
    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _check(self) -> RulesFile:
        found = [
            Problem(("rules", i, key), sentence)
            for i, rule in enumerate(self.rules)
            for key, sentence in problems(rule)
        ]
        if not self.rules:
            found.append(Problem(("rules",), "there is no rule: write one below [[rules]]"))
        if len(self.rules) > MOST_RULES:
            found = [
                Problem(("rules",), f"{len(self.rules):,} rules are more than {MOST_RULES:,}: part them")
            ]
        names: set[str] = set()
        for i, rule in enumerate(self.rules):
            if rule.name in names:
                found.append(
                    Problem(("rules", i, "name"), f"two rules are named {shown(rule.name)}: rename one")
                )
            names.add(rule.name)
        if found:
            raise PydanticCustomError("orbitmesh", "{text}", {"text": found[0].message, "problems": found})
        return self


def load_rules(path: Path) -> tuple[Rule, ...]:
    """InputError with file, line and key."""
    try:
        text = read_text(path, RULES)
    except FileNotFoundError:
        raise InputError("there is no such file: name a file of rules", path=path) from None
    return rules_of(text, path)


def rules_of(text: str, path: Path | None = None) -> tuple[Rule, ...]:
    try:
        raw = parse_toml(text, RULES, path)
    except tomllib.TOMLDecodeError as error:
        raise syntax_error(error, text, path, InputError) from None
    try:
        return RulesFile.model_validate(raw).rules
    except ValidationError as error:
        raise first_error(problems_said(error.errors(), text, RulesFile), text, path, InputError) from None
