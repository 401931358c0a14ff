"""What satellites serve, from the presets that a scenario names."""

from __future__ import annotations

from collections.abc import Iterator

from orbitmesh.wire.serving import Deployment, ServingSpec, usual_kv_bits

from ..errors import InputError
from ..presets import preset
from ..presets.figures import Family
from ..presets.serving import accelerator, model
from .model import Serving

BITS = {"bf16": 16, "fp8": 8, "fp4": 4}


def serving_spec(serving: Serving, rate_scale: float = 1.0) -> ServingSpec:
    """``rate_scale``: of the links, and so of the KV cache that moves over them.

    InputError or ValueError where it cannot be: a name that is none, a model that does not fit."""
    weight_bits = BITS[serving.precision]
    kv_bits = usual_kv_bits(weight_bits) if serving.kv_precision is None else BITS[serving.kv_precision]
    return ServingSpec(
        Deployment(
            model(serving.model),
            accelerator(serving.accelerator),
            serving.tensor_parallel,
            weight_bits,
            kv_bits,
            serving.engine,
            serving.step_tokens,
        ),
        serving.requests,
        serving.waiting,
        serving.prefix_caching,
        serving.replicas,
        serving.message_tokens,
        cache_ratio=rate_scale,
    )


def serving_problems(serving: Serving) -> Iterator[tuple[str | None, str]]:
    """What is wrong with it: the key, where it is one, and a sentence."""
    known = True
    for key, find in (("model", model), ("accelerator", accelerator)):
        try:
            find(getattr(serving, key))
        except InputError as error:
            known = False
            yield key, str(error)
    if serving.step_tokens < serving.requests:
        yield (
            "step-tokens",
            f"{serving.step_tokens} tokens a step do not give each of {serving.requests} requests one: "
            "raise them, or lower requests",
        )
    elif known:
        try:
            spec = serving_spec(serving)
        except ValueError as error:
            yield None, str(error)
            return
        card, asked = spec.deployment.accelerator, serving.replicas * serving.tensor_parallel
        if card.count > 1 and asked > card.count:
            yield (
                "replicas",
                f"{serving.replicas} replicas on {serving.tensor_parallel} accelerators each are {asked}, "
                f"and the {card.name} is a rack of {card.count}: write at most "
                f"{card.count // serving.tensor_parallel}",
            )


def serving_cautions(serving: Serving) -> list[str]:
    """What to look at before one trusts its latencies: presets of which nothing measured was at hand."""
    named: tuple[tuple[Family, str], ...] = (("model", serving.model), ("accelerator", serving.accelerator))
    return [
        f"the latencies of {name} are extrapolated: {note}"
        for family, name in named
        if "xtrapolated" in (note := preset(family, name).note)
    ]
