"""What was seen of a run as metric families: base units, HELP for people, nothing by satellite."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from ..record.totals import KINDS
from .epoch_figures import EpochFigures
from .seen import Seen

Rows = Iterable[tuple[Sequence[str], float | None]]
_NS = 1e9


class Collector:
    """Asked by the registry at each scrape."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        seen, status = self._seen, self._seen.status
        yield from _of_reading(seen)
        if not status:
            return
        yield from _of_run(status)
        yield from _of_ticks(status)
        yield from _of_events(seen)
        digest = seen.digest
        if digest:
            yield from _of_record(digest)
            yield from _of_recent(seen, digest)
        if totals := digest.get("totals"):
            yield from _of_samples(totals)
            yield from _of_ways(totals)
            yield from _of_customers(totals)
        if (figures := seen.epoch_figures()) is not None:
            yield from _of_links(figures)
            yield from _of_platforms(figures)


def _gauge(name: str, text: str, rows: Rows | float | None, labels: Sequence[str] = ()) -> Iterator[Metric]:
    """Nothing where nothing is known."""
    found = GaugeMetricFamily(f"orbitmesh_{name}", text, labels=labels)
    yield from _filled(found, rows)


def _counter(name: str, text: str, rows: Rows | float | None, labels: Sequence[str] = ()) -> Iterator[Metric]:
    found = CounterMetricFamily(f"orbitmesh_{name}", text, labels=labels)
    yield from _filled(found, rows)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: Rows | float | None) -> Iterator[Metric]:
    for labels, value in [((), rows)] if rows is None or isinstance(rows, int | float) else rows:
        if value is not None:
            family.add_metric(list(labels), value)
    if family.samples:
        yield family


def _histogram(
    name: str,
    text: str,
    labels: Sequence[str],
    edges_ns: Sequence[int],
    rows: Iterable[tuple[Sequence[str], Any]],
) -> Iterator[Metric]:
    found = HistogramMetricFamily(f"orbitmesh_{name}", text, labels=labels)
    edges = [*(str(edge / _NS) for edge in edges_ns), "+Inf"]
    for values, times in rows:
        buckets = list(zip(edges, accumulate(times["counts"]), strict=True))
        found.add_metric(list(values), buckets, times["sum_ns"] / _NS)
    if found.samples:
        yield found


def _of_reading(seen: Seen) -> Iterator[Metric]:
    from importlib.metadata import version

    build = InfoMetricFamily("orbitmesh_build", "The version of orbitmesh that tells this.")
    build.add_metric([], {"version": version("orbitmesh")})
    yield build
    age_s = None if seen.status_mono_s is None else time.monotonic() - seen.status_mono_s
    yield from _gauge(
        "status_age_seconds", "How long ago the run last said how it is; it does each second.", age_s
    )
    yield from _counter(
        "feed_entries_missed", "Entries of the run's feed that came and went before they were read here.",
        seen.missed,
    )  # fmt: skip


def _of_run(status: Mapping[str, Any]) -> Iterator[Metric]:
    run = InfoMetricFamily("orbitmesh_run", "What runs, on what.")
    told = {
        "run": "run_id",
        "scenario": "scenario",
        "network": "plane",
        "backend": "backend",
        "clock": "clock",
    }
    run.add_metric([], {label: str(status.get(key, "")) for label, key in told.items()})
    yield run
    yield from _gauge(
        "emulated_seconds",
        "How much emulated time has gone by since the run began.",
        _s(status["elapsed_ns"]),
    )
    yield from _gauge(
        "run_duration_seconds", "How much emulated time the run is to last.", _s(status["duration_ns"])
    )
    yield from _gauge(
        "clock_paused", "1 while emulated time stands still, else 0.", float(bool(status.get("paused")))
    )
    yield from _gauge(
        "clock_speed_ratio", "How many times as fast as the machine's time emulated time goes when it goes.",
        status.get("speed_ratio"),
    )  # fmt: skip
    yield from _gauge("satellites", "Satellites of the mesh.", status["satellites"])
    yield from _gauge("gateways", "Gateways of the mesh.", status["gateways"])
    yield from _gauge("hosts", "Nodes that have a network namespace of their own now.", status["hosts"])
    yield from _gauge("nodes_ready", "Node processes that are ready.", status["nodes_ready"])
    yield from _gauge("nodes_dead", "Node processes that died.", len(status["dead_nodes"]))
    rows = ((("laser",), status["lasers"]), (("ground",), status["ground_links"]))
    yield from _gauge("links", "Links that are there now, by kind.", rows, ["kind"])
    yield from _gauge(
        "interventions", "Failures and changes of links that are in force now.", status.get("interventions")
    )


