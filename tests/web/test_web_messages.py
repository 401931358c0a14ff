"""What is made of epochs, samples and counters before it is sent: pure."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from orbitmesh.emulator.answers.targets import Target
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.orbit.sun import sun_itrs_au
from orbitmesh.emulator.platform.fleet import chosen
from orbitmesh.emulator.platform.surroundings import surroundings
from orbitmesh.emulator.record.samples import SAMPLES
from orbitmesh.emulator.record.totals import OUTCOMES
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.platforms import platforms_of
from orbitmesh.emulator.web import layers, messages
from orbitmesh.emulator.web.epochs import EpochWriter
from orbitmesh.emulator.web.judged import cause
from orbitmesh.emulator.web.mesh import Shown, targets_text
from orbitmesh.emulator.web.sample_bins import binned
from orbitmesh.emulator.web.traffic import Traffic
from orbitmesh.web.v1 import web_pb2 as pb


@pytest.fixture(scope="module")
def pilot() -> tuple[Shown, Geometry]:
    scenario = Scenario.load("ai1-pilot")
    return Shown.of(scenario), Geometry(scenario)


@pytest.fixture(scope="module")
def served() -> tuple[Shown, Geometry]:
    """With platforms."""
    scenario = Scenario.load("ai1-inference")
    return Shown.of(scenario), Geometry(scenario)


def test_sunlight_is_that_of_the_platforms(served: tuple[Shown, Geometry]) -> None:
    shown, geometry = served
    at_ns = 1800 * 10**9
    position = geometry.fleet.states_itrs(np.array([at_ns])).position_km[:, 0]
    unix_ns = shown.start_unix_ns + at_ns
    platform = chosen(platforms_of(shown.scenario)[0])[1]
    theirs = surroundings(platform, position, sun_itrs_au(np.array([unix_ns]), shown.dut1_s)[0]).sunlit_ratio
    ours = layers.sunlit(position, unix_ns, shown.dut1_s)
    assert 0.1 < (ours == 0).mean() < 0.6
    assert np.abs(ours - theirs).max() < 1e-6


def test_layers_of_platforms_are_ratios_and_kelvin(served: tuple[Shown, Geometry]) -> None:
    shown, geometry = served
    epoch = geometry.epoch_at(0)
    assert layers.kinds(shown) == [1, 2, 3, 4, 5, 6]
    for kind in (layers.SUNLIGHT, layers.BATTERY, layers.LOAD, layers.CAPACITY):
        value = np.frombuffer(
            pb.ToPage.FromString(layers.layer(kind, 0, epoch, shown)).layer.value_f32le, "<f4"
        )
        assert len(value) == 720
        assert value.min() >= 0
        assert 0 < value.max() <= 1
    kelvin = np.frombuffer(
        pb.ToPage.FromString(layers.layer(layers.TEMPERATURE, 0, epoch, shown)).layer.value_f32le, "<f4"
    )
    assert 200 < kelvin.min() <= kelvin.max() < 400


def test_of_too_many_links_those_to_the_ground_and_those_looked_at_are_sent(
    pilot: tuple[Shown, Geometry],
) -> None:
    shown, geometry = pilot
    epoch = geometry.epoch_at(0)
    writer = EpochWriter(shown, most_links=100)
    assert writer.take(epoch, [3, 5])
    sent = pb.ToPage.FromString(writer.links_message).links
    n_ground = int((epoch.links.kind == 1).sum())
    assert sent.all_ground_links == n_ground
    assert sent.all_lasers == len(epoch.links) - n_ground
    assert list(sent.kind_u8).count(2) == n_ground
    assert writer.rows is not None
    assert {3, 5} <= {*writer.rows.tolist()}
    assert len(sent.kind_u8) == n_ground + 2
    assert not writer.take(epoch, [3, 5])
    assert writer.take(epoch, [3])  # another list has another number
    assert pb.ToPage.FromString(writer.links_message).links.links_number == 2


def test_shells_and_targets_are_told_as_people_say_them(pilot: tuple[Shown, Geometry]) -> None:
    shown, _ = pilot
    hello = shown.hello(is_live=True, can_control=False)
    assert [round(each.altitude_km) for each in hello.shells] == [600, 610]
    assert [round(each.inclination_deg) for each in hello.shells][1] == 30
    assert sum(each.satellites for each in hello.shells) == hello.satellites == 720
    assert targets_text(Target(500_000_000, None, 15 * 10**9)) == [
        "first token in 500 ms at p99", "whole answer in 15000 ms at p99",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "share", "ms"),
    [
        ([0, 10, 0, 0], 0.5, 1.5),
        ([5, 5, 0, 0], 0.5, 1.0),
        ([0, 0, 0, 7], 0.5, None),
        ([0, 0, 0, 0], 0.5, None),
    ],
)
def test_quantiles_come_from_bins(counts: list[int], share: float, ms: float | None) -> None:
    found = messages.quantile_ns(counts, [10**6, 2 * 10**6, 5 * 10**6], share)
    assert found == (None if ms is None else pytest.approx(ms * 1e6))


@pytest.mark.parametrize(
    ("asked_for", "verdict"), [(0.8, "met"), (0.9, "not known"), (0.97, "missed"), (None, "")]
)
def test_classes_are_told_from_the_counters_of_a_digest(asked_for: float | None, verdict: str) -> None:
    """Of 90 in 100 Wilson's interval at 95 % is 0.826 to 0.945."""
    row = {
        "customer_class": "chat", "one_in": 1, "asked_for": asked_for,
        "outcomes": {"in target": 90, "missed target": 5, "refused": 4, "no answer": 1},
        "first_token": {"counts": [0, 100, 0], "sum_ns": 0}, "answer": {"counts": [0, 0, 100], "sum_ns": 0},
    }  # fmt: skip
    status = {"digest": {"totals": {"edges_ns": [10**6, 3 * 10**6], "customers": [row]}}}
    (told,) = pb.ToPage.FromString(
        messages.status(status, Shown.of(Scenario.load("pocket")).nodes)
    ).status.classes
    assert (told.name, told.asked, told.answered, told.refused, told.in_time) == ("chat", 100, 95, 4, 90)
    assert told.verdict == verdict
    if verdict == "not known":
        assert told.why_not_known == (
            "90.0 % of 100 were in time, and 90.0 % is asked for: so few tell only that it is from 82.6 % to "
            "94.5 %"
        )
    else:
        assert told.why_not_known == ""
    assert told.ttft_p50_ns == pytest.approx(2e6)
    assert not told.HasField("answer_p99_ns")


