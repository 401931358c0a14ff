"""The figures of a platform, as its model takes them: SI units, one number each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from ..constants import STEFAN_BOLTZMANN_W_PER_M2_K4
from ..errors import InputError
from ..presets import Preset
from ..presets.units import base_of

YEAR_S = 365.25 * 86_400.0


@dataclass(frozen=True)
class Platform:
    """Powers are electric; a radiator's area counts each side that radiates."""

    peak_w: float  # of the computers
    idle_w: float
    average_w: float  # what they are built to draw on end; the model only starts from it
    bus_w: float  # of all else
    grid_w: float  # from elsewhere than the array: on the ground
    array_w: float  # at 1 au, at right angles to the Sun, at its age
    battery_j: float
    battery_w: float  # in or out, at most
    charge_ratio: float
    discharge_ratio: float
    floor_j: float  # what computing leaves in the battery; the bus may use it
    radiating_m2: float
    emissivity_ratio: float
    absorptivity_ratio: float
    sunlit_side_ratio: float  # share of one side that direct sunlight meets
    sides: float
    sink_k: float
    conductance_w_per_k: float  # to a liquid of the sink's temperature: on the ground
    heat_capacity_j_per_k: float
    warning_k: float
    maximum_k: float
    power_exponent: float

    @classmethod
    def of(cls, preset: Preset) -> Platform:
        """From a preset's figures; InputError for one that is lacking, or against another."""
        value = preset.value
        for figure, least, most in _BOUNDS:
            if figure not in preset.figures:
                continue
            unit, _ = base_of(preset.figures[figure].unit)
            if not least <= value(figure, unit) <= most:
                raise _wrong(preset, figure, f"write {least:g} to {_with_unit(most, unit)}")
        area_m2, sides = value("radiator-area", "m2"), value("radiating-sides", "1")
        capacity_j = value("battery-capacity", "J")
        aged = 1 - value("array-aging", "1/s") * value("array-age", "s")
        made = cls(
            peak_w=value("peak-power", "W"),
            idle_w=value("idle-power", "W"),
            average_w=value("average-power", "W"),
            bus_w=value("bus-power", "W"),
            grid_w=_or_none(preset, "grid-power", "W"),
            array_w=value("array-area", "m2") * value("array-output", "W/m2") * aged,
            battery_j=capacity_j,
            battery_w=capacity_j * value("battery-rate", "1/s"),
            charge_ratio=value("charge-efficiency", "1"),
            discharge_ratio=value("discharge-efficiency", "1"),
            floor_j=capacity_j * (1 - value("depth-of-discharge", "1")),
            radiating_m2=area_m2 * sides,
            emissivity_ratio=value("emissivity", "1"),
            absorptivity_ratio=value("absorptivity", "1"),
            sunlit_side_ratio=value("radiator-sunlit", "1"),
            sides=sides,
            sink_k=value("sink-temperature", "K"),
            conductance_w_per_k=_or_none(preset, "cooling-conductance", "W/K"),
            heat_capacity_j_per_k=value("heat-capacity", "J/K"),
            warning_k=value("warning-temperature", "K"),
            maximum_k=value("maximum-temperature", "K"),
            power_exponent=value("power-exponent", "1"),
        )
        for figure, said in _contradictions(made, aged):
            raise _wrong(preset, figure, said)
        return made

    @property
    def radiation_w_per_k4(self) -> float:
        return self.emissivity_ratio * STEFAN_BOLTZMANN_W_PER_M2_K4 * self.radiating_m2

    def radiated_w(self, temperature_k: float) -> float:
        """By the radiator and the liquid, less what the sink gives back."""
        return self.radiation_w_per_k4 * (temperature_k**4 - self.sink_k**4) + self.conductance_w_per_k * (
            temperature_k - self.sink_k
        )


_RATIO = (0.0, 1.0)
_BOUNDS: tuple[tuple[str, float, float], ...] = (  # in base units: W, J, K, s, 1 and not %
    *((name, 0.0, 1e12) for name in (
        "peak-power", "idle-power", "average-power", "bus-power", "grid-power", "array-area", "array-output",
        "array-aging", "array-age", "battery-capacity", "battery-rate", "radiator-area", "sink-temperature",
        "cooling-conductance",
    )),
    *((name, *_RATIO) for name in ("emissivity", "absorptivity", "radiator-sunlit", "depth-of-discharge")),
    *((name, 0.01, 1.0) for name in ("charge-efficiency", "discharge-efficiency")),
    ("radiating-sides", 1.0, 2.0),
    ("power-exponent", 0.05, 20.0),
    ("heat-capacity", 1e-6, 1e12),
    ("warning-temperature", 1.0, 2000.0),
    ("maximum-temperature", 1.0, 2000.0),
)  # fmt: skip


def _contradictions(made: Platform, aged: float) -> Iterator[tuple[str, str]]:
    if made.idle_w >= made.peak_w:
        yield "idle-power", f"it is not below peak-power, {made.peak_w / 1e3:g} kW"
    if made.warning_k >= made.maximum_k:
        yield "warning-temperature", f"it is not below maximum-temperature, {made.maximum_k:g} K"
    if made.sink_k >= made.warning_k:
        yield "sink-temperature", f"it is not below warning-temperature, {made.warning_k:g} K"
    if made.radiation_w_per_k4 <= 0 and made.conductance_w_per_k <= 0:
        yield "radiator-area", "nothing takes the heat away: give a radiator or a cooling-conductance"
    if made.array_w <= 0 and made.grid_w <= 0:
        what = "the array has aged to nothing" if aged <= 0 else "there is neither an array nor grid-power"
        yield "array-area", what
    if not all(abs(getattr(made, field.name)) < 1e18 for field in fields(made)):
        yield "peak-power", "a figure is beyond what anybody builds"


def _or_none(preset: Preset, name: str, unit: str) -> float:
    return preset.value(name, unit) if name in preset.figures else 0.0


def _wrong(preset: Preset, figure: str, said: str) -> InputError:
    named = preset.figures[figure]
    stated = _with_unit(named.value, named.unit)
    return InputError(f"the {figure} of platform {preset.name!r} is {stated}: {said}", key=figure)


def _with_unit(value: float, unit: str) -> str:
    return f"{value:g}" if unit == "1" else f"{value:g} {unit}"
