"""Classes of customers: what gateways are told of them, and the targets by which their answers are judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from math import degrees
from pathlib import Path
from typing import Any

from orbitmesh.wire.load import HOURS, Lengths, LoadSpec, Trace
from orbitmesh.wire.schedule import node_seed

from ..answers.targets import Target
from ..errors import InputError
from ..presets import preset
from .model import Content, Customers, Station, TargetTable, Tokens
from .serving import serving_spec
from .traces import read_trace

# of a target preset: figure, and what it bounds
_FIGURES = {"first-token-p99": "ttft_ns", "per-token-p99": "tpot_ns", "answer-p99": "answer_ns"}

# Requests without packets: what tells satellites of them takes some 10 us of a core for each.
MOST_SILENT_PER_S = 50_000


def silent_rate_per_s(scenario: Content) -> float:
    """Of requests without packets, of all classes and gateways in their busiest hour; traces have few."""
    found = 0.0
    for each in scenario.customers:
        if each.rate_per_s is None or each.trace is not None or not sum(each.hours) > 0:
            continue
        n = len(scenario.ground.stations) if each.gateways == "all" else len(each.gateways)
        busiest = max(each.hours) * len(each.hours) / sum(each.hours)
        found += n * each.rate_per_s * busiest * (1 - 1 / each.one_in)
    return found


def load_specs(
    customers: Sequence[Customers], station: Station, seed: int, start_utc: datetime, base: Path
) -> tuple[LoadSpec, ...]:
    """Of a gateway.  ScenarioError, with file and line, where a trace cannot be read."""
    gateway = f"gw-{station.name}"
    hour = start_utc.hour + start_utc.minute / 60 + start_utc.second / 3600
    local_hour = (hour + degrees(station.longitude_rad) / 15) % HOURS
    found = []
    for each in customers:
        if each.gateways != "all" and station.name not in {
            name.removeprefix("gw-") for name in each.gateways
        }:
            continue
        found.append(
            LoadSpec(
                customer_class=each.name,
                gateway=gateway,
                seed=node_seed(seed, f"{gateway}/{each.name}"),
                rate_per_s=each.rate_per_s or 1.0,  # a trace has its own
                prompt=lengths(each.prompt),
                output=lengths(each.output),
                gaps_cv=each.gaps_cv,
                clients=each.clients,
                skew=each.skew,
                hours=each.hours,
                local_hour_at_start=local_hour,
                one_in=each.one_in,
                bytes_per_token=each.bytes_per_token,
                bytes_per_image=each.bytes_per_image or 0,
                trace=None if each.trace is None else _trace(each, base / each.trace),
            )
        )
    return tuple(found)


def _trace(customers: Customers, path: Path) -> Trace:
    """InputError too where nothing says how large its images are: they would weigh nothing on the links."""
    trace = read_trace(path)
    if any(trace.images) and not trace.image_bytes and customers.bytes_per_image is None:
        raise InputError(
            f"has images, and nothing says how large they are: give the class {customers.name!r} "
            "bytes-per-image, or the file a column image_bytes",
            path=path,
        )
    return trace


def loads_of(scenario: Content, base: Path, seed: int) -> dict[str, tuple[LoadSpec, ...]]:
    """By gateway; those without customers are not in it.  ``base``: the folder of the scenario's traces."""
    found = {
        f"gw-{station.name}": load_specs(scenario.customers, station, seed, scenario.run.start_utc, base)
        for station in scenario.ground.stations
    }
    return {gateway: loads for gateway, loads in found.items() if loads}


def described(scenario: Content) -> list[dict[str, Any]]:
    """For run.json: each class, and the target that its answers are judged by."""
    rows = []
    for each in scenario.customers:
        target = target_of(each)
        rows.append(
            {"name": each.name, "one_in": each.one_in, "target": None if target is None else asdict(target)}
        )
    return rows


def lengths(tokens: Tokens) -> Lengths:
    """ValueError where they make no sense together."""
    kind = tokens.spread or ("fixed" if tokens.p95 is None else "lognormal")
    return Lengths(kind, tokens.median, tokens.p95 or 0.0, tokens.most)


def target_of(customers: Customers) -> Target | None:
    """None where it demands nothing.  InputError for a preset that is none, ValueError for no bounds."""
    wanted = customers.target
    if wanted is None:
        return None
    if isinstance(wanted, TargetTable):
        return Target(wanted.ttft_ns, wanted.tpot_ns, wanted.answer_ns, wanted.share)
    figures = preset("target", wanted).figures
    bounds: dict[str, int] = {
        attribute: round(figures[name].in_unit("ms") * 1e6)
        for name, attribute in _FIGURES.items()
        if name in figures
    }
    return Target(bounds.get("ttft_ns"), bounds.get("tpot_ns"), bounds.get("answer_ns"), preset=wanted)


def customer_problems(customers: Customers, scenario: Content) -> Iterator[tuple[str, str]]:
    """What is wrong with a class: the key and a sentence."""
    if customers.rate_per_s is None and customers.trace is None:
        yield "rate", "the key 'rate' is missing: add it, or name a trace"
    for key in ("prompt", "output"):
        try:
            lengths(getattr(customers, key))
        except ValueError as error:
            yield key, str(error)
    if len(customers.hours) != HOURS or min(customers.hours) < 0 or not sum(customers.hours) > 0:
        yield "hours", f"a day's curve needs {HOURS} factors of 0 or more, not all 0"
    try:
        target_of(customers)
    except InputError as error:
        yield "target", error.message
    except ValueError as error:
        yield "target", str(error)
    serving = scenario.serving
    if serving is None:
        return
    if customers.model is not None and customers.model != serving.model:
        yield "model", f"the satellites serve {serving.model}: name that, or leave the key out"
    try:
        room = serving_spec(serving).deployment.kv_blocks * 16
    except (InputError, ValueError):
        return  # said of [serving]
    least = customers.prompt.median + customers.output.median
    if least > room:
        yield (
            "prompt",
            f"half of its requests need {least:g} tokens of KV cache, and a satellite has {room:,}: "
            "shorten them, or serve with more accelerators",
        )
