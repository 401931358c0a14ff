"""Classes of customers in a summary: their answers, taken apart and judged against their targets.

Where the time went: propagation, sending, the accelerator's queue and the model's steps are known, and what
packets waited on the links about then.  Of what is left that wait is the links'.  The rest is laid on a lost
packet, where the links of the way lost one meanwhile and the rest is at least the round trip that sending
again takes; else on a move to another satellite, or a change of the path; else on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orbitmesh.nodes.serving.published import BEFORE_QUEUE_NS
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.answers import CUT_OFF
from orbitmesh.wire.serving import Deployment

from ..answers.judge import Asked, causes, judge
from ..answers.parts import PARTS, Parts, least_of
from ..answers.targets import Target
from .customer_trust import forbidden, host_part

_COLUMN = {name: place for place, name in enumerate(PARTS)}


def customer_rows(
    answers: pa.Table,
    classes: Sequence[Mapping[str, Any]],
    deployment: Deployment,
    duration_ns: int,
    budget: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """A row for each class of run.json's ``customers``; answers in any order.

    ``budget``: its ``error_budget``.
    """
    times = StepTime(deployment)
    found = []
    for each in classes:
        of_class = answers.filter(pc.equal(answers["customer_class"], each["name"])).sort_by("due_mono_ns")
        cut_off = pc.equal(of_class["error"].fill_null(""), CUT_OFF)
        of_class = of_class.filter(pc.invert(cut_off))
        target = None if each["target"] is None else Target(**each["target"])
        asked = _asked(of_class, times, duration_ns, each["one_in"])
        # judged also where nothing is demanded: what it got is what people ask first
        row = judge(asked, target or _ANYTHING)
        if target is None:
            row.pop("within_target", None)
            row.pop("causes", None)
            row["met"] = None
        # of a class that asked for nothing there is nothing to say
        more = _of_class(of_class, asked, target, budget) if row["requests"] else {}
        n_cut_off = int(pc.sum(cut_off).as_py() or 0)
        found.append(
            {"customer_class": each["name"], "target": each["target"], **row, "cut_off": n_cut_off, **more}
        )
    return found


def causes_of(answers: pa.Table, each: Mapping[str, Any], times: StepTime) -> dict[str, int]:
    """By cause: how many of these answers, of one class of run.json's ``customers``, missed its target."""
    asked = _asked(answers, times, 1, each["one_in"])
    return {name: row["requests"] for name, row in causes(asked, Target(**each["target"])).items()}


_HELD_BACK = {"heat": "too warm", "eclipse": "no power in eclipse", "energy": "no power"}
_ANYTHING = Target(answer_ns=2**62)


