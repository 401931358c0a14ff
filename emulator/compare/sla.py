"""A run held against rules: a figure for each, and whether it passes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..errors import InputError
from ..shown import counted, plain
from .latencies import LEAST_SAMPLES, needed
from .measured import Measured, is_gateway, is_in
from .rules import COUNTS, DURATIONS, OF_CUSTOMERS, OF_TRAINING, OF_WHOLE_RUN, SHARES, TRUTHS, Rule
from .runs import KINDS, Run

MOST_RESULTS = 10_000
_LATENESS = {0.5: "p50_ns", 0.99: "p99_ns", 1.0: "max_ns"}
Bools = NDArray[np.bool_]


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Result:
    """``subject``: of ``each``, which one.  ``value`` in ns, a share, a number, 1 for true; None: none."""

    rule: Rule
    subject: str
    value: float | None
    samples: int
    needed: int
    verdict: Verdict
    why: str

    @property
    def passes(self) -> bool:
        """What is not known passes where the rule says so."""
        known = self.verdict is not Verdict.NOT_KNOWN
        return self.verdict is Verdict.PASS if known else self.rule.not_known == "pass"

    @property
    def unit(self) -> str:
        of = self.rule.of
        return "ns" if of in DURATIONS else "ratio" if of in SHARES else "truth" if of in TRUTHS else "count"

    def to_dict(self) -> dict[str, Any]:
        low, high = (None, None) if self.rule.of in TRUTHS else self.rule.bounds
        return {
            "rule": self.rule.name, "of": self.rule.of, "quantile": self.rule.quantile,
            "each": self.subject or None, "unit": self.unit, "value": self.value, "at_least": low,
            "at_most": high, "samples": self.samples, "samples_needed": self.needed,
            "verdict": str(self.verdict), "passes": self.passes, "why": self.why,
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Part:
    """What a rule looks at: of one kind or class, which rows of it."""

    label: str
    measured: Measured
    rows: Bools


def hold(run: Run, rules: Sequence[Rule]) -> list[Result]:
    """InputError where ``each`` makes more results than anybody reads."""
    found: list[Result] = []
    for rule in rules:
        found += _hold(run, rule)
        if len(found) > MOST_RESULTS:
            raise InputError(
                f"the rule {plain(rule.name)} and those before it have more than {MOST_RESULTS:,} results: "
                "name fewer nodes",
                key="each",
            )
    return found


def _hold(run: Run, rule: Rule) -> Iterator[Result]:
    if rule.of in OF_WHOLE_RUN:
        yield _whole(run, rule)
    elif rule.of == "target":
        yield from _targets(run, rule)
    elif rule.of in ("availability", "longest-gap"):
        yield from _pairs(run, rule)
    else:
        parts = [*_parts(run, rule)]
        if rule.each is None:
            yield _of_parts(rule, "", parts)
            return
        subjects = [*_subjects(rule, parts)]
        for subject, of_it in subjects:
            yield _of_parts(rule, subject, of_it)
        if not subjects:
            yield _of_parts(rule, "", parts)


# ---- figures of a whole run


def _whole(run: Run, rule: Rule) -> Result:
    summary = run.summary
    if not summary:
        return _unknown(rule, "the run's summary cannot be read")
    value: Any
    if rule.of == "trusted":
        value, why = float(summary["trusted"]), "; ".join(plain(str(each)) for each in summary["doubts"][:3])
    elif rule.of == "completed":
        value, why = float(summary["ended"] == "completed"), plain(f"it is {summary['ended']}")
    elif rule.of == "engine-lateness":
        value, why = (summary.get("engine_lateness") or {}).get(_LATENESS[rule.q or 0.5]), ""
    elif rule.of == "late-ticks":
        value, why = (summary.get("ticks") or {}).get("late"), ""
    elif rule.of == "dead-nodes":
        value, why = len(summary.get("dead_nodes") or ()), ""
    elif rule.of == "handovers":
        value, why = (summary.get("handovers") or {}).get("count"), ""
    else:
        value, why = summary.get("path_changes"), ""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return _unknown(rule, "the run tells nothing of it")
    return _decided(rule, "", float(value), 1, 1, "" if rule.of in TRUTHS and value else why)


def _targets(run: Run, rule: Rule) -> Iterator[Result]:
    judged = [each for each in run.summary.get("customers") or () if each.get("target") is not None]
    classes = [each for each in judged if _fits(plain(str(each["customer_class"])), rule.customer_class)]
    if not classes:
        yield _unknown(rule, "no class of customers of that name has a target")
        return
    for each in classes:
        name, met = plain(str(each["customer_class"])), each.get("met")
        subject = name if rule.each == "class" or len(classes) > 1 else ""
        n = each.get("requests") or 0
        if met is None:
            yield _unknown(rule, f"the interval of {name}'s share holds what is demanded", subject, n)
        else:
            yield _decided(rule, subject, float(met), n, 1, "" if met else f"{name} missed its target")


# ---- figures of samples


def _parts(run: Run, rule: Rule) -> Iterator[_Part]:
    if rule.of in OF_TRAINING:
        sides = run.by_step
    elif rule.of in OF_CUSTOMERS:
        sides = {name: side for name, side in run.by_class.items() if _fits(name, rule.customer_class)}
    elif rule.of in KINDS:
        sides = {name: side for name, side in run.by_kind.items() if name == rule.of}
    else:
        sides = {name: side for name, side in run.by_kind.items() if _fits(name, rule.kind)}
    for name, side in sides.items():
        rows = np.ones(len(side), bool)
        for globs, of_gateways in ((rule.gateway, True), (rule.satellite, False)):
            if globs:
                rows &= _ends(side, globs, of_gateways)
        if _sound_only(rule):
            rows &= side.sound
        yield _Part(name, side, rows)


def _sound_only(rule: Rule) -> bool:
    """Unless it says so: of probes and tasks sound latencies alone, all else of all that was sent."""
    return rule.of in KINDS if rule.sound_only is None else rule.sound_only


def _ends(side: Measured, globs: Sequence[str], of_gateways: bool) -> Bools:
    """Rows one of whose ends is a gateway (or a satellite) of such a name."""
    found = np.zeros(len(side), bool)
    for end in ("src", "dst"):
        names = pc.unique(side.names[end]).to_pylist()
        wanted = [
            name for name in names
            if name is not None and is_gateway(name) is of_gateways and _fits(name, globs)
        ]  # fmt: skip
        found |= is_in(side.names[end], wanted)
    return found


def _fits(name: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def _subjects(rule: Rule, parts: Sequence[_Part]) -> Iterator[tuple[str, list[_Part]]]:
    """Each that there is, with what is left of the parts for it."""
    if rule.each in ("class", "kind"):
        yield from ((part.label, [part]) for part in parts if part.rows.any())
        return
    of_gateways = rule.each == "gateway"
    by_name: dict[str, list[_Part]] = {}
    for part in parts:
        for end in ("src", "dst"):
            column = part.measured.names[end]
            for name in pc.unique(column.filter(pa.array(part.rows))).to_pylist():
                if name is None or is_gateway(name) is not of_gateways:
                    continue
                rows = part.rows & is_in(column, [name])
                by_name.setdefault(plain(name), []).append(_Part(part.label, part.measured, rows))
                if len(by_name) > MOST_RESULTS:
                    break
    yield from sorted(by_name.items())


def _of_parts(rule: Rule, subject: str, parts: Sequence[_Part]) -> Result:
    n = sum(int(part.rows.sum()) for part in parts)
    if rule.of in COUNTS:
        return _decided(rule, subject, float(n), n, 0, "")
    if rule.of in SHARES:
        hits = sum(
            int((part.rows & (part.measured.sound if rule.of == "sound" else ~part.measured.ok)).sum())
            for part in parts
        )
        return _decided(
            rule, subject, hits / n if n else None, n, rule.least_samples or _needed_share(rule), ""
        )
    what = rule.of if rule.of in OF_CUSTOMERS or rule.of in OF_TRAINING else ""
    values = [part.measured.values_ns[what][part.rows] for part in parts]
    value = np.concatenate(values) if values else np.zeros(0)
    value = value[np.isfinite(value)]
    q = rule.q or 0.0
    takes = rule.least_samples or (LEAST_SAMPLES if q == 1 else needed(q))
    return _decided(
        rule, subject, float(np.quantile(value, q)) if len(value) else None, len(value), takes, ""
    )


def _needed_share(rule: Rule) -> int:
    """Of what never happened in n samples, 3 in n is the most that is likely (95 %)."""
    low, high = rule.bounds
    small = [each for each in (high, None if low is None else 1 - low) if each is not None and 0 < each < 1]
    return max(LEAST_SAMPLES, *(math.ceil(3 / each) for each in small), 0)


# ---- figures of pairs of nodes


def _pairs(run: Run, rule: Rule) -> Iterator[Result]:
    """Of each pair's whole time, the same of all kinds; a gateway that sends tasks, to any satellite."""
    column = "available_ratio" if rule.of == "availability" else "longest_gap_ns"
    table = run.pairs
    if not {"src", "dst", column} <= {*table.schema.names}:
        yield _unknown(rule, "the run's pairs cannot be read")
        return
    found: dict[str, dict[tuple[str, str], float]] = {}
    for src, dst, value in zip(*(table[name].to_pylist() for name in ("src", "dst", column)), strict=True):
        if src is None or dst is None or value is None or not math.isfinite(value) or value < 0:
            continue
        ends: dict[bool, list[str]] = {True: [], False: []}
        for name in (src, dst):
            ends[is_gateway(name)].append(name)
        if not all(
            not globs or any(_fits(name, globs) for name in ends[of_gateways])
            for globs, of_gateways in ((rule.gateway, True), (rule.satellite, False))
        ):
            continue
        subjects = [""] if rule.each is None else map(plain, ends[rule.each == "gateway"])
        for subject in subjects:
            found.setdefault(subject, {})[src, dst] = float(value)
    for subject, values in sorted(found.items()):
        figures = [*values.values()]
        value = float(np.mean(figures)) if rule.of == "availability" else max(figures)
        yield _decided(rule, subject, value, len(figures), rule.least_samples or 1, "")
    if not found:
        yield _unknown(rule, "no pair of nodes of these names is in the record")


# ---- verdicts


def _unknown(rule: Rule, why: str, subject: str = "", samples: int = 0) -> Result:
    return Result(rule, subject, None, samples, rule.least_samples or 1, Verdict.NOT_KNOWN, why)


def _decided(rule: Rule, subject: str, value: float | None, n: int, takes: int, why: str) -> Result:
    if value is None or n < takes:
        noun = "pair" if rule.of in ("availability", "longest-gap") else "sample"
        noun = "step" if rule.of in OF_TRAINING else noun
        why = f"takes {counted(takes, noun)}, and there {'is' if n == 1 else 'are'} {n:,}"
        if n == 0 and (rule.gateway or rule.satellite or rule.customer_class or rule.kind):
            why += " of the names that the rule gives"
        return Result(rule, subject, value, n, takes, Verdict.NOT_KNOWN, why)
    if rule.of in TRUTHS:
        return Result(rule, subject, value, n, takes, Verdict.PASS if value else Verdict.FAIL, why)
    low, high = rule.bounds
    fails = (low is not None and value < low) or (high is not None and value > high)
    return Result(rule, subject, value, n, takes, Verdict.FAIL if fails else Verdict.PASS, why)