def _of_ticks(status: Mapping[str, Any]) -> Iterator[Metric]:
    yield from _counter("ticks", "Times that links and routes were set to a new instant.", status["ticks"])
    yield from _counter(
        "late_ticks", "Ticks that came into force more than 10 ms late.", status["late_ticks"]
    )
    lateness = status.get("engine_lateness")
    if lateness is not None:
        found = HistogramMetricFamily(
            "orbitmesh_engine_lateness_seconds",
            "How late packets left the link engine: the emulator's own error. No sum is kept.",
        )
        buckets = [(str(edge / _NS), float(n)) for edge, n in lateness["up_to_ns"]]
        found.add_metric([], [*buckets, ("+Inf", lateness["packets"])], sum_value=None)
        yield found
    yield from _gauge(
        "engine_lateness_most_seconds", "The most that a packet left the link engine late.",
        _s(status.get("engine_lateness_max_ns")),
    )  # fmt: skip


def _of_events(seen: Seen) -> Iterator[Metric]:
    events = seen.events
    yield from _counter(
        "events", "What happened, by kind, since this endpoint began to read.",
        [((name,), n) for name, n in events.items()], ["event"],
    )  # fmt: skip
    yield from _counter(
        "lasers_lost", "Lasers that were there and are no more, since this endpoint began to read.",
        events["laser lost"],
    )  # fmt: skip
    yield from _counter(
        "lasers_gained", "Lasers that were not there and are, since this endpoint began to read.",
        events["laser gained"],
    )  # fmt: skip
    gateways = dict.fromkeys([*seen.gateways.known(), *seen.handovers])
    yield from _counter(
        "handovers", "Times that a gateway left or joined satellites, since this endpoint began to read.",
        [((gateway,), seen.handovers[gateway]) for gateway in gateways], ["gateway"],
    )  # fmt: skip


def _of_record(digest: Mapping[str, Any]) -> Iterator[Metric]:
    totals = digest.get("totals") or {}
    for name, text, value in (
        ("path_changes", "Changes of the path between two nodes that are measured.", digest["path_changes"]),
        (
            "faster_than_light", "Measurements that were faster than light allows: the run fails.",
            digest["too_fast"],
        ),
        ("record_rows_written", "Rows of tables written to the run's folder.", totals.get("rows_written")),
        ("record_rows_lost", "Rows that the disk did not take in time.", totals.get("rows_lost")),
        (
            "record_datagrams_dropped", "Measurements that nodes could not send to the recorder.",
            digest["dropped"],
        ),
        (
            "record_datagrams_malformed", "Datagrams at the recorder that were no measurement.",
            totals.get("malformed"),
        ),
        (
            "record_entries_missed", "Entries of the feed that the recorder was too slow for.",
            totals.get("missed_entries"),
        ),
    ):  # fmt: skip
        yield from _counter(name, text, value)
    yield from _gauge(
        "record_rows_waiting", "Rows that wait to be written to the run's folder.", totals.get("rows_waiting")
    )
    yield from _gauge("record_faults", "Kinds of faults that the recorder has found.", totals.get("faults"))
    yield from _gauge(
        "least_margin_seconds", "The least by which a measurement was slower than light.",
        _s(digest.get("least_margin_ns")),
    )  # fmt: skip


def _of_recent(seen: Seen, digest: Mapping[str, Any]) -> Iterator[Metric]:
    rows = [row for row in digest["gateways"] if seen.gateways.of(row["gateway"]) == row["gateway"]]
    for name, quantile, text in (
        ("median", "p50", "The median of the time measured there and back, over the last 10 s alone."),
        ("p99", "p99", "The 99th percentile of the time measured there and back, over the last 10 s alone."),
    ):
        values = [((r["gateway"], kind), _s(r[f"{kind}_{quantile}_ns"])) for r in rows for kind in KINDS]
        yield from _gauge(f"recent_latency_{name}_seconds", text, values, ["gateway", "kind"])
    yield from _gauge(
        "gateway_satellites_measured", "Satellites that were measured from each gateway over the last 10 s.",
        [((row["gateway"],), row["satellites"]) for row in rows], ["gateway"],
    )  # fmt: skip


def _of_samples(totals: Mapping[str, Any]) -> Iterator[Metric]:
    rows, names = totals["samples"], ["gateway", "kind"]
    keys = [((row["gateway"], row["kind"]), row) for row in rows]
    yield from _counter(
        "samples", "Measurements that were sent, answered or not.",
        [(key, row["samples"]) for key, row in keys], names,
    )  # fmt: skip
    yield from _counter(
        "samples_lost", "Measurements without an answer.", [(key, row["lost"]) for key, row in keys], names
    )
    for name, column, text in (
        ("latency_seconds", "measured", "Time there and back as the processes saw it, of what was answered."),
        (
            "latency_physical_seconds", "physical",
            "Time that light needs there and back along the path, of the same measurements.",
        ),
    ):  # fmt: skip
        yield from _histogram(
            name, text, names, totals["edges_ns"], [(key, row[column]) for key, row in keys]
        )
    rest = SummaryMetricFamily(
        "orbitmesh_latency_remainder_seconds",
        "Measured less physics, sending the bytes, and the serving node's queue and compute.",
        labels=names,
    )
    for key, row in keys:
        rest.add_metric(list(key), row["remainders"], row["remainder_ns"] / _NS)
    if rest.samples:
        yield rest


