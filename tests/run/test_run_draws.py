"""From nodes' reports to what the geometry process is told.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.platform import Draws
from orbitmesh.emulator.run.draws import DrawsBook, in_words, report_interval_ns
from orbitmesh.emulator.run.node_specs import serving_specs
from orbitmesh.emulator.scenario.scenario import loads
from orbitmesh.wire.energy import EnergyReport

S = 10**9


class Rig:
    def __init__(self) -> None:
        self.told: list[Draws] = []
        self.said: list[tuple[bool, Sequence[str]]] = []
        self.dead: dict[str, str] = {}
        self.book = DrawsBook(
            {4: "sat-0-4", 2: "sat-0-2"}, S, self.dead, self.told.append,
            lambda *what: self.said.append(what),
        )  # fmt: skip

    def heard(self, name: str, at_s: float, drawn_j: float, asked_j: float | None = None) -> None:
        asked_j = drawn_j if asked_j is None else asked_j
        self.book.heard(EnergyReport(name, round(at_s * S), drawn_j, asked_j))

    def tick(self, at_s: float) -> dict[int, tuple[float, float]]:
        self.book.at_tick(round(at_s * S))
        last = self.told[-1]
        assert (np.diff(last.satellites) > 0).all()
        return {
            int(index): (float(drawn), float(asked))
            for index, drawn, asked in zip(last.satellites, last.drawn_w, last.asked_w, strict=True)
        }


def test_powers_are_means_between_two_reports() -> None:
    rig = Rig()
    rig.book.at_tick(0)
    assert rig.told == []  # before their processes are there
    rig.book.begin(0)
    rig.heard("sat-0-4", 1.0, 100.0)
    assert rig.tick(1.1) == {}  # since when it drew that is not known
    rig.heard("sat-0-4", 2.0, 500.0, 900.0)
    assert rig.tick(2.1) == {4: (400.0, 800.0)}
    assert rig.tick(2.9) == {4: (400.0, 800.0)}  # none came in between
    rig.heard("sat-0-2", 3.0, 70.0)
    rig.heard("sat-0-2", 4.0, 140.0)  # the first is lost on the way: sums lose nothing
    rig.heard("sat-0-4", 4.0, 1700.0, 2100.0)
    assert rig.tick(4.1) == {4: (600.0, 600.0)}
    assert rig.said == []


def test_who_is_dead_or_silent_goes_by_the_load_model_and_that_is_said() -> None:
    rig = Rig()
    rig.book.begin(0)
    for second in (1, 2):
        rig.heard("sat-0-4", second, 100.0 * second)
        rig.heard("sat-0-2", second, 200.0 * second)
        rig.tick(second)
    assert rig.tick(2.5) == {2: (200.0, 200.0), 4: (100.0, 100.0)}
    rig.dead["sat-0-2"] = "killed by SIGKILL"
    assert rig.tick(3.0) == {4: (100.0, 100.0)}
    assert rig.tick(5.5) == {}  # three periods since the last report
    assert rig.said == [(True, ["sat-0-2"]), (True, ["sat-0-4"])]
    rig.heard("sat-0-4", 6.0, 600.0)
    assert rig.tick(6.1) == {4: (100.0, 100.0)}
    assert rig.said[2:] == [(False, ["sat-0-4"])]
    assert in_words(True, ["a", "b", "c", "d", "e", "f"]) == (
        "6 satellites (a, b, c, d, e, …): no report of what their accelerators draw: "
        "their power and heat go by the load model"
    )


def test_one_that_never_reports_is_said_once_it_is_due() -> None:
    rig = Rig()
    rig.book.begin(10 * S)
    rig.tick(12)
    assert rig.said == []
    rig.tick(13.5)
    assert rig.said == [(True, ["sat-0-2", "sat-0-4"])]


def test_nodes_are_told_their_platforms_exponent_and_when_to_report() -> None:
    text = """name = "two"
[constellation]
[[constellation.shells]]
code = "D:600:30:9/3/1+D:700:30:9/3/1"
[[constellation.shells]]
code = "D:800:30:9/3/1"
platform = { figures = { power-exponent = 0.6 } }
[platform]
figures = { power-exponent = 0.8 }
load = "measured"
[serving]
model = "llama-3.1-8b"
accelerator = "h100"
[run]
start = 2026-11-01T00:00:00Z
step = "2 s"
"""
    scenario = loads(text)
    geometry = Geometry(scenario)
    specs = serving_specs(scenario, geometry.nodes, geometry.hosting)
    assert {node: spec.power_exponent for node, spec in specs.items()} == {
        node: 0.8 if node < 18 else 0.6 for node in range(27)
    }
    assert {spec.report_interval_ns for spec in specs.values()} == {2 * S}
    modelled = loads(text.replace('"measured"', '"model"'))
    assert {
        spec.report_interval_ns for spec in serving_specs(modelled, geometry.nodes, geometry.hosting).values()
    } == {0}
    assert report_interval_ns(10**8) == S


def test_reports_of_nonsense_are_refused() -> None:
    with pytest.raises(ValueError, match="tells of -1"):
        EnergyReport("sat-0-0", 0, -1.0, 0.0)
