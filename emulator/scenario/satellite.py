"""``[platform]``, and a shell's own: what satellites are as to power and heat."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, StrictFloat

from .section import Section
from .units import PowerW, TemperatureK


class ShellPlatform(Section):
    """What satellites are as to power and heat: a preset, and figures of one's own in its place."""

    preset: str = "ai1"
    figures: dict[str, Any] = Field(default_factory=dict)  # by the preset's names, whose units they have
    pointing: Literal["sun", "orbit-normal", "zenith"] = "sun"  # of the array
    # what computers would draw of which nobody says more, the mean of a day, in one of two ways: as a power
    # (default: the preset's average), or as a share of what is between idling and the peak
    demand_w: PowerW | None = Field(None, alias="demand", ge=0, le=1e12)
    utilisation_ratio: StrictFloat | None = Field(None, alias="utilisation", ge=0, le=1)
    # relative load by the local hour below the satellite; default: the customers' own
    hours: tuple[StrictFloat, ...] | None = None
    # of battery and satellite at the start; default: as the turn before leaves them
    charge_ratio: StrictFloat | None = Field(None, alias="charge", ge=0, le=1)
    temperature_k: TemperatureK | None = Field(None, alias="temperature", ge=1, le=2000)


class Platform(ShellPlatform):
    """Of all satellites whose shell says nothing else."""

    # of satellites that serve: what their accelerators drew, or as of all others
    load: Literal["measured", "model"] = "measured"