def _of_ways(totals: Mapping[str, Any]) -> Iterator[Metric]:
    rows = totals["ways"]
    for name, column, text in (
        (
            "gateway_way_seconds",
            "with_way_ns",
            "Time in which a gateway had a way to a satellite with a process.",
        ),
        ("gateway_watched_seconds", "watched_ns", "Time in which it was known whether a gateway had a way."),
    ):
        yield from _counter(name, text, [((row["gateway"],), row[column] / _NS) for row in rows], ["gateway"])
    yield from _gauge(
        "gateways_with_way", "1 where a gateway has a way to a satellite with a process now, else 0.",
        [((row["gateway"],), row["with_way"]) for row in rows], ["gateway"],
    )  # fmt: skip


def _of_customers(totals: Mapping[str, Any]) -> Iterator[Metric]:
    rows = totals["customers"]
    yield from _counter(
        "customer_requests", "Requests of customers, by what became of each (see customer_one_in).",
        [((row["customer_class"], outcome), n) for row in rows for outcome, n in row["outcomes"].items()],
        ["class", "outcome"],
    )  # fmt: skip
    yield from _gauge(
        "customer_one_in", "For how many requests of a class each that is sent stands.",
        [((row["customer_class"],), row["one_in"]) for row in rows], ["class"],
    )  # fmt: skip
    yield from _gauge(
        "customer_target_ratio", "Which share of a class's requests is to be within its target.",
        [((row["customer_class"],), row["asked_for"]) for row in rows], ["class"],
    )  # fmt: skip
    for name, column, text in (
        ("customer_first_token_seconds", "first_token", "From when a request was due to its first token."),
        ("customer_answer_seconds", "answer", "From when a request was due to its last token."),
    ):
        of_class = [((row["customer_class"],), row[column]) for row in rows]
        yield from _histogram(name, text, ["class"], totals["edges_ns"], of_class)


def _of_links(figures: EpochFigures) -> Iterator[Metric]:
    names = ["shell", "kind"]
    yield from _gauge("lasers", "Lasers that are up now.", list(figures.lasers.items()), names)
    yield from _gauge(
        "lasers_broken", "Lasers that have failed and that routes do not know of yet.",
        list(figures.broken.items()), names,
    )  # fmt: skip
    yield from _gauge(
        "plane_laser_ends", "Ends of lasers that are up, at satellites of a plane or of a group of planes.",
        [((plane,), n) for plane, n in figures.laser_ends.items()], ["plane"],
    )  # fmt: skip
    yield from _gauge(
        "ground_links", "Links between a gateway and satellites now.",
        [((gateway,), n) for gateway, n in figures.ground.items()], ["gateway"],
    )  # fmt: skip


def _of_platforms(figures: EpochFigures) -> Iterator[Metric]:
    rows = [((shell,), each) for shell, each in figures.platforms.items()]
    for name, column, text in (
        (
            "platform_sunlit_ratio",
            "sunlit_ratio",
            "The share of the Sun's disk that satellites see, their mean.",
        ),
        (
            "platform_battery_joules",
            "battery_mean_j",
            "Energy in a satellite's battery, the mean of the shell.",
        ),
        ("platform_battery_least_joules", "battery_least_j", "Energy in the battery that holds the least."),
        ("platform_temperature_celsius", "temperature_mean_c", "Temperature of satellites, their mean."),
        ("platform_temperature_most_celsius", "temperature_most_c", "Temperature of the hottest satellite."),
        ("platform_power_watts", "power_w", "Power that computers and buses draw, all satellites together."),
        ("platform_demand_watts", "demand_w", "Power that computers ask for, all satellites together."),
        (
            "platform_throttle_ratio",
            "throttle_ratio",
            "The share of the power asked for that is not granted.",
        ),
        (
            "platform_capacity_ratio",
            "capacity_ratio",
            "The share of the peak rate of computing that is possible.",
        ),
    ):
        yield from _gauge(name, text, [(key, getattr(each, column)) for key, each in rows], ["shell"])
    yield from _gauge(
        "platform_held_back_satellites", "Satellites whose computing is held back now, by cause.",
        [((key[0], cause), n) for key, each in rows for cause, n in each.held_back.items()],
        ["shell", "cause"],
    )  # fmt: skip
    for name, by_plane, text in (
        (
            "plane_sunlit_ratio",
            figures.plane_sunlit_ratio,
            "As platform_sunlit_ratio, by plane or group of planes.",
        ),
        (
            "plane_temperature_celsius",
            figures.plane_temperature_c,
            "Mean temperature by plane or group of planes.",
        ),
    ):
        yield from _gauge(name, text, [((plane,), value) for plane, value in by_plane.items()], ["plane"])


def _s(value_ns: float | None) -> float | None:
    return None if value_ns is None else value_ns / _NS
