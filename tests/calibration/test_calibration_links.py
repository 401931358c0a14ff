"""Calibration with real traffic; and the program that sends it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from orbitmesh.emulator.calibration import agreement, commands, measure
from orbitmesh.emulator.calibration.lab import Line, Setting
from orbitmesh.emulator.calibration.measure import Calibrator
from orbitmesh.emulator.calibration.subject import PlaneName
from orbitmesh.emulator.calibration.traffic import PROGRAM, Streaming
from orbitmesh.emulator.errors import RunError
from orbitmesh.emulator.plane.engine import EngineBackend
from orbitmesh.emulator.plane.kernel.awake import distrust

MS = 1_000_000
# The kernel stamps arrival by the clock that may be adjusted: the two readings that relate it to the other
# one are moments apart.
STAMP_NS = 1_000


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with Line(EngineBackend(), 2) as made:
        yield made


@pytest.mark.netns
def test_every_datagram_is_accounted_for_and_none_is_early(line: Line) -> None:
    line.set(Setting(delay_ns=3 * MS))
    stream = Streaming(line, 0, 2, 1_000, 10_000).result()
    assert stream.number.tolist() == list(range(1_000))
    assert stream.took_ns.min() >= 2 * 3 * MS - STAMP_NS
    assert (np.diff(stream.sent_mono_ns) >= 0).all()
    # never faster than asked
    assert stream.sending_ns >= 999 / 10_000 * 1e9


@pytest.mark.netns
def test_what_is_lost_is_missed_and_not_waited_for_without_end(line: Line) -> None:
    line.set(Setting(loss_ratio=1.0))
    stream = Streaming(line, 0, 1, 10, 1_000, idle_ms=10).result()
    assert stream.sent == 10
    assert len(stream.number) == 0


@pytest.mark.netns
def test_what_is_still_on_its_way_when_the_sender_has_ended_is_waited_for(line: Line) -> None:
    """Longer than between two datagrams, and than from the first to the last."""
    line.set(Setting(delay_ns=300 * MS))
    stream = Streaming(line, 0, 1, 5, 10, idle_ms=400).result()
    assert stream.number.tolist() == list(range(5))


@pytest.mark.netns
def test_a_line_routes_by_the_link_it_is_told() -> None:
    with Line(EngineBackend(), beside=2) as line:
        line.set(Setting(delay_ns=2 * MS), 0)
        line.set(Setting(delay_ns=30 * MS), 1)
        short = Streaming(line, 0, 1, 20, 1_000).result()
        line.route(0, 1, 1)
        long = Streaming(line, 0, 1, 20, 1_000).result()
        assert np.median(short.took_ns) < 30 * MS <= long.took_ns.min() + STAMP_NS


@pytest.mark.netns
@pytest.mark.timeout(180)
@pytest.mark.parametrize("plane", [pytest.param("wired", marks=pytest.mark.native), "fabric"])
def test_a_quick_calibration_finds_what_physics_and_the_settings_demand(
    plane: PlaneName, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the kernel takes half a minute to make and unmake the 6,336 devices of 1,584 satellites
    sizes = (72, 200) if plane == "wired" else commands.SIZES
    monkeypatch.setattr(commands, "SIZES", sizes)
    monkeypatch.setattr(agreement, "_SHARING_S", 2.0)
    monkeypatch.setattr(agreement, "_WARM_UP_S", 0.7)
    # what both planes make of many ways is tested by test_calibration_agreement.py
    monkeypatch.setattr(measure.Plan, "of", partial(measure.Plan.of, n_streams=1, n_satellites=1))
    seen: list[str] = []
    found = Calibrator("engine", plane=plane, quick=True).run(lambda what, done, total: seen.append(what))
    assert len(seen) > 5
    assert found.is_awake == (distrust() is None)
    assert {(row.links, row.delay_ns) for row in found.one_way} >= {(1, 5 * MS), (3, 5 * MS)}
    for row in found.one_way:
        assert row.errors.lost == row.errors.reordered == 0
        assert row.errors.min_ns is not None
        assert row.errors.min_ns >= -STAMP_NS
    assert found.floor is not None
    assert found.falling is not None
    assert found.falling.errors.reordered == found.falling.errors.lost == 0
    assert found.handover is not None
    assert found.handover.lost == found.handover.reordered == 0
    assert found.handover.largest_gap_ns >= found.handover.longer_ns
    assert found.rates[0].rate_bps == 10**7
    assert abs(found.rates[0].error_ratio) < 0.03
    (loss,) = found.losses
    assert loss.low_ratio <= loss.measured_ratio <= loss.high_ratio
    assert [command.links for command in found.commands] == [2 * n for n in sizes[:2]]
    assert all(command.median_ns for command in found.commands)
    assert [one.plane for one in found.consistency] == (["wired", "fabric"] if plane == "fabric" else [])
    assert found.grpc is not None
    assert found.grpc.udp_p50_ns < found.grpc.p50_ns  # gRPC goes over TCP, HTTP/2 and two event loops


@pytest.mark.parametrize(
    "argv",
    [
        [], ["nonsense"], ["send"], ["send", "--to", "nowhere", "--port", "1", "--count", "1"],
        ["send", "--to", "127.0.0.1", "--port", "1", "--count", "0"], ["receive"],
        ["receive", "--count", "x"],
        ["send", "--to", "127.0.0.1", "--port", "70000", "--count", "1"], ["receive", "--count", "1", "more"],
        ["send", "--to", "127.0.0.1", "--port", "1", "--count", "1", "--bytes", "9000"],
    ],
)  # fmt: skip
def test_the_program_refuses_what_makes_no_sense(argv: list[str]) -> None:
    said = subprocess.run([PROGRAM, *argv], capture_output=True, text=True, timeout=10)
    assert said.returncode == 1
    assert "orbitmesh calibrate starts it" in said.stderr


@pytest.mark.netns
def test_a_sender_that_fails_is_an_error_with_its_reason(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "address", lambda node: "198.51.100.1")  # there is no route to it
    with pytest.raises(RunError, match="cannot reach the receiver: Network is unreachable"):
        Streaming(line, 0, 1, 1, 1, idle_ms=1).result()
