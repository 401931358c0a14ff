"""The platform of a scenario: what is refused, and what its epochs carry."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from orbitmesh.emulator.epoch import HELD_BACK_BY, NS_PER_S, Epoch
from orbitmesh.emulator.errors import ScenarioError
from orbitmesh.emulator.geometry import Geometry
from orbitmesh.emulator.platform import Draws
from orbitmesh.emulator.scenario import Scenario
from orbitmesh.emulator.scenario.scenario import loads

SHELL = """name = "shell"
[constellation]
shells = [{ code = "D:600:30:48/6/1" }]
[platform]
preset = "ai1"
[platform.figures]
peak-power = "130 kW"
[run]
start = 2026-11-01T00:00:00Z
step = "10 s"
"""


SERVED = """[serving]
model = "llama-3.1-8b"
accelerator = "h100"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"ai1"', '"ai2"', r"line 5: platform\.preset: 'ai2' is not a platform preset: did you mean 'ai1'"),
        (
            "peak-power",
            "peek-power",
            r"line 7: platform\.figures\.peek-power: .*has no figure.*mean 'peak-power'",
        ),
        (
            "130 kW",
            "130 K",
            r"line 7: platform\.figures\.peak-power: '130 K' is not in kW: write it as in '150 kW'",
        ),
        ('"130 kW"', "130", "130 has no unit"),
        ('"130 kW"', "[1]", r"\[1\] is not a quantity"),
        ("130 kW", "30 kW", "idle-power of platform 'ai1' is 40 kW: it is not below peak-power, 30 kW"),
        ('peak-power = "130 kW"', "emissivity = 2", r"line 7: platform\.figures\.emissivity: .*write 0 to 1"),
        (
            'preset = "ai1"',
            'pointing = "down"',
            "is not known here: write one of 'sun', 'orbit-normal' or 'zenith'",
        ),
        ('preset = "ai1"', 'demand = "many"', "'many' is not a quantity"),
        ('preset = "ai1"', "charge = 1.5", "the value is out of range: it must be at most 1"),
        ('preset = "ai1"', 'temperature = "20 C"', "has the unit 'C': write a number and one of K"),
        ('preset = "ai1"', 'temperature = "0 K"', "it must be at least 1 K"),
        (
            'preset = "ai1"',
            'peak-power = "9 kW"',
            r"line 5: platform\.peak-power: 'peak-power' is a figure of the preset: write it within figures",
        ),
        ('preset = "ai1"', 'pre-set = "ai1"', "unknown key 'pre-set': did you mean 'preset'"),
        ('preset = "ai1"', "utilisation = 1.5", "it must be at most 1"),
        (
            'preset = "ai1"',
            'utilisation = 0.5\ndemand = "60 kW"',
            r"line 5: platform\.utilisation: demand says the same as a power: remove one of the two",
        ),
        (
            'preset = "ai1"',
            "hours = [1.0, 2.0]",
            r"platform\.hours: a day's curve needs 24 factors of 0 or more",
        ),
        ('preset = "ai1"', 'load = "guess"', "'guess' is not known here: write one of 'measured' or 'model'"),
        (
            'code = "D:600:30:48/6/1"',
            'code = "D:600:30:48/6/1", platform = "ai2"',
            r"line 3: constellation\.shells\[0\]\.platform: 'ai2' is not a platform preset: did you mean",
        ),
        (
            'code = "D:600:30:48/6/1"',
            'code = "D:600:30:48/6/1", platform = { load = "model" }',
            r"platform\.load: unknown key 'load'",
        ),
        (
            'code = "D:600:30:48/6/1"',
            'code = "D:600:30:48/6/1", platform = { figures = { peak-power = "30 kW" } }',
            r"line 3: constellation\.shells\[0\]\.platform.*: the idle-power of platform 'ai1' is 40 kW",
        ),
    ],
)
def test_what_is_wrong_is_told_by_line_and_key(old: str, new: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        loads(SHELL.replace(old, new, 1))


def test_a_scenario_with_a_platform_is_what_its_dump_says() -> None:
    scenario = loads(SHELL)
    for dumped in (scenario.model_dump(), json.loads(scenario.model_dump_json())):
        assert Scenario.model_validate(dumped).model_dump() == scenario.model_dump()


def orbit(scenario: Scenario, n: int = 580) -> list[Epoch]:
    epochs = Geometry(scenario).epochs(0, scenario.run.step_ns)
    return [next(epochs) for _ in range(n)]


def test_epochs_follow_each_satellite_through_its_shadow() -> None:
    """One turn at 600 km and 30 degrees: a third of it in the dark, when the computers are off."""
    found = orbit(loads(SHELL))
    assert Geometry(loads(SHELL.replace("[platform]", "[background]").replace('preset = "ai1"', "").replace(
        '[platform.figures]\npeak-power = "130 kW"', ""
    ))).epoch_at(0).platforms is None  # fmt: skip
    sunlit = np.array([epoch.platforms.sunlit_ratio for epoch in found if epoch.platforms])
    compute = np.array([epoch.platforms.compute_w for epoch in found if epoch.platforms])
    battery = np.array([epoch.platforms.battery_j for epoch in found if epoch.platforms])
    cause = np.array([epoch.platforms.cause for epoch in found if epoch.platforms])
    assert sunlit.shape == (580, 48)
    assert 0.30 < 1 - sunlit.mean() < 0.37
    dark = (sunlit[1:] == 0) & (sunlit[:-1] == 0)
    assert (compute[1:][dark] == 0).all()
    assert (cause[1:][dark] == HELD_BACK_BY.index("eclipse")).all()
    light = (sunlit[1:] == 1) & (sunlit[:-1] == 1)
    assert (compute[1:][light] == 120e3).all()
    falls = np.diff(battery, axis=0)[dark]
    np.testing.assert_allclose(falls, -5e3 / 0.95 * 10, rtol=2e-3)


def test_the_same_scenario_gives_the_same_bits_and_a_later_start_begins_afresh() -> None:
    one, other = orbit(loads(SHELL), 60), orbit(loads(SHELL), 60)
    for a, b in zip(one, other, strict=True):
        assert a.platforms is not None
        assert b.platforms is not None
        for name in ("sunlit_ratio", "battery_j", "temperature_k", "compute_w", "capacity_ratio", "cause"):
            assert getattr(a.platforms, name).tobytes() == getattr(b.platforms, name).tobytes()
    fresh = Geometry(loads(SHELL)).epoch_at(one[-1].sim_ns).platforms
    assert fresh is not None
    np.testing.assert_array_equal(fresh.sunlit_ratio, one[-1].platforms.sunlit_ratio)  # type: ignore[union-attr]


def test_what_accelerators_draw_is_followed_from_the_next_epoch_on() -> None:
    scenario = loads(SHELL + SERVED)
    geometry = Geometry(scenario)
    epochs = geometry.epochs(0, 10 * NS_PER_S)
    first = next(epochs)
    assert first.platforms is not None
    assert (first.platforms.demand_w == np.float32(120e3)).all()
    # an accelerator of 700 W: the rest of what the computers may draw is at the load model
    geometry.set_draws(Draws(np.array([3, 5]), np.array([70.0, 500.0]), np.array([70.0, 700.0])))
    second = next(epochs).platforms
    assert second is not None
    rest_w = (1 - 700 / 130e3) * 120e3
    np.testing.assert_allclose(second.demand_w[[3, 5, 7]], [rest_w + 70, rest_w + 700, 120e3])
    np.testing.assert_allclose(second.compute_w[[3, 5]], [rest_w + 70, rest_w + 500])
    assert np.flatnonzero(second.measured).tolist() == [3, 5]
    geometry.set_draws(None)
    np.testing.assert_array_equal(next(epochs).platforms.demand_w, first.platforms.demand_w)  # type: ignore[union-attr]
    assert (first.platforms.demand_w == np.float32(120e3)).all()


def test_a_charge_and_a_temperature_of_ones_own() -> None:
    own = SHELL.replace(
        'preset = "ai1"', 'charge = 0.5\ntemperature = "300 K"\ndemand = "60 kW"\npointing = "zenith"'
    )
    platforms = Geometry(loads(own)).epoch_at(0).platforms
    assert platforms is not None
    assert (platforms.battery_j == np.float32(36e6)).all()
    assert (platforms.temperature_k == 300).all()
    assert (platforms.demand_w == 60e3).all()
    sideways = loads(SHELL.replace('preset = "ai1"', 'pointing = "orbit-normal"'))
    assert Geometry(sideways).epoch_at(0).platforms is not None


def test_a_run_begins_as_the_turn_before_leaves_it() -> None:
    """The first epoch of a later start is what the epochs until then have come to, but for coarser steps."""
    later = SHELL.replace("start = 2026-11-01T00:00:00Z", "start = 2026-11-01T02:00:00Z").replace(
        "shells =", "epoch = 2026-11-01T00:00:00Z\nshells ="
    )
    come, fresh = orbit(loads(SHELL), 721)[-1].platforms, Geometry(loads(later)).epoch_at(0).platforms
    assert come is not None
    assert fresh is not None
    np.testing.assert_array_equal(fresh.sunlit_ratio, come.sunlit_ratio)
    np.testing.assert_allclose(fresh.temperature_k, come.temperature_k, atol=12)  # of 90 K up and down
    np.testing.assert_allclose(fresh.battery_j, come.battery_j, atol=0.08 * 72e6)  # a step of charging
    assert np.ptp(fresh.temperature_k) > 60


def test_an_epoch_counts_the_bytes_of_its_platforms() -> None:
    epoch = Geometry(loads(SHELL)).epoch_at(0)
    without = Epoch(epoch.number, epoch.sim_ns, epoch.positions_itrs_km, epoch.links, epoch.routes)
    assert epoch.n_bytes - without.n_bytes == 48 * (7 * 4 + 2)
    assert math.isfinite(epoch.n_bytes)
