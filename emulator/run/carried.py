"""Whether this machine can carry the real streams that customers ask for."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orbitmesh.nodes.load.arrivals import expected_requests
from orbitmesh.wire.load import LoadSpec
from orbitmesh.wire.serving import messages

from ..calibration.customers import CustomerCost, cost_here
from ..record.machine import machine_facts
from ..scenario import Scenario

# Below these nothing is measured: two orders of magnitude below what a core does.
_FEW_REQUESTS_PER_S, _FEW_MESSAGES_PER_S = 10.0, 200.0
# Some of the machine is needed for links and routes; less than this of it is not worth naming as room.
_LEAST_ROOM_RATIO = 0.1


@dataclass(frozen=True)
class Asked:
    """Of a class at all its gateways, a second in the mean of the run: with packets of their own."""

    customer_class: str
    one_in: int
    requests_per_s: float
    tokens_per_s: float
    messages_per_s: float


def asked_of(loads: Iterable[LoadSpec], message_tokens: int, duration_ns: int) -> list[Asked]:
    found: dict[str, list[float]] = {}
    one_in: dict[str, int] = {}
    for load in loads:
        requests_per_s = expected_requests(load, duration_ns) / load.one_in / (duration_ns / 1e9)
        _, tokens = load.mean_tokens
        sums = found.setdefault(load.customer_class, [0.0, 0.0, 0.0])
        for i, more in enumerate((1.0, tokens, messages(tokens, message_tokens))):
            sums[i] += requests_per_s * more
        one_in[load.customer_class] = load.one_in
    return [Asked(name, one_in[name], *sums) for name, sums in found.items()]


def too_much(asked: list[Asked], cost: CustomerCost, cores: int) -> tuple[str, str] | None:
    """The class that asks most, and a sentence; None where it may do."""
    each = {a.customer_class: cost.cores(a.requests_per_s, a.messages_per_s) for a in asked}
    needed = sum(each.values())
    if needed <= cores:
        return None
    worst = max(asked, key=lambda a: each[a.customer_class])
    own = each[worst.customer_class]
    room, whose = cores - (needed - own), ""
    if room < _LEAST_ROOM_RATIO * cores:
        room, whose = own * cores / needed, ", and that of the other classes as much higher"
    ratio = own / room
    requests, tokens = worst.requests_per_s, worst.tokens_per_s
    return worst.customer_class, (
        f"{worst.customer_class!r} asks for {_number(requests)} real requests/s of {_number(tokens)} "
        f"tokens/s, which with all else takes {_number(needed)} of this machine's {cores} cores before any "
        f"link does (measured: {cost.request_s * 1e6:.0f} us a request, {cost.message_s * 1e6:.0f} us a "
        f"message): at most {_number(requests / ratio)} requests/s of {_number(tokens / ratio)} tokens/s are "
        f"possible: set its one-in to {math.ceil(worst.one_in * ratio):,} or more{whose}; more "
        "message-tokens help too"
    )


def _number(value: float) -> str:
    """Three digits, as people write them."""
    return f"{float(f'{value:.3g}'):,.10g}"


def refuse_too_much(scenario: Scenario, loads: Mapping[str, tuple[LoadSpec, ...]], duration_ns: int) -> None:
    """ScenarioError before anything is built; measures the machine where that is not known."""
    if scenario.serving is None:
        return
    every = (load for each in loads.values() for load in each)
    asked = asked_of(every, scenario.serving.message_tokens, duration_ns)
    if (
        sum(a.requests_per_s for a in asked) <= _FEW_REQUESTS_PER_S
        and sum(a.messages_per_s for a in asked) <= _FEW_MESSAGES_PER_S
    ):
        return
    wrong = too_much(asked, cost_here(machine_facts()), len(os.sched_getaffinity(0)))
    if wrong is None:
        return
    name, sentence = wrong
    row = next(i for i, each in enumerate(scenario.customers) if each.name == name)
    raise scenario.error(sentence, "customers", row, "one-in")
