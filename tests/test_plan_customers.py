"""What light allows customers: the nearest satellite that serves, by the paths of ``plan`` itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.constants import SPEED_OF_LIGHT_KM_PER_S
from orbitmesh.emulator.errors import InputError
from orbitmesh.emulator.plan import plan_rows
from orbitmesh.emulator.plan_customers import ClassAhead, customers_ahead, light_forbids
from orbitmesh.emulator.scenario import Scenario

TOY = """name = "toy"
[constellation]
shells = [{ code = "S:780:86.4:66/6/1" }]
[ground]
min-elevation = "8.2 deg"
stations = [
  { name = "london", latitude = "51.5 deg", longitude = "-0.1 deg" },
  { name = "quito", latitude = "-0.2 deg", longitude = "-78.5 deg" },
]
[compute]
satellites = ["sat-0-0", "sat-3-5"]
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
[run]
start = 2026-11-01T00:00:00Z
duration = "10 min"
step = "2 min"
%s
"""
CLASS = """
[[customers]]
name = "%s"
rate = 1.0
%s
"""


def scenario(tmp_path: Path, *classes: tuple[str, str], text: str = TOY) -> Scenario:
    path = tmp_path / "toy.toml"
    path.write_text(text % "".join(CLASS % each for each in classes))
    return Scenario.load(path)


def test_the_nearest_server_is_that_of_the_paths(tmp_path: Path) -> None:
    loaded = scenario(tmp_path, ("chat", ""))
    found = customers_ahead(loaded)
    assert [(each.customer_class, each.gateway) for each in found] == [
        ("chat", "gw-london"), ("chat", "gw-quito"),
    ]  # fmt: skip
    for each in found:
        rows = list(plan_rows(loaded, [f"{each.gateway}:sat-0-0", f"{each.gateway}:sat-3-5"]))
        by_instant = [[row for row in rows if row.t_ns == t_ns] for t_ns in sorted({r.t_ns for r in rows})]
        nearest = [min(at, key=lambda row: row.rtt_ns or 1e18) for at in by_instant]
        least = min(nearest, key=lambda row: row.rtt_ns or 1e18)
        assert (each.rtt_least_ns, each.satellite, each.t_ns) == (least.rtt_ns, least.dst, least.t_ns)
        assert each.rtt_most_ns == max(row.rtt_ns or 0 for row in nearest)
        assert each.rtt_least_ns is not None
        assert each.rtt_least_ns > 2 * 780 / SPEED_OF_LIGHT_KM_PER_S * 1e9  # straight up and down
        assert (each.no_way_ratio, each.below_light_ratio, each.below_light_ns) == (0, 0, {})


def test_a_trace_with_a_bad_row_is_told_before_the_run(tmp_path: Path) -> None:
    """It was told by the run alone."""
    (tmp_path / "log.csv").write_text("arrival_s,input_tokens,output_tokens\n0,10,5\n1,ten,5\n")
    with pytest.raises(InputError, match=r"log\.csv:3: 'ten' is not a whole number"):
        customers_ahead(scenario(tmp_path, ("chat", 'trace = "log.csv"')))


def one(tmp_path: Path, target: str) -> ClassAhead:
    keys = f'gateways = ["london"]\ntarget = {target}'
    (found,) = customers_ahead(scenario(tmp_path, ("chat", keys)))
    return found


def test_bounds_below_at_times_below_and_above_light(tmp_path: Path) -> None:
    free = one(tmp_path, "{ ttft = '10 s' }")
    least, most = free.rtt_least_ns, free.rtt_most_ns
    assert least is not None
    assert most is not None
    assert least < most
    assert (free.below_light_ns, free.below_light_ratio) == ({}, 0)
    never = one(tmp_path, f"{{ ttft = '{least - 1} ns', answer = '{least + 10_000_000_000} ns' }}")
    assert (never.below_light_ns, never.below_light_ratio) == ({"ttft": 1}, 1)
    at_times = one(tmp_path, f"{{ answer = '{(least + most) // 2} ns' }}")
    assert at_times.below_light_ns == {}
    assert 0 < at_times.below_light_ratio < 1
    tokens = one(tmp_path, "{ tpot = '1 ns' }")  # between two tokens no light has to go back
    assert (tokens.below_light_ns, tokens.below_light_ratio) == ({}, 0)


def test_where_there_is_no_way_and_where_nobody_asks(tmp_path: Path) -> None:
    # a shell of six low satellites without lasers that reach: London sees one only now and then
    sparse = TOY.replace("S:780:86.4:66/6/1", "D:600:60:6/2/0").replace('"sat-3-5"', '"sat-1-2"')
    loaded = scenario(tmp_path, ("chat", 'target = { ttft = "1 s" }'), text=sparse)
    found = customers_ahead(loaded, duration_ns=14_400_000_000_000, step_ns=300_000_000_000)
    assert any(0 < each.no_way_ratio < 1 for each in found)
    shut = customers_ahead(loaded, duration_ns=1, step_ns=1)
    for each in shut:
        assert (each.rtt_least_ns is None) == (each.no_way_ratio == 1)
    with pytest.raises(InputError, match=r"the scenario has no \[\[customers\]\]"):
        customers_ahead(Scenario.load("pocket"))


def plan(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", *arguments])


def test_the_verb_says_what_light_forbids(tmp_path: Path) -> None:
    keys = 'gateways = ["london"]\ntarget = { ttft = "5 ms" }'
    scenario(tmp_path, ("chat", keys), ("slow", 'target = "mlperf-llama3.1-8b-server"'))
    path = str(tmp_path / "toy.toml")
    rows = json.loads(plan(path, "-o", "json").stdout)
    assert [(row["class"], row["gateway"]) for row in rows] == [
        ("chat", "gw-london"), ("slow", "gw-london"), ("slow", "gw-quito"),
    ]  # fmt: skip
    assert [row["below_light"] for row in rows] == ["ttft", None, None]
    assert rows[0]["ttft_ns"] == 5_000_000 < rows[0]["rtt_least_ns"]
    shown = plan(path)
    said = "light alone forbids ttft of 5 ms for chat at gw-london: the least round trip is "
    assert said + f"{rows[0]['rtt_least_ns'] / 1e6:.3f} ms, to {rows[0]['satellite']}" in shown.stderr
    assert f"{rows[2]['rtt_least_ns'] / 1e6:.3f}" in shown.stdout
    assert plan(path, "-o", "csv").stdout.startswith("class,gateway,rtt_least_ns,rtt_most_ns,satellite,t_ns,")


def test_a_run_is_told_before_it_is_built_what_light_forbids(tmp_path: Path) -> None:
    hasty = 'target = { ttft = "5 ms" }'
    loaded = scenario(tmp_path, ("hasty", hasty), ("calm", 'target = { ttft = "2 s" }'))
    said = light_forbids(loaded, 600 * 10**9)
    assert [text.split(":")[0] for text in said] == [
        f"light alone forbids ttft of 5 ms for hasty at {gateway}" for gateway in ("gw-london", "gw-quito")
    ]
    assert light_forbids(scenario(tmp_path, ("calm", 'target = { tpot = "1 ms", ttft = "2 s" }')), 1) == []
    assert light_forbids(scenario(tmp_path, ("any", "")), 1) == []
