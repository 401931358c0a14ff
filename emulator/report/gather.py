"""All of a report, from what can be read of a record.  Pure."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from ..shown import counted
from . import (
    customers,
    geography,
    happened,
    latency,
    latency_over_time,
    latency_parts,
    network,
    own_error,
    platform,
    told,
    training,
)
from .course import Course
from .document import Document, Headline, Section
from .groups import quantiles_of_groups
from .samples import KIND_WORDS, Samples, samples_of
from .source import Source
from .values import NOTHING, count, duration, share, text
from .words import INTRODUCTION, words

_MOST_CLASSES = 6  # among the headlines


def document(source: Source) -> Document:
    samples = samples_of(source.samples, source.gateways)
    bins = samples.bins(source.began_sim_ns, _interval_ns(source))
    faults = happened.faults_of(source.events)
    changes = happened.changes_of(source.path_changes, samples.gateways)
    handovers = happened.handovers_of(source.handovers, changes, source.why_no_handovers)
    course = None if bins is None else Course(bins, faults, changes, handovers)
    over = "the whole run" if bins is None else bins.long
    sections = [
        told.what_ran(source),
        customers.customers(source, course, over),
        training.training(source, over),
        _latency(source, samples, course, over),
        network.network(source, faults, changes, handovers, course, over),
        platform.platform(source, course),
        own_error.own_error(source, samples, course, over),
        words(),
    ]
    scenario = source.known("scenario") or {}
    title = text(scenario.get("title") or scenario.get("name") or source.run_id or source.path.name)
    return Document(
        f"Run report: {text(scenario.get('name') or source.run_id or source.path.name)}",
        title,
        text(source.run_id or source.path.name),
        version("orbitmesh"),
        INTRODUCTION,
        tuple(_headlines(source, samples, len(faults))),
        tuple(section for section in sections if section is not None),
    )


def _latency(source: Source, samples: Samples, course: Course | None, over: str) -> Section:
    blocks = latency.distributions(samples, over)
    blocks += latency.by_gateway(samples, over)
    if course is not None:
        blocks += latency_over_time.over_time(samples, course)
    blocks += geography.map_of(source, samples, over)
    blocks += geography.matrix_of(source, samples, over)
    blocks += latency_parts.parts_that_add_up(source.summary, over)
    blocks += geography.availability(source, course)
    return Section("latency", "Who got what latency", tuple(blocks))


def _headlines(source: Source, samples: Samples, n_faults: int) -> list[Headline]:
    found = [_trust(source)]
    for row in (source.summary.get("customers") or [])[:_MOST_CLASSES]:
        word, level = customers.verdict_of(row)
        context = "nobody asked"
        if row["requests"] and row["target"] and row.get("within_target"):
            within = row["within_target"]
            context = (
                f"{share_text(within['share'])} of {row['requests']:,} requests within the target "
                f"({share_text(within['low'])} to {share_text(within['high'])}); asked for: "
                f"{share_text(within['asked_for'])}"
            )
        elif row["requests"]:
            context = f"{row['answered']:,} of {row['requests']:,} requests answered"
        found.append(Headline(f"Customers: {text(row['customer_class'], 40)}", word, context, level))
    if (kind := samples.probes) is not None:
        group = np.where(samples.of(kind), 0, -1)
        p50, p99 = quantiles_of_groups(group, samples.measured_ns, 1, (0.5, 0.99))[0]
        light = quantiles_of_groups(group, samples.physical_ns, 1, (0.5,))[0, 0]
        beside = NOTHING if np.isnan(light) else duration_text(light)
        found.append(
            Headline(
                f"Round trip, median of {KIND_WORDS[kind]}",
                duration(round(float(p50))),
                f"p99 {duration_text(p99)}; light along the same paths needs {beside}",
            )
        )
    known = [g for g in source.summary.get("gateways", []) if g.get("available_ratio") is not None]
    if known:
        worst = min(known, key=lambda g: float(g["available_ratio"]))
        all_of = worst["available_ratio"] == 1
        context = (
            "each gateway had a way all of the time"
            if all_of
            else f"{text(worst['gateway'], 40)}, longest gap {duration_text(worst['longest_gap_ns'] or 0)}"
        )
        found.append(
            Headline(
                "Least available gateway",
                share(worst["available_ratio"]),
                context,
                "good" if all_of else "note",
            )
        )
    n = len(samples)
    lost = int((~samples.ok).sum())
    context = f"{lost:,} without an answer; {counted(n_faults, 'fault')} in the run"
    found.append(Headline("Measurements", count(n), context))
    return found


def _trust(source: Source) -> Headline:
    if not source.summary:
        return Headline(
            "Can it be trusted?", "not known", "the record has no summary that this version can read", "doubt"
        )
    doubts = source.summary["doubts"]
    if doubts or source.missing:
        said = [counted(len(doubts), "doubt")] if doubts else []
        said += [f"{counted(len(source.missing), 'part')} of the record missing"] if source.missing else []
        return Headline("Can it be trusted?", "in doubt", f"{' and '.join(said)}: see below", "doubt")
    return Headline("Can it be trusted?", "yes", "nothing was found that speaks against the figures", "good")


def _interval_ns(source: Source) -> float:
    """How often each pair is probed: bins that are narrower would show which pairs are in them."""
    schedule = source.known("schedule")
    interval = schedule.get("interval_ns") if isinstance(schedule, dict) else None
    return float(interval) if isinstance(interval, int) and interval > 0 else 1.0


def share_text(ratio: float) -> str:
    cell = share(ratio)
    return cell if isinstance(cell, str) else cell.text


def duration_text(value_ns: float) -> str:
    cell = duration(round(float(value_ns)))
    return cell if isinstance(cell, str) else cell.text
