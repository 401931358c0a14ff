"""Charts of what was before: bounded, thinned, and there for a page that comes late."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import numpy as np
import pytest
from web_lab import fake_mesh, opened, page_in, pb, run, served

from orbitmesh.emulator.web import live
from orbitmesh.emulator.web.live import LiveSource
from orbitmesh.emulator.web.past import Line, Past
from orbitmesh.emulator.web.sample_bins import Binned

NS = 10**9


def columns(of: pb.Series) -> tuple[list[float], list[float], list[float]]:
    kinds = ((of.sim_s_f64le, "<f8"), (of.value_f32le, "<f4"), (of.beside_f32le, "<f4"))
    return tuple(np.frombuffer(data, kind).tolist() for data, kind in kinds)  # type: ignore[return-value]


def told(past: Past, began_sim_ns: int = 0) -> list[pb.Series]:
    return [pb.ToPage.FromString(each).series for each in past.messages(began_sim_ns)]


def test_a_line_never_grows_beyond_its_points_however_long_it_is() -> None:
    line = Line(100)
    for s in range(3600):
        line.add(s * NS, float(s), None)
    sim_s, values, beside = line.points()
    assert 50 <= len(sim_s) <= 100
    assert sim_s == sorted(sim_s)
    assert (sim_s[0], sim_s[-1]) == (pytest.approx(31.5), pytest.approx(3599, abs=64))
    assert values == pytest.approx(sim_s)  # means of both: what rises evenly stays on its line
    assert all(map(math.isnan, beside))


def test_what_is_not_known_counts_in_no_mean_and_what_comes_late_finds_its_place() -> None:
    line = Line()
    for sim_s, value in ((5, 50.0), (1, 10.0), (5.25, math.nan), (3, None)):
        line.add(round(sim_s * NS), value, 2.0)
    sim_s, values, beside = line.points()
    assert sim_s == [1, 3, 5.125]
    assert values[0::2] == [10, 50]
    assert math.isnan(values[1])
    assert beside == [2, 2, 2]


def test_steps_of_many_seconds_are_a_line_too() -> None:
    line = Line(10)
    for s in range(0, 30_000, 100):
        line.add(s * NS, 1.0, None)
    assert 5 <= len(line) <= 10


def test_a_record_tells_of_before_the_first_status_alone() -> None:
    past = Past(["gw-a", "gw-b"], 48)
    digest = {"gateways": [{"gateway": "gw-b", "grpc_p50_ns": 30e6, "physical_p50_ns": 20e6}]}
    past.status({"sim_ns": 60 * NS, "engine_lateness_p99_ns": 90_000, "digest": digest})
    at = np.array([1.5, 59.5, 60.5])
    past.samples([Binned(1, at, np.full(3, 25.0), np.full(3, 19.0))], 0)
    past.traffic(62 * NS, pb.Traffic(carried_bps=8e6, packets_per_s=1000, lost_per_s=2))
    by_kind = {(each.kind, each.gateway_node): each for each in told(past)}
    assert set(by_kind) == {
        (pb.SERIES_KIND_LATENESS, 0), (pb.SERIES_KIND_THROUGHPUT, 0), (pb.SERIES_KIND_LOSS, 0),
        (pb.SERIES_KIND_LATENCY, 49),
    }  # fmt: skip
    latency = by_kind[pb.SERIES_KIND_LATENCY, 49]
    assert columns(latency) == ([1.5, 59.5, 60], [25, 25, 30], [19, 19, 20])
    assert not latency.HasField("since_sim_ns")  # the record holds it since the run began
    assert by_kind[pb.SERIES_KIND_LATENESS, 0].since_sim_ns == 60 * NS
    assert by_kind[pb.SERIES_KIND_LOSS, 0].since_sim_ns == 62 * NS
    assert columns(by_kind[pb.SERIES_KIND_LOSS, 0])[1] == [2]
    began_ns = 58 * NS
    assert not any(each.HasField("since_sim_ns") for each in told(past, began_ns))


def test_many_gateways_have_fewer_points_each() -> None:
    past = Past([f"gw-{i}" for i in range(500)], 1000)
    rows = [{"gateway": f"gw-{i}", "udp_p50_ns": 1e6} for i in range(500)]
    for s in range(1000):
        past.status({"sim_ns": s * NS, "digest": {"gateways": rows}})
    assert sum(map(len, past.latency_ms)) <= 100_000
    assert min(map(len, past.latency_ms)) >= 100


def test_a_page_is_given_what_was_before_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looked; and what a page does not see, it is told when it comes again."""
    monkeypatch.setattr(live, "_GLANCE_S", 0.2)

    async def work() -> None:
        with fake_mesh(tmp_path / "run") as mesh:
            source = LiveSource(mesh.run_id, can_control=True)
            await source.open()
            async with served(source, page_in(tmp_path)) as port:
                mesh.fail("sat-1-1")  # an event while nobody looks
                deadline_s = asyncio.get_running_loop().time() + 30
                while len(source.past.carried) < 2 or len(source.past.lateness_ms) < 2:
                    assert asyncio.get_running_loop().time() < deadline_s
                    await asyncio.sleep(0.05)
                assert not source.viewers
                async with opened(port) as page:
                    await page.enter()
                    found: dict[int, pb.Series] = {}
                    while pb.SERIES_KIND_LOSS not in found:
                        if await page.read() == "series":
                            found[page.news["series"].kind] = page.news["series"]
                    sim_s, carried_bps, _ = columns(found[pb.SERIES_KIND_THROUGHPUT])
                    assert len(sim_s) >= 2
                    assert sim_s == sorted(sim_s)
                    assert set(carried_bps) == {0}  # nothing carries packets here: that is known
                    assert len(columns(found[pb.SERIES_KIND_LATENESS])[0]) >= 2
                    await page.until(
                        lambda: any(each.kind == "intervention" for each in page.events),
                        "the event of before",
                    )

    run(work)