@pytest.mark.parametrize(
    ("outcomes", "causes", "said"),
    [
        ((90, 5, 4, 1), {"waiting": 4, "host": 1}, "waiting at the accelerator (4 of 10)"),
        ((90, 3, 4, 1), {"waiting": 3}, "refused (4 of 8)"),
        ((0, 0, 0, 7), {}, "no answer came (7 of 7)"),
        ((90, 5, 4, 1), {}, "not known yet: of 5 late so far it is not known where the time went"),
        ((90, 0, 0, 0), {}, ""),
    ],
)
def test_a_class_is_told_by_what_most_missed(
    outcomes: tuple[int, ...], causes: dict[str, int], said: str
) -> None:
    row = {"outcomes": dict(zip(OUTCOMES, outcomes, strict=True)), "causes": causes, "asked_for": 0.9}
    assert cause(row) == said
    assert cause(row | {"asked_for": None}) == ""  # nobody judges


def test_samples_are_binned_by_gateway() -> None:
    def sample(at_s: float, src: str, dst: str, ms: float | None, kind: str = "udp", ok: bool = True) -> dict:
        row = dict.fromkeys(SAMPLES.names)
        row |= {"sim_ns": int(at_s * 1e9), "src": src, "dst": dst, "ok": ok, "kind": kind}
        return row | {
            "measured_ns": int(ms * 1e6) if ms else 0,
            "propagation_ns": int(ms * 5e5) if ms else None,
        }

    rows = [
        sample(0.1, "s1", "g1", 10), sample(0.9, "s2", "g1", 30), sample(0.5, "s3", "g1", 12),
        sample(5.5, "s3", "g1", 8), sample(5.6, "s3", "g1", 9), sample(5.7, "s3", "g1", 1, ok=False),
        sample(5.5, "s3", "g1", 99, "grpc"), sample(1.2, "g2", "s1", 7, "grpc"), sample(1.3, "s1", "s2", 7),
    ]  # fmt: skip
    one, two = binned(pa.Table.from_pylist(rows, SAMPLES), ["g1", "g2"], 10**9)
    assert (one.gateway, one.sim_s.tolist(), one.measured_ms.tolist()) == (0, [0.5, 5.5], [12, 8.5])
    assert one.physical_ms.tolist() == [6, 4.25]
    assert (two.gateway, two.sim_s.tolist(), two.measured_ms.tolist()) == (1, [1.5], [7])


def test_traffic_is_what_came_between_two_looks(pilot: tuple[Shown, Geometry]) -> None:
    _, geometry = pilot
    epoch = geometry.epoch_at(0)
    traffic, n = Traffic(1e-3), len(epoch.links)

    def answer(number: int, at_s: float, columns: np.ndarray) -> dict[str, object]:
        data = base64.b64encode(columns.astype("<i8").tobytes()).decode()
        return {"epoch_number": number, "mono_ns": int(at_s * 1e9), "columns": data}

    traffic.epoch(epoch, None, 1)
    first = np.zeros((n, 4), np.int64)
    first[3] = [500, 0, 5, 0]
    assert traffic.take(answer(0, 10, first)) is None
    later = first.copy()
    rate_bps = epoch.links.rate_ab_bps[2] * 1e-3
    later[2] = [rate_bps / 8, 0, 1000, 20]  # half of what goes in two seconds
    later[3] = [100, 0, 1, 0]  # began anew
    told = traffic.take(answer(0, 12, later))
    assert told is not None
    use = np.frombuffer(told.use_ab_ratio_f32le, "<f4")
    assert use[2] == pytest.approx(0.5)
    assert np.isnan(use[3])
    assert np.nanmax(np.delete(use, 2)) == 0
    assert told.carried_bps == pytest.approx(rate_bps / 2)
    assert (told.packets_per_s, told.lost_per_s) == (500, 10)
    assert told.links_number == 1
    traffic.epoch(replace(epoch, number=1), None, 2)
    assert traffic.take(answer(0, 13, later)) is None  # of links that are others by now
    assert traffic.take(answer(9, 14, later)) is None
    assert traffic.take(answer(1, 15, later)) is not None
    traffic.forget()  # nobody looked for long
    assert traffic.take(answer(1, 900, later)) is None
    assert traffic.take(answer(1, 901, later)).carried_bps == 0


def test_a_scenario_s_texts_turn_nothing_round_on_the_page() -> None:
    scenario = Scenario.load("pocket")
    shell = scenario.constellation.shells[0].model_copy(update={"name": "a\u202eb"})
    constellation = scenario.constellation.model_copy(update={"shells": (shell,)})
    evil = scenario.model_copy(update={"title": "x\x1b]0;y\x07\u202ez", "constellation": constellation})
    hello = Shown.of(evil).hello(is_live=False, can_control=False)
    assert (hello.title, hello.shells[0].name) == (r"x\x1b]0;y\x07\u202ez", r"a\u202eb")
