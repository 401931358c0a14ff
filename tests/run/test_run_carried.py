"""Streams that this machine cannot carry are refused before anything is built, by a figure measured on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orbitmesh.emulator.calibration import customers
from orbitmesh.emulator.calibration.customers import CustomerCost
from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.run import carried
from orbitmesh.emulator.run.carried import Asked, asked_of, refuse_too_much, too_much
from orbitmesh.emulator.scenario import loads
from orbitmesh.emulator.scenario.customers import loads_of
from orbitmesh.wire.load import Lengths, LoadSpec, Trace

COST = CustomerCost(1e-3, 1e-4)
CHAT = Asked("chat", 1, 100.0, 10_000.0, 10_000.0)  # 0.1 + 1 cores
SCENARIO = (
    (Path(__file__).parents[2] / "emulator/scenario/shipped/pocket.toml")
    .read_text()
    .replace(
        "[run]\n",
        """[serving]
model = "llama-3.1-8b"
accelerator = "h100"
[[customers]]
name = "voice"
rate = 1.0
output = { median = 20.0 }
[[customers]]
name = "chat"
gateways = ["london"]
rate = 600.0
one-in = 2
output = { median = 40.0 }
[run]
""",
    )
)


def test_what_fits_is_not_refused() -> None:
    assert too_much([CHAT], COST, 2) is None
    assert too_much([], COST, 1) is None


def test_the_class_that_asks_most_its_rate_and_what_is_possible_are_said() -> None:
    found = too_much([CHAT, Asked("voice", 3, 1000.0, 10_000.0, 10_000.0)], COST, 2)
    assert found is not None
    name, sentence = found
    assert name == "voice"
    assert "'voice' asks for 1,000 real requests/s of 10,000 tokens/s" in sentence
    assert "takes 3.1 of this machine's 2 cores" in sentence
    # 2 - 1.1 cores are left for its 2
    assert "at most 450 requests/s of 4,500 tokens/s are possible: set its one-in to 7 or more" in sentence
    assert "other classes" not in sentence


def test_where_the_others_alone_are_too_much_all_are_to_ask_less() -> None:
    found = too_much([CHAT, Asked("voice", 1, 100.0, 8_500.0, 8_500.0)], COST, 1)
    assert found is not None
    assert found[0] == "chat"
    assert "set its one-in to 3 or more, and that of the other classes as much higher" in found[1]


def test_what_is_asked_counts_real_requests_all_gateways_and_messages() -> None:
    one = LoadSpec("chat", "gw-a", 1, 8.0, Lengths("fixed", 10), Lengths("fixed", 40), one_in=4)
    trace = Trace((0, 10**9, 5 * 10**9, 90 * 10**9), (1, 1, 1, 1), (8, 8, 8, 8))
    traced = LoadSpec("log", "gw-a", 1, 1.0, Lengths("fixed", 1), Lengths("fixed", 1), trace=trace)
    chat, log = asked_of([one, one, traced], 8, 10 * 10**9)
    assert (chat.customer_class, chat.one_in, log.customer_class, log.one_in) == ("chat", 4, "log", 1)
    assert (chat.requests_per_s, chat.tokens_per_s, chat.messages_per_s) == pytest.approx((4.0, 160.0, 23.5))
    assert (log.requests_per_s, log.tokens_per_s, log.messages_per_s) == pytest.approx((0.3, 2.4, 0.5625))


def test_a_run_is_refused_by_file_line_and_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before: it was built, sent late, and its verdict said at the end not to believe it."""
    monkeypatch.setattr(carried, "cost_here", lambda machine: COST)
    monkeypatch.setattr(carried.os, "sched_getaffinity", lambda pid: {0, 1})
    scenario = loads(SCENARIO)
    asked = loads_of(scenario, scenario.base, 1)
    refuse_too_much(scenario, asked, 10**10)
    fast = loads(SCENARIO.replace("rate = 600.0", "rate = 8000.0"))
    with pytest.raises(
        ScenarioError, match=r"customers\[1\].*'chat' asks for 4,000 real requests/s of 160,000"
    ):
        refuse_too_much(fast, loads_of(fast, fast.base, 1), 10**10)


def test_few_requests_are_not_worth_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "cost_here", lambda machine: pytest.fail("measured"))
    scenario = loads(SCENARIO.replace("rate = 600.0", "rate = 0.5"))
    refuse_too_much(scenario, loads_of(scenario, scenario.base, 1), 10**10)


def test_it_is_measured_once_and_again_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORBITMESH_STATE", str(tmp_path))
    here = {"kernel": "6.1", "cpus": 2}
    first = customers.cost_here(here)
    assert 10e-6 < first.message_s < first.request_s < 0.1
    monkeypatch.setattr(customers, "_measured", lambda: COST)
    assert customers.cost_here(here) == first
    assert customers.cost_here({**here, "cpus": 4}) == COST
    kept = json.loads(customers.path().read_text())
    customers.path().write_text(json.dumps({**kept, "message_s": -1.0}))
    monkeypatch.setattr(customers, "_measured", lambda: first)
    assert customers.cost_here({**here, "cpus": 4}) == first, "a damaged one is measured anew"
