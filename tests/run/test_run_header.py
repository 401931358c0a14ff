"""What a run says of itself at its beginning."""

from __future__ import annotations

import pytest

from orbitmesh.emulator.record import shape
from orbitmesh.emulator.run.header import stations_of
from orbitmesh.emulator.scenario import Scenario


def test_where_gateways_stand_is_in_degrees_and_metres() -> None:
    stations = stations_of(Scenario.load("demo"))
    assert len(stations) == 8
    assert stations["gw-sao-paulo"] == pytest.approx(
        {"latitude_deg": -23.551, "longitude_deg": -46.633, "altitude_m": 760.0}, abs=1e-6
    )
    assert shape.problem(stations, shape.RUN["stations"].shape) is None
