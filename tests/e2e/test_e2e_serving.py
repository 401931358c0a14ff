"""A satellite serves a language model: its tokens reach a gateway when they are made, over the links."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from e2e_lab import Commanded

from orbitmesh.emulator import Emulation, Scenario
from orbitmesh.emulator.scenario.scenario import SHIPPED_FOLDER

pytestmark = [pytest.mark.netns, pytest.mark.native, pytest.mark.timeout(120)]

CLIENT = Path(__file__).with_name("e2e_serving.py")
# of a reading of the clock; and what a busy machine may hold up, of which a test on time says nothing
CLOCK_NS, HELD_UP_NS = 2_000, 500_000_000


def served() -> Scenario:
    raw = tomllib.loads((SHIPPED_FOLDER / "pocket.toml").read_text())
    raw["serving"] = {"model": "llama-3.1-8b", "accelerator": "h100"}
    raw["compute"] |= {"satellites": 4, "tasks": []}
    # warmer than its warning: it is held back by heat
    raw["platform"] = {"preset": "ai1", "temperature": "350 K"}
    return Scenario.model_validate(raw)


def capacities(commanded: Commanded, satellite: int) -> list[float]:
    """Over all epochs."""
    return [float(e.platforms.capacity_ratio[satellite]) for e in commanded.epochs if e.platforms is not None]


def test_tokens_reach_a_gateway_at_modelled_times_and_the_paths_delay(tmp_path: Path) -> None:
    scenario = served()
    commanded = Commanded(scenario, 31)
    nodes = commanded.nodes
    gateway = nodes.index["gw-london"]
    serving = [int(n) for n in commanded.hosting.nonzero()[0] if not nodes.is_gateway(int(n))]
    satellite = max(serving, key=lambda n: min(capacities(commanded, n)))
    ratios = capacities(commanded, satellite)
    assert 0.3 < min(ratios) <= max(ratios) < 0.9
    paths = [epoch.path(gateway, satellite) for epoch in commanded.epochs]
    ways = [
        sum(commanded.least_delay_ns(u, v, row * commanded.step_ns) for u, v in pairwise(path))
        for row, path in enumerate(paths)
        if path is not None
    ]
    assert len(ways) == len(paths), "the satellite has a way at all times"
    with Emulation(scenario, out=tmp_path / "run") as mesh:
        command = [sys.executable, str(CLIENT), nodes.names[satellite], "1000", "40"]
        client = mesh.net.get("gw-london").popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = client.communicate(timeout=60)
    assert client.returncode == 0, err.decode()
    said = json.loads(out)
    least_ns, most_ns = 2 * min(ways), 2 * max(ways)
    assert least_ns > 2 * 4_000_000  # a satellite at 1,400 km
    assert said["tokens"] == 40
    first_ns, last_ns = said["came_ns"][0] - said["sent_ns"], said["came_ns"][-1] - said["sent_ns"]
    modelled_ns = said["queue_ns"] + said["prefill_ns"]
    assert said["since_scheduled_ns"] >= least_ns / 2 - CLOCK_NS
    assert first_ns >= least_ns + modelled_ns - CLOCK_NS
    assert first_ns <= most_ns + modelled_ns + HELD_UP_NS
    # the tokens after the first come as far apart as they are made
    assert last_ns >= least_ns + modelled_ns + said["decode_ns"] - CLOCK_NS
    assert last_ns - first_ns <= said["decode_ns"] + HELD_UP_NS
    assert len(said["came_ns"]) > 10
    # heat leaves it a share of its speed, which it was told with its epochs
    throttled_ratio = said["throttled_ns"] / (said["prefill_ns"] + said["decode_ns"])
    assert 1 - max(ratios) - 0.02 <= throttled_ratio <= 1 - min(ratios) + 0.02
