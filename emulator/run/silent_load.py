"""Requests without packets load the links of their way: bytes as real ones have, step by step.

A fluid (docs/scenario.md, [background]): what is sent within a step is spread over it.  A prompt goes up in
the step in which it is due; the tokens come down evenly, from when the model alone would have the first and
for as long as it would take, in whole steps.  In a fuller batch they take longer, and are as many bytes.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from orbitmesh.nodes.load.arrivals import Asked, prompt_bytes
from orbitmesh.nodes.serving.published import BEFORE_QUEUE_NS
from orbitmesh.nodes.serving.step_time import StepTime
from orbitmesh.wire.load import LoadSpec
from orbitmesh.wire.serving import ServingSpec, messages

from ..constants import NS_PER_S
from ..epoch import Epoch
from .background_requests import BackgroundRequests
from .ticks import Tick

log = logging.getLogger(__name__)

# Counted at the IP layer on the links of runs in which all requests have packets, over a connection that is
# open: tests/bench/bench_wire_bytes.py; what it found is in docs/customers.md.
SEGMENT_BYTES, SEGMENT_HEADER_BYTES = 1448, 52  # TCP's payload; IP and TCP with timestamps
REQUEST_MORE_BYTES = 140  # gRPC's headers, frames, and the other fields of a request
MESSAGE_MORE_BYTES = 22  # frames, and what else is in a message of tokens
TOKEN_BYTES = 4  # the text of a token
STREAM_MORE_BYTES = 100  # headers, totals and trailers of an answer
# small ones together: 2 where an answer comes alone, up to 4.5 where seven come at once
MESSAGES_ACKNOWLEDGED = 3

# What a link has less than that of others is not worth a word where it cannot be carried.
NOTABLE_RATIO = 0.05
Load = Callable[[Mapping[tuple[int, int], float]], bool]


@dataclass(frozen=True)
class WireBytes:
    """At the IP layer, to the satellite and from it: what goes at once, and what goes while it answers."""

    prompt_up: float
    prompt_down: float
    answer_up: float
    answer_down: float

    @property
    def up(self) -> float:
        return self.prompt_up + self.answer_up

    @property
    def down(self) -> float:
        return self.prompt_down + self.answer_down


class SilentLoad:
    """``load`` is a plane's ``load_links``; ``caution`` is told once where it cannot, or of a link too full.

    ``tick`` after BackgroundRequests', in the conductor's thread.
    """

    def __init__(
        self,
        others: BackgroundRequests,
        spec: ServingSpec,
        rate_scale: float,
        load: Load,
        caution: Callable[[str], None],
    ) -> None:
        self._others, self._load, self._caution = others, load, caution
        self._rate_scale = rate_scale
        self._step_ns, self._message_tokens = others.step_ns, spec.message_tokens
        self._times = StepTime(spec.deployment)
        # by (sender, receiver) and number of the step: bytes, and what from then on the rate rises by
        self._bytes: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._rises: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._bps: dict[tuple[int, int], float] = defaultdict(float)
        self._step: int | None = None
        self._now_bps: dict[tuple[int, int], float] = {}
        self._said: set[str] = set()
        others.went = self.went

    def went(self, gateway: int, satellite: int, load: LoadSpec, asked: Asked) -> None:
        up, down = (gateway, satellite), (satellite, gateway)
        on_wire = wire_bytes(prompt_bytes(load, asked), asked.output_tokens, self._message_tokens)
        step = asked.due_ns // self._step_ns
        self._bytes[up][step] += on_wire.prompt_up
        self._bytes[down][step] += on_wire.prompt_down
        prompt, n = asked.prompt_tokens, asked.output_tokens
        first_ns = BEFORE_QUEUE_NS + self._times.ns(prompt, prompt * prompt / 2, 0, 0)
        decode_ns = (n - 1) * self._times.ns(0, 0.0, 1, int(prompt + n / 2)) if n > 1 else 0
        begin = int((asked.due_ns + first_ns) // self._step_ns)
        steps = max(1, round(decode_ns / self._step_ns))
        for way, in_all in ((down, on_wire.answer_down), (up, on_wire.answer_up)):
            bps = in_all * 8 * NS_PER_S / (steps * self._step_ns)
            self._rises[way][begin] += bps
            self._rises[way][begin + steps] -= bps

    def tick(self, tick: Tick) -> None:
        began_ns = self._others.began_mono_ns
        if began_ns is None or self._others.is_empty:
            return
        step = (tick.t0_mono_ns + self._step_ns // 2 - began_ns) // self._step_ns
        if step != self._step:  # a tick may come within a step, where something fails or time goes faster
            self._step, self._now_bps = step, self.step_bps(step)
        on_links = links_loaded(tick.epoch, self._now_bps)
        carried = self._load(on_links)
        most = most_ratio(tick.epoch, on_links, self._rate_scale)
        if not carried and most >= NOTABLE_RATIO:
            self._say(
                "share",
                f"requests without packets (one-in) would take {100 * most:.0f} % of a link, and load "
                "accelerators alone: take --plane fabric, whose links carry load without packets",
            )
        elif carried and most >= 1:
            self._say(
                "full",
                "customers ask for more than the rate of a link: those without packets take 99 % of it",
            )

    def step_bps(self, step: int) -> dict[tuple[int, int], float]:
        """From each to each, in a step; steps are asked for in their order, and then forgotten."""
        found: dict[tuple[int, int], float] = defaultdict(float)
        for ends, by_step in self._bytes.items():
            found[ends] += by_step.get(step, 0.0) * 8 * NS_PER_S / self._step_ns
            for gone in [k for k in by_step if k <= step]:
                del by_step[gone]
        for ends, by_step in self._rises.items():
            for past in sorted(k for k in by_step if k <= step):
                self._bps[ends] += by_step.pop(past)
            found[ends] += max(0.0, self._bps[ends])
        return found

    def _say(self, about: str, what: str) -> None:
        if about not in self._said:
            self._said.add(about)
            log.warning("%s", what)
            self._caution(what)


def links_loaded(epoch: Epoch, bps: Mapping[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """What is on each link, from its first node to its second, of what passes between these."""
    found: dict[tuple[int, int], float] = defaultdict(float)
    for ends, each in bps.items():
        if each > 0 and (way := epoch.way(*ends)) is not None:
            for link in pairwise(map(int, way.nodes)):
                found[link] += each
    return found


def most_ratio(epoch: Epoch, on_links: Mapping[tuple[int, int], float], rate_scale: float) -> float:
    """The largest share of a link's emulated rate that is taken."""
    links, most = epoch.links, 0.0
    for (u, v), bps in on_links.items():
        row = int(np.flatnonzero((links.a == min(u, v)) & (links.b == max(u, v)))[0])
        rate_bps = float((links.rate_ab_bps if u < v else links.rate_ba_bps)[row]) * rate_scale
        if rate_bps > 0:
            most = max(most, bps / rate_bps)
    return most


def wire_bytes(prompt_bytes: float, output_tokens: int, message_tokens: int) -> WireBytes:
    """Of a request in segments and what acknowledges every other of them; of its answer in messages, each a
    segment of its own, and what acknowledges some of them at once."""
    payload = prompt_bytes + REQUEST_MORE_BYTES
    segments = max(1, -(-payload // SEGMENT_BYTES))
    in_messages = math.ceil(messages(output_tokens, message_tokens))
    return WireBytes(
        prompt_up=payload + segments * SEGMENT_HEADER_BYTES,
        prompt_down=-(-segments // 2) * SEGMENT_HEADER_BYTES,
        answer_up=in_messages / MESSAGES_ACKNOWLEDGED * SEGMENT_HEADER_BYTES,
        answer_down=in_messages * (MESSAGE_MORE_BYTES + SEGMENT_HEADER_BYTES)
        + TOKEN_BYTES * output_tokens
        + STREAM_MORE_BYTES
        + SEGMENT_HEADER_BYTES,
    )
