"""``cost``: a range in orbit and on the ground, what carries it, with the origin of every figure."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orbitmesh.emulator.answers.cost import cost as cost_of
from orbitmesh.emulator.answers.cost import in_orbit, measured, run_joules
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.presets import KINDS, preset
from orbitmesh.emulator.record import results
from orbitmesh.emulator.scenario.model import Serving
from orbitmesh.emulator.scenario.serving import serving_spec

ENDS = ("least", "low", "value", "high", "most")


def cost(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cost", *arguments])


def told(*arguments: str) -> Any:
    result = cost(*arguments, "-o", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_range_never_a_number_and_the_origin_of_every_figure() -> None:
    made = told()
    for place in ("orbit", "ground"):
        ends = [made[place]["dollars_per_million_tokens"][end] for end in ENDS]
        assert ends == sorted(ends)
        assert ends[0] < ends[2] < ends[4]
        parts = made[place]["parts_dollars_per_million_tokens"]
        assert sum(parts.values()) == pytest.approx(ends[2])
        request = made[place]["dollars_per_request"]["value"]
        assert request == pytest.approx(ends[2] * made["served"]["output_tokens"] / 1e6)
        for row in made[place]["assumptions"]:
            assert row["kind"] in KINDS
            assert row["source"]
            assert row["of"]
            assert row["low"] <= row["value"] <= row["high"]
    served = made["served"]
    watts = preset("accelerator", served["accelerator"]).value("power", "W")
    assert served["joules_per_token"] == pytest.approx(watts / served["tokens_per_s"])
    both = made["orbit_over_ground"]["ratio"]["value"]
    orbit, ground = (made[p]["dollars_per_million_tokens"]["value"] for p in ("orbit", "ground"))
    assert both == pytest.approx(orbit / ground)


def test_for_people_and_as_csv_it_is_the_same() -> None:
    made = told()
    text = cost().stdout
    for place in ("orbit", "ground"):
        for end in ENDS:
            assert f"{made[place]['dollars_per_million_tokens'][end]:.3g}" in text
    assert "calibrated" in text
    assert "estimated" in text
    rows = list(csv.DictReader(io.StringIO(cost("-o", "csv").stdout)))
    assert [row["assumption"] for row in rows if row["place"] == "orbit"] == [
        row["assumption"] for row in made["orbit"]["assumptions"]
    ]


def test_ones_own_figure_takes_the_place_of_a_presets() -> None:
    plain, own = told(), told("--set", "launch-price=0 $/kg", "--set", "ground.life=10 year")
    assert own["orbit"]["parts_dollars_per_million_tokens"]["launch"] == 0
    for place in ("orbit", "ground"):
        value = (each[place]["dollars_per_million_tokens"]["value"] for each in (own, plain))
        assert next(value) < next(value)
    (row,) = (row for row in own["orbit"]["assumptions"] if row["assumption"] == "launch-price")
    assert (row["kind"], row["source"]) == ("own", "the command line")
    assert next(r for r in own["orbit"]["assumptions"] if r["assumption"] == "life")["value"] == 5


def test_a_bound_that_is_none_is_said() -> None:
    """Of suncatcher's satellites nobody knows the size."""
    assert told("suncatcher")["orbit"]["dollars_per_million_tokens"]["most"] is None
    assert "no bound" in cost("suncatcher").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "'nowhere' is not a platform preset"),
        (("rack",), "the platform preset 'rack' has no figure 'mass'"),
        (("--prices", "ground-data-centre"), "no figure 'launch-price'"),
        (("--set", "launch-price"), "--set: 'launch-price' sets nothing: write FIGURE=VALUE"),
        (("--set", "launch-price=200"), "'200' has no unit"),
        (("--set", "lunch=2 $/kg"), "no figure of ai1 or orbit-2026 is named 'lunch'"),
        (("--set", "life=0 year"), "write more than 0"),
        (("--prompt", "9999999"), "are more than the KV cache holds"),
        (("--tensor-parallel", "3"), "tensor parallel 3: give one of"),
        (("--model", "llama-3.1-405b"), "tensor-parallel 4 would fit"),
        (("--model", "gpt"), "'gpt' is not a model preset"),
        (("--requests", "0"), "--requests"),
        (("--output-tokens", "1"), "--output-tokens"),
    ],
)
def test_what_cannot_be_is_told(arguments: tuple[str, ...], said: str) -> None:
    result = cost(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_what_a_run_cost_by_its_own_joules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """40 J a request of ten tokens: as many dollars as the model says of as many joules."""
    spec = serving_spec(Serving(model="llama-3.1-8b", accelerator="h100"))
    rows = [
        {"customer_class": "chat", "joules_per_request": 40.0, "joules_per_token": 4.0},
        {"customer_class": "nobody", "requests": 0},
    ]
    monkeypatch.setattr(results, "load_run", lambda path: SimpleNamespace(summary={"customers": rows}))
    monkeypatch.setattr(results, "read_run_file", lambda path: {"serving": asdict(spec)})
    (tmp_path / "run.json").write_text("{}")
    made = told("--run", str(tmp_path))
    (chat,) = made["customers"]
    place = in_orbit(preset("platform", "ai1"), preset("cost", "orbit-2026"))
    one = cost_of(place, measured(run_joules(40, "llama-3.1-8b", "h100")))
    assert chat["orbit"]["dollars_per_request"]["value"] == pytest.approx(one.value)
    assert chat["orbit"]["dollars_per_request"]["most"] == pytest.approx(one.most)
    per_million = chat["orbit"]["dollars_per_million_tokens"]["value"]
    assert per_million == pytest.approx(one.value / 10 * 1e6)
    assert chat["ground"]["dollars_per_request"]["value"] < one.value
    text = cost("--run", str(tmp_path)).stdout
    assert "chat: 40 J of accelerators a request, 4 J a token (calibrated)" in text
    assert f"{per_million:.3g}" in text
    assert cost("--run", str(tmp_path), "-o", "csv").stdout.startswith("customer_class,place,cost,least,low,")
    mini = preset("platform", "ai-sat-mini")
    of_run = {
        "preset": mini.name,
        "title": mini.title,
        "figures": {k: asdict(f) for k, f in mini.figures.items()},
    }
    monkeypatch.setattr(results, "read_run_file", lambda path: {"serving": asdict(spec), "platform": of_run})
    assert told("--run", str(tmp_path))["orbit"].startswith("ai-sat-mini at the prices")
    assert told("ai1", "--run", str(tmp_path))["orbit"].startswith("ai1 at the prices")
    monkeypatch.setattr(results, "read_run_file", lambda path: {"serving": {}})
    damaged = cost("--run", str(tmp_path))
    assert damaged.exit_code == 2
    assert "run.json: is damaged: its serving makes no sense" in damaged.stderr
    rows.pop(0)
    refused = cost("--run", str(tmp_path))
    assert refused.exit_code == 2
    assert "no customer was answered in this run" in refused.stderr
    assert "holds no run" in cost("--run", "./nowhere").stderr