def _of_class(
    table: pa.Table, asked: Asked, target: Target | None, budget: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What is said of a class beside its verdict."""
    answered = table.filter(pa.array(asked.answered))
    host = host_part(answered, asked.metrics["ttft"], budget)
    return _quality(table) | host | forbidden(table, target) | _joules(table) | _moves(table)


def _quality(table: pa.Table) -> dict[str, Any]:
    """Of the measurement: how many requests met no slow moment of this machine, and how late they left."""
    late_ns = _ints(table, "late_ns")
    return {
        "sound": int(np.count_nonzero(table["sound"].fill_null(True).to_numpy())),
        "sent_late_p99_ns": round(float(np.quantile(late_ns, 0.99))),
    }


def _joules(table: pa.Table) -> dict[str, float | None]:
    """Of the accelerators' energy while they compute, by each request's own part of every step it was in."""
    answered = table.filter(pa.array(_bools(table, "ok")))
    joules, tokens = float(_ints(answered, "energy_j").sum()), float(_ints(answered, "output_tokens").sum())
    return {
        "joules_per_request": joules / len(answered) if len(answered) else None,
        "joules_per_token": joules / tokens if tokens else None,
    }


def _moves(table: pa.Table) -> dict[str, Any]:
    """Of answers that went on at another satellite, however they ended."""
    moves = _ints(table, "moves")
    return {
        "moved": {
            "requests": int(np.count_nonzero(moves)),
            "moves": int(moves.sum()),
            "recomputed": int(_ints(table, "recomputed").sum()),
            "bytes": int(_ints(table, "moved_bytes").sum()),
        }
    }


def _asked(table: pa.Table, times: StepTime, duration_ns: int, one_in: int) -> Asked:
    ok = _bools(table, "ok")
    answered = table.filter(pa.array(ok))
    refused = _bools(table, "refused")
    return Asked(
        answered=ok,
        refused=refused,
        metrics=_metrics(answered, times),
        tokens=_ints(table, "output_tokens"),
        bytes=_ints(table, "bytes_down"),
        duration_ns=duration_ns,
        one_in=one_in,
        links=tuple(link or "" for link in answered["link"].to_pylist()),
        reasons=_reasons(table.filter(pa.array(refused))),
    )


def _reasons(refused: pa.Table) -> tuple[str, ...]:
    """What held the satellite back, where something did; else the status that it answered with."""
    columns = (refused[name].to_pylist() for name in ("throttled_by", "error"))
    return tuple(_HELD_BACK.get(by, error) for by, error in zip(*columns, strict=True))


def _metrics(answered: pa.Table, times: StepTime) -> dict[str, Parts]:
    ints = {
        name: _ints(answered, name)
        for name in (
            "ttft_ns", "answer_ns", "late_ns", "propagation_ns", "propagation_done_ns", "serialisation_ns",
            "queue_ns", "prefill_ns", "decode_ns", "throttled_ns", "throttled_queue_ns",
            "throttled_prefill_ns", "prompt_tokens", "output_tokens", "links_first_ns", "links_done_ns",
            "lost_first", "lost_done",
            "moved_ns", "moved_first_ns", "moves",
        )
    }  # fmt: skip
    changed = _changed(answered)
    heat = np.array([by == "heat" for by in answered["throttled_by"].to_pylist()], bool)
    prefill_alone, decode_alone = _alone(times, ints["prompt_tokens"], ints["output_tokens"])
    # what each request takes before it can wait for anyone is work, not waiting
    before = np.minimum(ints["queue_ns"], BEFORE_QUEUE_NS)
    throttled = _Throttled(
        np.minimum(ints["throttled_queue_ns"], ints["queue_ns"] - before),
        np.minimum(ints["throttled_prefill_ns"], ints["prefill_ns"]),
        ints["throttled_ns"] - ints["throttled_queue_ns"] - ints["throttled_prefill_ns"],
        heat,
    )
    steps = ints["prefill_ns"], ints["decode_ns"]
    home = ints["propagation_ns"] + (ints["propagation_done_ns"] - ints["propagation_ns"]) / 2
    more = np.maximum(ints["output_tokens"] - 1, 1)

    first = _parts(ints, before, ints["propagation_ns"])
    first[:, _COLUMN["compute"]] += steps[0] - throttled.prefill
    throttled.lay(first, throttled.queue + throttled.prefill)
    whole = _parts(ints, before, home)
    whole[:, _COLUMN["compute"]] += steps[0] + steps[1] - throttled.prefill - throttled.decode
    throttled.lay(whole, throttled.queue + throttled.prefill + throttled.decode)
    for parts in (first, whole):
        parts[:, _COLUMN["waiting"]] -= throttled.queue
    rest = np.zeros_like(first)
    rest[:, _COLUMN["compute"]] = (steps[1] - throttled.decode) / more
    throttled.lay(rest, throttled.decode / more)

    first[:, _COLUMN["moved"]], whole[:, _COLUMN["moved"]] = ints["moved_first_ns"], ints["moved_ns"]
    rest[:, _COLUMN["moved"]] = (ints["moved_ns"] - ints["moved_first_ns"]) / more
    # what moved after its first token had come had that from where it was first asked for, along one path
    moved = ints["moves"] > 0
    changed_first = np.where(moved, np.where(ints["moved_first_ns"] > 0, "moved", ""), changed)
    changed = np.where(moved, "moved", changed)

    several = ints["output_tokens"] > 1
    rest[~several] = 0  # an answer of one token has no time between tokens: it misses no bound on it
    tpot_ns = np.where(several, (ints["answer_ns"] - ints["ttft_ns"]) / more, 0)
    waits = ints["links_first_ns"], ints["links_done_ns"]
    again_ns = np.maximum(ints["propagation_ns"], ints["propagation_done_ns"])
    lost = ints["lost_first"], ints["lost_done"]
    later = np.maximum(waits[1] - waits[0], 0) / more, lost[1] > lost[0], again_ns / more
    return {
        "ttft": _whole(
            first, ints["ttft_ns"], changed_first, prefill_alone, _Way(waits[0], lost[0] > 0, again_ns)
        ),
        "answer": _whole(
            whole,
            ints["answer_ns"],
            changed,
            prefill_alone + decode_alone,
            _Way(waits[1], lost[1] > 0, again_ns),
        ),
        "tpot": _whole(rest, tpot_ns, changed, decode_alone / more, _Way(*later)),
    }


@dataclass(frozen=True)
class _Throttled:
    """What was longer for want of power, (n,) ns each: before the first step, to the first token, after."""

    queue: np.ndarray
    prefill: np.ndarray
    decode: np.ndarray
    heat: np.ndarray  # bool: by heat

    def lay(self, parts: np.ndarray, throttled: np.ndarray) -> None:
        parts[:, _COLUMN["heat"]] = np.where(self.heat, throttled, 0)
        parts[:, _COLUMN["eclipse"]] = np.where(self.heat, 0, throttled)


@dataclass(frozen=True)
class _Way:
    """(n,) each: waited on links, ns; did they lose packets; what sending again takes at least, ns."""

    waited: np.ndarray
    lost: np.ndarray
    again: np.ndarray


def _parts(ints: Mapping[str, np.ndarray], before: np.ndarray, propagation: np.ndarray) -> np.ndarray:
    """All that does not hang on the model's steps."""
    parts = np.zeros((len(ints["ttft_ns"]), len(PARTS)))
    parts[:, _COLUMN["propagation"]] = propagation
    parts[:, _COLUMN["links"]] = ints["serialisation_ns"]
    parts[:, _COLUMN["waiting"]] = ints["queue_ns"] - before
    parts[:, _COLUMN["compute"]] = before
    parts[:, _COLUMN["host"]] = ints["late_ns"]
    return parts


def _whole(
    parts: np.ndarray, measured: np.ndarray, changed: np.ndarray, alone: np.ndarray, way: _Way
) -> Parts:
    """With what is left, laid where it belongs, so that the parts are the whole."""
    left = measured - parts.sum(axis=1)
    waited = np.clip(left, 0, way.waited)
    parts[:, _COLUMN["links"]] += waited
    left = left - waited
    lost = way.lost & (left >= way.again) & (left > 0)
    parts[:, _COLUMN["lost"]] += np.where(lost, left, 0)
    for name in ("moved", "handover", "reroute"):
        parts[:, _COLUMN[name]] += np.where(~lost & (changed == name), left, 0)
    parts[:, _COLUMN["host"]] += np.where(~lost & (changed == ""), left, 0)
    return Parts(np.asarray(measured, np.float64), parts, least_of(parts, alone))


def _changed(table: pa.Table) -> np.ndarray:
    """What became of each answer's path under way: "", "handover" of its gateway, or "reroute"."""
    found = []
    for old, new in zip(table["path"].to_pylist(), table["path_done"].to_pylist(), strict=True):
        if old is None or new is None or old == new:
            found.append("")
        else:
            ends = [path.split(">")[1:2] for path in (old, new)]
            found.append("reroute" if ends[0] == ends[1] else "handover")
    return np.array(found, dtype="U8")


def _alone(times: StepTime, prompt: np.ndarray, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What prompt and answer would take at full power with nobody else there, (n,) ns each."""
    prefill = np.array([BEFORE_QUEUE_NS + times.ns(int(p), p * p / 2, 0, 0) for p in prompt], np.float64)
    # a step's time grows linearly with the context: that of the middle one, for all
    decode = np.array(
        [(n - 1) * times.ns(0, 0.0, 1, int(p + n / 2)) for p, n in zip(prompt, output, strict=True)],
        np.float64,
    )
    return prefill, np.maximum(decode, 0)


def _ints(table: pa.Table, name: str) -> np.ndarray:
    return np.asarray(table[name].fill_null(0).to_numpy(), np.float64)


def _bools(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table[name].to_pylist(), bool)
