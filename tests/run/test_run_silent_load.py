"""Requests without packets on links: as many bytes as they would send, on the way they would take."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import pytest
from test_run_background_requests import LOAD, S, ticks

from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.run.background_requests import BackgroundRequests
from orbitmesh.emulator.run.silent_load import SilentLoad, wire_bytes
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.customers import loads_of
from orbitmesh.emulator.scenario.model import Serving
from orbitmesh.emulator.scenario.serving import serving_spec
from orbitmesh.nodes.load.arrivals import requests

SPEC = serving_spec(Serving(model="llama-3.1-8b", accelerator="h100"))


def loaded(
    carries: bool, seconds: int = 20, rate_scale: float = 1.0
) -> tuple[Geometry, list[dict[Any, float]], list[str]]:
    geometry = Geometry(Scenario.load("pocket"))
    others = BackgroundRequests(geometry.nodes, [LOAD], S, lambda *_, **__: None)
    told: list[dict[Any, float]] = []
    said: list[str] = []

    def load(bps: Any) -> bool:
        told.append(dict(bps))
        return carries

    silent = SilentLoad(others, SPEC, rate_scale, load, said.append)
    others.begin(7 * S)
    for tick in ticks(geometry, seconds, 7 * S):
        others.tick(tick)
        silent.tick(tick)
    return geometry, told, said


# prompt, answer, tokens a message; bytes up and down that tests/bench/bench_wire_bytes.py counted of requests
# that overlap by two to seven
COUNTED = [
    (100, 1, 1, 619, 275), (100, 60, 1, 1600, 4859), (100, 200, 1, 2888, 15478), (400, 40, 1, 2553, 3333),
    (8000, 20, 1, 33732, 2341), (100, 60, 2, 1246, 2615), (100, 200, 2, 2632, 8398), (400, 40, 2, 2273, 1934),
    (8000, 20, 2, 33630, 1637), (100, 60, 4, 1037, 1605), (100, 200, 4, 1784, 4792), (400, 40, 4, 2105, 1196),
    (2000, 20, 4, 8649, 846), (8000, 20, 4, 33496, 1266),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "output", "message", "up", "down"), COUNTED)
def test_bytes_are_those_that_links_counted(
    prompt: int, output: int, message: int, up: int, down: int
) -> None:
    """Acknowledgements are the least certain of it: the more answers come at once, the fewer."""
    found = wire_bytes(4 * prompt, output, message)
    assert found.down == pytest.approx(down, rel=0.1)
    assert found.up + found.down == pytest.approx(up + down, rel=0.1)


def test_the_bytes_of_prompts_and_tokens_are_on_each_link_of_the_way() -> None:
    geometry, told, said = loaded(True)
    silent = [a for a in takewhile(lambda a: a.due_ns < 20 * S, requests(LOAD)) if not a.real]
    gateway = geometry.nodes.index["gw-london"]
    up_bytes, down_bytes = (
        sum(bps for each in told for link, bps in each.items() if link[end] == gateway) / 8 for end in (0, 1)
    )
    prompt_bytes = sum(a.prompt_tokens * LOAD.bytes_per_token for a in silent)
    tokens = sum(a.output_tokens for a in silent)
    # beside the text: headers, frames and acknowledgements
    assert prompt_bytes < up_bytes < prompt_bytes + len(silent) * 500 + tokens * 60
    assert tokens * 4 < down_bytes < tokens * 110 + len(silent) * 500
    for each in told:
        assert all(b in {v for link in each for v in link} for _, b in each)
    assert said == []


@pytest.mark.parametrize(
    ("carries", "rate_scale", "words"),
    [
        (False, 1e-4, "load accelerators alone: take --plane fabric"),
        (False, 1.0, None),  # of a link of 10 Gbit/s it is nothing
        (True, 1e-4, None),
        (True, 1e-7, "more than the rate of a link"),
    ],
)
def test_what_no_link_can_carry_is_said_once(carries: bool, rate_scale: float, words: str | None) -> None:
    _, _, said = loaded(carries, 3, rate_scale)
    assert len(said) == (words is not None)
    assert words is None or words in said[0]


def test_the_demo_asks_for_what_its_links_carry_without_a_word() -> None:
    """Before: each demo ended in doubt of itself, since its wired plane carries no load without packets."""
    scenario = Scenario.load("demo")
    assert scenario.serving is not None
    geometry = Geometry(scenario)
    loads = [load for each in loads_of(scenario, scenario.base, 1).values() for load in each]
    others = BackgroundRequests(geometry.nodes, loads, S, lambda *_, **__: None)
    said: list[str] = []
    silent = SilentLoad(
        others, serving_spec(scenario.serving), scenario.run.rate_scale, lambda _: False, said.append
    )
    others.begin(7 * S)
    for tick in ticks(geometry, 60, 7 * S):
        others.tick(tick)
        silent.tick(tick)
    assert said == []
