"""When requests come, and what each asks for: an open loop, that waits for nobody.

A function of the class's LoadSpec alone: the same on each machine with the same numpy, wherever it is
called.  Sources: arrivals at language models are Gamma with a coefficient of variation above 1, made by few
clients who ask in bursts (ServeGen, arXiv 2505.09999); Poisson is one client with a coefficient of 1.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orbitmesh.wire.load import LoadSpec, Trace

from .day import DayCurve, hours_of_ns, ns_of_hours
from .lengths import draw_tokens

_AT_ONCE = 256  # draws
_S_PER_HOUR = 3600
_MOST_PROMPT_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.  ``due_ns`` is emulated time; latency counts from it.  ``number`` counts all of a class
    at its gateway, from 0; those that are not ``real`` have no packets of their own."""

    number: int
    due_ns: int
    client: int
    prompt_tokens: int
    output_tokens: int
    image_bytes: int
    real: bool


def prompt_bytes(spec: LoadSpec, asked: Asked) -> int:
    """Of a request's text and images, as they are sent."""
    return min(round(asked.prompt_tokens * spec.bytes_per_token) + asked.image_bytes, _MOST_PROMPT_BYTES)


def requests(spec: LoadSpec) -> Iterator[Asked]:
    """From emulated 0 on, in order; without end, unless from a trace."""
    times, lengths, choice = (
        np.random.default_rng(np.random.SeedSequence([spec.seed, purpose])) for purpose in range(3)
    )
    asked = (
        _traced(spec.trace, spec.bytes_per_image) if spec.trace is not None else _drawn(spec, times, lengths)
    )
    real_place = 0
    for number, (due_ns, client, prompt, output, image_bytes) in enumerate(asked):
        place = number % spec.one_in
        if place == 0:  # one of each so many, at a place drawn anew: no rhythm of the arrivals is favoured
            real_place = int(choice.integers(spec.one_in))
        yield Asked(number, due_ns, client, prompt, output, image_bytes, place == real_place)


def _traced(trace: Trace, bytes_per_image: int) -> Iterator[tuple[int, int, int, int, int]]:
    sizes = trace.image_bytes or tuple(images * bytes_per_image for images in trace.images)
    sizes = sizes or (0,) * len(trace.arrival_ns)
    for row in zip(trace.arrival_ns, trace.prompt_tokens, trace.output_tokens, sizes, strict=True):
        yield row[0], 0, row[1], row[2], row[3]


def _drawn(
    spec: LoadSpec, times: np.random.Generator, lengths: np.random.Generator
) -> Iterator[tuple[int, int, int, int, int]]:
    due = _due(spec, times)
    while True:
        prompts = draw_tokens(spec.prompt, lengths, _AT_ONCE).tolist()
        outputs = draw_tokens(spec.output, lengths, _AT_ONCE).tolist()
        # the instants last: zip takes none that it has no length for
        for prompt, output, (due_ns, client) in zip(prompts, outputs, due, strict=False):
            yield due_ns, client, prompt, output, 0


def _due(spec: LoadSpec, random: np.random.Generator) -> Iterator[tuple[int, int]]:
    """(due_ns, client), ascending: the clients' own requests, merged."""
    shares = np.arange(1, spec.clients + 1, dtype=np.float64) ** -spec.skew
    shares /= shares.sum()
    day = DayCurve(spec.hours, spec.local_hour_at_start)
    streams = [
        _client_due(client, spec.rate_per_s * share * _S_PER_HOUR, spec.gaps_cv, own)
        for client, (share, own) in enumerate(zip(shares.tolist(), random.spawn(spec.clients), strict=True))
    ]
    for due_hours, client in heapq.merge(*streams):
        yield (ns_of_hours(due_hours) if day.flat else ns_of_hours(day.when(due_hours))), client


def _client_due(
    client: int, rate_per_hour: float, cv: float, random: np.random.Generator
) -> Iterator[tuple[float, int]]:
    """Hours of a steady day.  The first gap is the rest of one that began before (its length biased, a
    uniform share of it left): the stream looks the same from whenever it is watched."""
    shape = 1 / cv**2
    mean_hours = 1 / rate_per_hour
    now = float(random.uniform() * random.gamma(shape + 1)) / shape * mean_hours
    while True:
        yield now, client
        gaps = random.gamma(shape, mean_hours / shape, _AT_ONCE)
        for gap in gaps[:-1].tolist():
            now += gap
            yield now, client
        now += float(gaps[-1])


def expected_requests(spec: LoadSpec, duration_ns: int) -> float:
    """How many are due from emulated 0 on, in the mean; of a trace, exactly."""
    if spec.trace is not None:
        return float(sum(1 for due_ns in spec.trace.arrival_ns if due_ns < duration_ns))
    day = DayCurve(spec.hours, spec.local_hour_at_start)
    return spec.rate_per_s * _S_PER_HOUR * day.due(hours_of_ns(duration_ns))
