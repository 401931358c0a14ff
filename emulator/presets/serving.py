"""Models and accelerators of the presets, as a node and its model take them."""

from __future__ import annotations

from collections.abc import Mapping

from orbitmesh.wire.serving import Accelerator, Model

from .figures import Preset
from .files import preset, presets


def model(name: str) -> Model:
    """A preset by name; InputError names those that there are."""
    return _model(preset("model", name))


def accelerator(name: str) -> Accelerator:
    return _accelerator(preset("accelerator", name))


def models() -> Mapping[str, Model]:
    return {name: _model(made) for name, made in presets("model").items()}


def accelerators() -> Mapping[str, Accelerator]:
    return {name: _accelerator(made) for name, made in presets("accelerator").items()}


def _model(made: Preset) -> Model:
    def count(figure: str) -> int:
        return round(made.value(figure, "1"))

    return Model(
        made.name,
        layers=count("layers"),
        width=count("width"),
        heads=count("heads"),
        kv_heads=count("kv-heads"),
        head_width=count("head-width"),
        ff_width=count("ff-width"),
        vocabulary=count("vocabulary"),
        experts=count("experts"),
        experts_active=count("experts-active"),
    )


def _accelerator(made: Preset) -> Accelerator:
    return Accelerator(
        made.name,
        flops_per_s_16bit=made.value("rate-16-bit", "FLOP/s"),
        flops_per_s_8bit=made.value("rate-8-bit", "FLOP/s"),
        flops_per_s_4bit=made.value("rate-4-bit", "FLOP/s"),
        memory_bytes=round(made.value("memory", "B")),
        memory_bytes_per_s=made.value("memory-rate", "B/s"),
        peer_bytes_per_s=made.value("peer-rate", "B/s"),
        power_w=made.value("power", "W"),
        idle_power_w=made.value("idle-power", "W"),
        count=round(made.value("count", "1")),
    )
