"""What accelerators have drawn up to an instant.  Pure."""

from __future__ import annotations

import pytest
from serving_cards import H100, LLAMA_8B

from orbitmesh.nodes.serving.meter import Meter
from orbitmesh.nodes.serving.power import power_w
from orbitmesh.wire.energy import EnergyReport
from orbitmesh.wire.serving import Deployment, ServingSpec

S = 10**9


def test_rest_steps_and_no_power_each_count_for_their_time() -> None:
    meter = Meter(70.0, 700.0, 0)
    assert meter.read(2 * S) == (140.0, 140.0)
    meter.step(2 * S, 4 * S, 2 * 400.0)  # slowed: at 400 W
    assert meter.read(3 * S) == (540.0, 840.0)
    meter.off(3 * S, has_work=True)  # what is under way goes on to its end
    assert meter.read(4 * S) == (940.0, 1540.0)
    assert meter.read(6 * S) == (940.0, 2940.0)
    meter.on(6 * S)
    assert meter.read(7 * S) == (1010.0, 3010.0)
    meter.off(7 * S, has_work=False)
    assert meter.read(8 * S) == (1010.0, 3080.0)


def test_a_step_told_late_counts_from_where_it_began() -> None:
    """As when the process slept: rest was read of a time in which it computed."""
    meter = Meter(70.0, 700.0, 0)
    first, _ = meter.read(S)
    meter.step(S // 2, 3 * S // 2, 700.0)
    assert meter.read(S)[0] == pytest.approx(35 + 350)
    assert meter.read(S)[0] >= first
    meter.step(3 * S // 2, 2 * S, 350.0)
    assert meter.read(2 * S) == (35 + 1050.0, 35 + 1050.0)


def test_speed_follows_power_by_the_platforms_exponent() -> None:
    for exponent, w in ((1.0, 70 + 630 * 0.5), (0.7, 70 + 630 * 0.5 ** (1 / 0.7)), (0.5, 70 + 630 * 0.25)):
        spec = ServingSpec(Deployment(LLAMA_8B, H100, 2), power_exponent=exponent)
        assert power_w(spec, 0.5) == pytest.approx(2 * w)
        assert (power_w(spec, 0.0), power_w(spec, 1.0)) == (140, 1400)
    with pytest.raises(ValueError, match="power_exponent is 0: it must be above 0"):
        ServingSpec(Deployment(LLAMA_8B, H100), power_exponent=0)


def test_a_report_is_what_its_event_says() -> None:
    report = EnergyReport("sat-0-0", 5 * S, 1.5, 2.5)
    assert EnergyReport.from_event(report.to_event()) == report
    with pytest.raises(ValueError, match="sat-0-0 tells of nan J drawn"):
        EnergyReport("sat-0-0", 0, float("nan"), 0.0)
