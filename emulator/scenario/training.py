"""A group of satellites that trains a model, from the presets that a scenario names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orbitmesh.wire.training import (
    ELEMENT_BYTES,
    HEADER,
    MOST_GRADIENT_BYTES,
    MOST_MEMBERS,
    TrainingSpec,
)

from ..constants import NS_PER_S
from ..errors import InputError
from ..presets import preset
from ..presets.serving import accelerator, model
from ..training.work import GRADIENT_BYTES, compute_ns, parameters, state_bytes
from .model import Content, Terminal, Training

_TCP_HEADERS_BYTES = 52  # IP, and TCP with timestamps


@dataclass(frozen=True)
class Plan:
    """``gradient_bytes`` are the model's, ``emulated_bytes`` those that go over the links here."""

    members: int
    gradient_bytes: int
    emulated_bytes: int
    compute_ns: int

    @property
    def sent_bytes(self) -> float:
        """By each member in an all-reduce, of the model's."""
        return 2 * (self.members - 1) / self.members * self.gradient_bytes


def plan(training: Training, members: int, rate_scale: float) -> Plan:
    """InputError for a preset that is none."""
    of = model(training.model)
    size = training.gradient_bytes or parameters(of) * GRADIENT_BYTES[training.precision]
    unit = ELEMENT_BYTES * members
    return Plan(
        members,
        size,
        round(size * rate_scale / unit) * unit,
        compute_ns(
            of,
            accelerator(training.accelerator),
            training.accelerators,
            training.tokens,
            training.utilisation,
        ),
    )


def training_specs(
    training: Training, ring: Sequence[str], addresses: Mapping[str, str], rate_scale: float
) -> dict[str, TrainingSpec]:
    """What each member is told, by name."""
    planned, n = plan(training, len(ring), rate_scale), len(ring)
    card = accelerator(training.accelerator)
    return {
        name: TrainingSpec(
            place=place,
            members=n,
            next_name=ring[(place + 1) % n],
            next_address=addresses[ring[(place + 1) % n]],
            gradient_bytes=planned.emulated_bytes,
            compute_ns=planned.compute_ns,
            overlap_ratio=training.overlap_ratio,
            timeout_ns=training.timeout_ns,
            idle_w=training.accelerators * card.idle_power_w,
            full_w=training.accelerators * card.power_w,
        )
        for place, name in enumerate(ring)
    }


def described(scenario: Content, ring: Sequence[str]) -> dict[str, Any] | None:
    """For run.json."""
    training = scenario.training
    if training is None:
        return None
    planned = plan(training, len(ring), scenario.run.rate_scale)
    message = planned.emulated_bytes // len(ring) + HEADER.size
    segment = scenario.lasers.mtu_bytes - _TCP_HEADERS_BYTES
    return {
        "model": training.model,
        "accelerator": training.accelerator,
        "accelerators": training.accelerators,
        "tokens": training.tokens,
        "utilisation": training.utilisation,
        "overlap_ratio": training.overlap_ratio,
        "compute_ns": planned.compute_ns,
        "gradient_bytes": planned.gradient_bytes,
        "emulated_bytes": planned.emulated_bytes,
        # a round of it, at the IP layer
        "message_bytes": message + _TCP_HEADERS_BYTES * -(-message // segment),
        "ring": list(ring),
    }


def training_problems(scenario: Content, members: int | None) -> Iterator[tuple[str | None, str]]:
    """The key, where it is one, and a sentence; ``members``: None where only a file's length can tell."""
    training = scenario.training
    assert training is not None
    known = True
    for key, find in (("model", model), ("accelerator", accelerator)):
        try:
            find(getattr(training, key))
        except InputError as error:
            known = False
            yield key, str(error)
    if members is not None and not 2 <= members <= MOST_MEMBERS:
        yield "group", f"{members} satellites are in the group: a ring has 2 to {MOST_MEMBERS}"
        return
    if scenario.lasers.pattern == "none":
        yield "group", 'there are no lasers between its satellites (pattern = "none"): give them some'
    if not known:
        return
    yield from _memory_problems(training)
    if members is not None:
        yield from _time_problems(scenario, plan(training, members, scenario.run.rate_scale))


def _memory_problems(training: Training) -> Iterator[tuple[str, str]]:
    card, needed = accelerator(training.accelerator), state_bytes(model(training.model))
    there = card.memory_bytes * training.accelerators
    if needed > there:
        yield (
            "accelerators",
            f"training {training.model} takes {needed / 1e9:,.0f} GB on each satellite (16 bytes a "
            f"parameter), and {training.accelerators} × {card.name} have {there / 1e9:,.0f} GB: "
            f"write at least {-(-needed // card.memory_bytes)}, or a smaller model",
        )


def _time_problems(scenario: Content, planned: Plan) -> Iterator[tuple[str, str]]:
    run = scenario.run
    if planned.emulated_bytes == 0:
        yield (
            "gradient",
            f"at the rate scale of {run.rate_scale:g} less than a number of its "
            f"{planned.gradient_bytes / 1e9:g} GB is left for each of {planned.members} satellites: raise "
            "run.rate-scale",
        )
    if planned.emulated_bytes > MOST_GRADIENT_BYTES:
        most = MOST_GRADIENT_BYTES / planned.gradient_bytes
        yield (
            "gradient",
            f"each process would hold {planned.emulated_bytes / 1e6:,.0f} MB of it three times over, and "
            f"{MOST_GRADIENT_BYTES / 1e6:.0f} MB are the most: write a run.rate-scale of {most:.1g} or less",
        )
    rate_bps = _ceiling_bps(scenario)
    least_ns = planned.compute_ns
    if rate_bps:
        least_ns += round(8 * NS_PER_S * planned.sent_bytes / rate_bps)
    if least_ns > run.duration_ns:
        yield (
            "tokens",
            f"a step takes {least_ns / 1e9:.3g} s at least, {planned.compute_ns / 1e9:.3g} s of it "
            f"computing, and the run {run.duration_ns / 1e9:g} s: no step would "
            "end; compute fewer tokens, send a smaller gradient, or run longer",
        )


def _ceiling_bps(scenario: Content) -> float | None:
    """No laser is faster; None for a preset that is none, which is said of [lasers]."""
    terminal = scenario.lasers.terminal
    if isinstance(terminal, Terminal):
        return terminal.ceiling_bps
    try:
        return preset("terminal", terminal).value("ceiling", "bit/s")
    except InputError:
        return None
