"""How exact the emulation itself was, beside what its calibration lets expect.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..record.soundness import CAUSES, Window
from .course import Course
from .document import Absent, Block, Cell, Facts, Figure, Section, Table, Value
from .groups import Floats, numbers, quantiles_of_groups
from .plot_data import Line, Lines, Panel, Role
from .samples import KIND_WORDS, Samples
from .source import Source
from .told import NO_SUMMARY
from .values import count, duration, text

_CAUSE_WORDS = {
    "late-tick": "a tick was late",
    "late-engine": "packets left late",
    "host-stall": "a processor stood still",
    "stolen": "the host's time was taken by others",
}
_ROLES: tuple[Role, ...] = ("tail", "measured", "other", "physical")
_SHARES = (*np.linspace(0, 0.99, 100), 0.995, 0.999, 1.0)


def own_error(source: Source, samples: Samples, course: Course | None, over: str) -> Section:
    blocks: list[Block] = (
        [_facts(source)] if source.summary else [Absent("how late ticks and packets were", NO_SUMMARY)]
    )
    blocks += _beside_calibration(source, samples, over)
    blocks += _soundness(source)
    blocks += _windows(source.windows, samples, course)
    return Section("own-error", "The emulator's own error", tuple(blocks))


def _facts(source: Source) -> Block:
    summary = source.summary
    late, ticks, light = summary["engine_lateness"], summary["ticks"], summary["light"]
    not_known: tuple[Cell, ...] = ("not known",)
    return Facts(
        (
            (
                "Packets left late by",
                not_known
                if late["p50_ns"] is None
                else (
                    duration(late["p50_ns"]),
                    "(p50),",
                    duration(late["p99_ns"]),
                    "(p99),",
                    duration(late["max_ns"]),
                    "(most)",
                ),
            ),
            (
                "Late ticks",
                not_known if ticks["count"] is None else (count(ticks["late"]), "of", count(ticks["count"])),
            ),
            (
                "Nearest to light",
                not_known
                if light["least_margin_ns"] is None
                else (
                    duration(light["least_margin_ns"]),
                    "was the least by which a sample was slower than light would be",
                ),
            ),
        )
    )


def _beside_calibration(source: Source, samples: Samples, over: str) -> list[Block]:
    """The remainder of the probes beside what the links themselves are expected to add."""
    budget: dict[str, Any] = source.known("error_budget") or {"reason": "the record does not say"}
    blocks: list[Block] = []
    kind = samples.probes
    measured: list[tuple[Cell, ...]] = []
    use = np.zeros(len(samples), bool)
    if kind is not None and kind != "task":
        use = samples.of(kind) & ~np.isnan(samples.remainder_ns)
        q = quantiles_of_groups(np.where(use, 0, -1), samples.remainder_ns, 1, (0.5, 0.99))[0]
        if use.any():
            measured.append(
                (
                    f"measured less physics, {KIND_WORDS[kind]}, there and back",
                    *(duration(round(float(v))) for v in q),
                )
            )
    levels: list[tuple[str, float]] = []
    if "reason" in budget:
        blocks.append(Absent("what error to expect of this machine's links", text(budget["reason"], 400)))
    else:
        hops = (
            float(np.median(samples.hops[use]))
            if use.any() and not np.isnan(samples.hops[use]).all()
            else 1.0
        )
        more = max(hops - 1, 0) * budget["per_hop_ns"]
        p50, p99 = (2 * (budget[key] + more) for key in ("first_p50_ns", "first_p99_ns"))
        distrusted = (
            f" It is not to be trusted: {text(budget['distrusted'], 300)}."
            if budget.get("distrusted")
            else ""
        )
        measured.append(
            (
                f"links alone, by the calibration of {text(budget['calibrated_utc'], 40)}, there and back "
                f"over {hops:g} {'hop' if hops == 1 else 'hops'}",
                duration(p50),
                duration(p99),
            )
        )
        levels = [("links, p50", p50 / 1e6), ("links, p99", p99 / 1e6)]
        blocks.append(
            Table(
                "calibration",
                "What was measured beyond physics, and what of it is the links'",
                "The remainder is what a round trip took beyond light and the sending of its bytes: the "
                "emulated links' own error, "
                "queues, the host's stack and the processes that answer. Calibration bounds the first of "
                f"these.{distrusted}",
                ("what", "p50", "p99"),
                tuple(measured),
            )
        )
    if use.any():
        n = int(use.sum())
        curve = quantiles_of_groups(np.where(use, 0, -1), samples.remainder_ns, 1, _SHARES)[0] / 1e6
        sound = use & samples.sound
        lines = [Line("all", numbers(curve), numbers(100 * np.array(_SHARES)), "measured")]
        if sound.any() and int(sound.sum()) < n:
            of_sound = quantiles_of_groups(np.where(sound, 0, -1), samples.remainder_ns, 1, _SHARES)[0] / 1e6
            lines.append(
                Line("sound ones alone", numbers(of_sound), numbers(100 * np.array(_SHARES)), "physical")
            )
        blocks.append(
            Figure(
                "remainder",
                "Measured less physics",
                f"The share of {KIND_WORDS[str(kind)]} whose remainder was no more than so much, there "
                "and back"
                + (", beside what calibration expects of the links alone (dotted)." if levels else "."),
                over,
                Value(n, "", f"{n:,}"),
                f"answered {KIND_WORDS[str(kind)]} whose path did not change on the way",
                Lines(
                    "remainder, ms",
                    (Panel("", "share of samples, %", tuple(lines), levels=tuple(levels)),),
                    x_log=True,
                ),
            )
        )
    return blocks


def _soundness(source: Source) -> list[Block]:
    sound = source.summary.get("soundness")
    if not sound or not isinstance(sound.get("causes"), dict):
        return []
    rows = tuple(
        (
            _CAUSE_WORDS.get(cause, text(cause, 40)),
            count(each.get("windows")),
            duration(each.get("windows_ns")),
            duration(each.get("worst_ns")),
            count(each.get("samples")),
        )
        for cause, each in sound["causes"].items()
        if isinstance(each, dict)
    )
    return [
        Table(
            "soundness",
            "Moments in which the emulation was late",
            f"Of {sound['samples']:,} samples {sound['sound']:,} met no such moment."
            if sound["samples"]
            else "There are no samples that could have met one.",
            ("what happened", "moments", "together", "worst", "samples marked"),
            rows,
        )
    ]


def _windows(windows: Sequence[Window], samples: Samples, course: Course | None) -> list[Block]:
    if not windows:
        return [Absent("late moments", "none was noted, or none can be read")]
    if course is None:
        return []
    known = ~np.isnan(samples.sim_ns) & ~np.isnan(samples.sent_mono_ns)
    if not known.any():
        return []
    order = np.argsort(samples.sent_mono_ns[known])
    # emulated time may have been paused or sped up: by the samples' own two clocks
    mono, sim = samples.sent_mono_ns[known][order], samples.sim_ns[known][order]
    bins = course.bins
    begins = np.array([float(window.from_mono_ns) for window in windows])
    at: Floats = np.interp(begins, mono, sim)
    place = bins.of(at)
    panels = []
    for cause, role in zip(CAUSES, _ROLES, strict=False):
        worst = np.full(bins.n, np.nan)
        for window, i in zip(windows, place.tolist(), strict=True):
            if window.cause == cause and i >= 0:
                worst[i] = np.fmax(worst[i], window.worst_ns / 1e6)
        if not np.isnan(worst).all():
            panels.append(
                Line(
                    _CAUSE_WORDS.get(cause, cause),
                    numbers(bins.middles),
                    numbers(np.nan_to_num(worst)),
                    role,
                )
            )
    n = len(windows)
    return [
        Figure(
            "late-moments",
            "When the emulation was late",
            f"The worst lateness of each {bins.width}, by what was late; samples that were on their "
            "way then are marked as not sound.",
            course.over,
            Value(n, "", f"{n:,}"),
            "late moments",
            Lines(
                bins.axis,
                (Panel("", "worst, ms", tuple(panels), shape="steps"),),
                x_range=bins.x_range,
            ),
        )
    ]
