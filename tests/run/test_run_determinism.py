"""What follows from scenario, seed and version alone is the same bit for bit, in each process anew."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from itertools import islice
from pathlib import Path

import pytest

from orbitmesh.emulator.assignment import assign
from orbitmesh.emulator.epoch import Epoch, Platforms
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.placement.policies import POLICIES
from orbitmesh.emulator.run.placing import placer_of
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.customers import loads_of
from orbitmesh.emulator.scenario.scenario import SHIPPED_FOLDER
from orbitmesh.nodes.load.arrivals import requests
from orbitmesh.wire.schedule import node_seed

EPOCHS, REQUESTS = 12, 200
HOURS = [1.0 + (hour > 11) for hour in range(24)]


def scenario(placement: str, seed: int = 1) -> Scenario:
    """Two shells with platforms of their own, into and out of the shadow; customers with a day's curve."""
    raw = tomllib.loads((SHIPPED_FOLDER / "ai1-inference.toml").read_text())
    raw["constellation"]["shells"][1]["platform"] = {"preset": "jpl-1mw", "demand": "700 kW"}
    raw["platform"] |= {"load": "model", "pointing": "orbit-normal"}
    raw["serving"]["placement"] = placement
    for each in raw["customers"]:
        each["hours"] = HOURS
    raw["run"] |= {"step": "30 s", "seed": seed}
    return Scenario.model_validate(raw)


def lines(placement: str, seed: int = 1) -> list[str]:
    """All of it in words and digests: epochs with links, routes and platforms; placements; requests."""
    of, found = scenario(placement, seed), list[str]()
    geometry = Geometry(of)
    placer, series = placer_of(of, geometry), geometry.epochs(0, of.run.step_ns)
    for epoch in islice(series, EPOCHS):
        found.append(f"epoch {epoch.number} {digest(*raw_parts(epoch))}")
        assert epoch.platforms is not None
        for name in Platforms.__dataclass_fields__:
            found.append(f"{name} {digest(getattr(epoch.platforms, name).tobytes())}")
        found.append(repr(assign(epoch, geometry.nodes.n_satellites, geometry.hosting, 1, placer)))
    for gateway, loads in loads_of(of, of.base, seed).items():
        for load in loads:
            asked = repr(list(islice(requests(load), REQUESTS)))
            found.append(f"{gateway} {load.customer_class} {digest(asked.encode())}")
    found.append(str(node_seed(seed, "sat-0-0")))
    return found


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def raw_parts(epoch: Epoch) -> list[bytes]:
    links, ports = epoch.links, epoch.routes.ports
    arrays = [epoch.positions_itrs_km, epoch.routes.destinations, epoch.routes.code]
    arrays += [getattr(links, name) for name in links.__dataclass_fields__]
    arrays += [
        value for name in ports.__dataclass_fields__ if hasattr(value := getattr(ports, name), "tobytes")
    ]
    return [array.tobytes() for array in arrays if array is not None]


def in_a_process(hash_seed: str) -> dict[str, list[str]]:
    code = (
        "import json, test_run_determinism as t\n"
        f"print(json.dumps({{name: t.lines(name) for name in {sorted(POLICIES)!r}}}))"
    )
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(here)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(180)
def test_epochs_platforms_placements_and_requests_are_the_same_bit_for_bit() -> None:
    one, other = in_a_process("1"), in_a_process("2")
    assert set(one) == set(POLICIES)
    for policy, said in one.items():
        for a, b in zip(said, other[policy], strict=True):
            assert a == b, policy


def test_another_seed_asks_for_something_else_and_moves_nothing() -> None:
    one, other = lines("sunlit"), lines("sunlit", seed=2)
    per_epoch = 2 + len(Platforms.__dataclass_fields__)
    assert one[: EPOCHS * per_epoch] == other[: EPOCHS * per_epoch]
    assert all(a != b for a, b in zip(one[EPOCHS * per_epoch :], other[EPOCHS * per_epoch :], strict=True))
