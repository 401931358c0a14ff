"""Rates, queues and losses of emulated links."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plane_toys as toys
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.plane import shaping

MESH = toys.nodes(2, 3, 1)
PAIRS = [(0, 1), (0, 6)]  # a laser and a ground link


def _parameters(**scenario: object) -> object:
    on = toys.links(MESH, PAIRS)
    return shaping.parameters(on, np.array([4, 2], np.int32), 123, toys.scenario(**scenario))  # type: ignore[arg-type]


def test_rates_are_scaled_and_queues_follow_them() -> None:
    p = _parameters(**{"rate-scale": 0.01})
    assert p.rate_ab_bps.tolist() == [10**7, 10**7]  # type: ignore[attr-defined]
    assert p.queue_ab_bytes.tolist() == [125_000, 125_000]  # 10 Mbit/s for 100 ms  # type: ignore[attr-defined]
    assert p.up.all()  # type: ignore[attr-defined]
    assert p.t0_mono_ns.tolist() == [123, 123]  # type: ignore[attr-defined]
    assert p.link.tolist() == [4, 2]  # type: ignore[attr-defined]


def test_queue_and_loss_of_the_scenario_are_taken_per_kind() -> None:
    p = _parameters(lasers={"queue": "1 MB", "loss-ratio": 0.1}, ground={"loss-ratio": 0.2})
    assert p.queue_ba_bytes.tolist() == [10**6, 12_500_000]  # type: ignore[attr-defined]
    assert p.loss_ratio.tolist() == [0.1, 0.2]  # type: ignore[attr-defined]


def test_links_follow_the_course_of_emulated_time() -> None:
    on = replace(toys.links(MESH, PAIRS), delay_slope_ns_per_s=np.array([2_000.0, -9e9]))
    ids = np.array([4, 2], np.int32)
    p = shaping.parameters(on, ids, 123, toys.scenario(), ahead_ns=500_000_000, ratio=20.0)
    assert p.delay_ns.tolist() == [on.delay_ns[0] + 1_000, 0.0]  # never less than nothing
    assert p.slope_ns_per_s.tolist() == [40_000.0, -180e9]
    still = shaping.parameters(on, ids, 123, toys.scenario(), ahead_ns=500_000_000, ratio=0.0)
    assert still.slope_ns_per_s.tolist() == [0.0, 0.0]


def test_a_loss_of_a_link_s_own_is_in_place_of_its_kind_s() -> None:
    on = toys.links(MESH, PAIRS)
    scenario = toys.scenario(lasers={"loss-ratio": 0.1}, ground={"loss-ratio": 0.2})
    ids = np.array([4, 2], np.int32)
    for own, wanted in ((np.array([np.nan, 0.5]), [0.1, 0.5]), (np.array([0.0, np.nan]), [0.0, 0.2])):
        p = shaping.parameters(replace(on, loss_ratio=own), ids, 123, scenario)
        assert p.loss_ratio.tolist() == wanted


@given(st.integers(0, 10**13), st.floats(1e-12, 1.0))
def test_a_scaled_rate_is_never_unlimited_nor_beyond_the_physical(rate: int, scale: float) -> None:
    scaled = shaping.emulated_rate_bps(np.array([rate]), scale)
    assert shaping.MIN_RATE_BPS <= scaled[0] <= max(rate, shaping.MIN_RATE_BPS)
    assert shaping.default_queue_bytes(scaled)[0] >= 65_536
