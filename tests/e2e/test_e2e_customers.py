"""Customers of a real mesh: real streams over its links, judged, with parts that are the whole."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orbitmesh.emulator.control.api.listening import listening
from orbitmesh.emulator.record.customers import _asked
from orbitmesh.emulator.record.results import load_run
from orbitmesh.emulator.run.emulation import Emulation
from orbitmesh.emulator.run.metrics_process import url_of
from orbitmesh.emulator.scenario import Scenario, loads
from orbitmesh.emulator.scenario.customers import loads_of
from orbitmesh.emulator.scenario.serving import serving_spec
from orbitmesh.nodes.load.arrivals import requests
from orbitmesh.nodes.serving.step_time import StepTime

pytestmark = [pytest.mark.netns, pytest.mark.beside]

DURATION_S = 8
CUSTOMERS = """
[platform]
preset = "rack"

[serving]
model = "llama-3.1-8b"
accelerator = "h100"

[[customers]]
name = "chat"
rate = 4.0
one-in = 2
prompt = { median = 200.0, p95 = 400.0 }
output = { median = 20.0, spread = "exponential", most = 60 }
target = { ttft = "2 s", share = 0.5 }

[[customers]]
name = "hasty"
gateways = ["london"]
rate = 2.0
prompt = { median = 100.0 }
output = { median = 5.0 }
target = { ttft = "20 ms" }

[run]
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Path]:
    text = (Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml").read_text()
    scenario = loads(text.replace("[run]\n", CUSTOMERS))
    out = tmp_path_factory.mktemp("served") / "run"
    metrics = listening("127.0.0.1", 0, "--metrics")
    with Emulation(scenario, duration_ns=DURATION_S * 10**9, out=out, metrics=metrics) as mesh:
        mesh.wait()
        with urllib.request.urlopen(url_of(metrics), timeout=10) as answer:
            out.with_name("metrics").write_bytes(answer.read())
    return scenario, out


def test_all_that_was_due_was_asked_and_answered(served: tuple[Scenario, Path]) -> None:
    scenario, out = served
    table = load_run(out).answers().drop_columns(["sim_utc"])
    for gateway, of_gateway in loads_of(scenario, scenario.base, scenario.run.seed).items():
        for load in of_gateway:
            due = takewhile(lambda asked: asked.due_ns < (DURATION_S - 0.5) * 10**9, requests(load))
            real = {asked.number: asked for asked in due if asked.real}
            rows = {
                row["number"]: row
                for row in table.to_pylist()
                if (row["src"], row["customer_class"]) == (gateway, load.customer_class)
            }
            assert set(real) <= set(rows)
            for number, asked in real.items():
                row = rows[number]
                assert row["error"] in (None, "cut-off"), row
                if row["ok"]:
                    assert (row["prompt_tokens"], row["output_tokens"]) == (
                        asked.prompt_tokens, asked.output_tokens
                    )  # fmt: skip


def test_no_answer_is_sooner_than_light_and_the_model(served: tuple[Scenario, Path]) -> None:
    table = load_run(served[1]).answers().drop_columns(["sim_utc"])
    rows = [row for row in table.to_pylist() if row["ok"]]
    assert len(rows) > 20
    for row in rows:
        least = row["propagation_ns"] + row["queue_ns"] + row["prefill_ns"]
        assert row["ttft_ns"] > least - 100_000
        assert row["answer_ns"] >= row["ttft_ns"] + row["decode_ns"] - 30_000_000


def test_the_parts_are_the_whole_and_this_machine_s_is_small(served: tuple[Scenario, Path]) -> None:
    scenario, out = served
    assert scenario.serving is not None
    asked = _asked(load_run(out).answers(), StepTime(serving_spec(scenario.serving).deployment), 10**9, 1)
    ttft = asked.metrics["ttft"]
    host = ttft.parts_ns[:, -1]
    assert np.abs(ttft.parts_ns.sum(axis=1) - ttft.measured_ns).max() < 20
    assert np.median(host) < 30_000_000  # stacks, gRPC, a busy machine; the rest is 60 to 100


def test_the_summary_judges_each_class(served: tuple[Scenario, Path]) -> None:
    summary = json.loads((served[1] / "summary.json").read_text())
    chat, hasty = summary["customers"]
    assert (chat["customer_class"], chat["one_in"], chat["met"]) == ("chat", 2, True)
    assert chat["requests"] >= 20
    assert (hasty["met"], hasty["within_target"]["share"]) == (False, 0.0)
    assert set(hasty["causes"]) <= {"propagation", "compute", "host", "waiting"}
    assert sum(cause["requests"] for cause in hasty["causes"].values()) == hasty["requests"]


def test_the_record_holds_platforms_beside_answers(served: tuple[Scenario, Path]) -> None:
    results = load_run(served[1])
    states = results.platforms()
    assert set(states["satellite"].to_pylist()) > {"sat-0-0"}
    assert min(states["capacity_ratio"].to_pylist()) > 0
    assert len(results.answers()) > 20


def test_the_same_seed_asks_for_the_same(served: tuple[Scenario, Path]) -> None:
    scenario = served[0]
    assert loads_of(scenario, scenario.base, 1) == loads_of(scenario, scenario.base, 1)
    assert loads_of(scenario, scenario.base, 1) != loads_of(scenario, scenario.base, 2)


def test_the_metrics_at_the_end_are_those_of_the_record(served: tuple[Scenario, Path]) -> None:
    """But for the last moments: a sample is counted once nothing changes any more what is true of it."""
    _, out = served
    families = text_string_to_metric_families(out.with_name("metrics").read_text())
    found: dict[str, Counter[str]] = {}
    for sample in (each for family in families for each in family.samples):
        by = sample.labels.get("kind") or sample.labels.get("class") or ""
        found.setdefault(sample.name.removeprefix("orbitmesh_"), Counter())[by] += sample.value
    record, summary = load_run(out), json.loads((out / "summary.json").read_text())
    kinds = Counter(record.samples()["kind"].to_pylist())
    for kind, recorded in kinds.items():
        assert 0.4 * recorded < found["samples_total"][kind] <= recorded
        answered = found["samples_total"][kind] - found["samples_lost_total"][kind]
        assert found["latency_seconds_count"][kind] == answered
        assert found["latency_physical_seconds_sum"][kind] < found["latency_seconds_sum"][kind]
    for each in summary["customers"]:
        counted = found["customer_requests_total"][each["customer_class"]]
        assert 0 < counted <= each["requests"]
        assert found["customer_first_token_seconds_count"][each["customer_class"]] <= each["answered"]
    assert 0.5 * summary["ticks"]["count"] <= found["ticks_total"][""] <= summary["ticks"]["count"]
    assert found["gateway_way_seconds_total"][""] > 0
    assert found["engine_lateness_seconds_bucket"][""] > 0
    assert found["lasers"].total() == found["links"]["laser"] > 20
    assert 250 < found["platform_temperature_celsius"][""] + 273.15 < 400
    assert found["interventions"][""] == found["record_faults"][""] == 0
