"""``orbitmesh cost``: what a million tokens cost on a satellite and on the ground, and what that hangs on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..shown import figure
from .options import Format, FormatOption
from .output import print_json, print_rows, stdout

if TYPE_CHECKING:
    from orbitmesh.wire.serving import Deployment

    from ..answers.cost import Assumption, Estimate, Place, Work
    from ..presets import Preset

EXAMPLE = "Example: orbitmesh cost ai1 --model llama-3.1-70b --accelerator b200 --set 'launch-price=200 $/kg'"

MILLION = 1_000_000
_MOST_REQUESTS = 2048  # as many as a step has tokens
_SHOWN_EFFECTS = 8
_COLUMNS = (
    "of", "assumption", "low", "value", "high", "unit", "kind", "at_low", "at_high", "source",
)  # fmt: skip


class Precision(StrEnum):
    BF16 = "bf16"
    FP8 = "fp8"
    FP4 = "fp4"


@dataclass(frozen=True)
class _Served:
    """What the serving model says of the group of accelerators that was asked for."""

    on: Deployment
    requests: int
    prompt_tokens: int
    output_tokens: int
    tokens_per_s: float
    time_per_token_ns: float


@dataclass(frozen=True)
class _Outcome:
    name: str
    title: str
    cost: Estimate  # $ per million tokens; of the ratio: none
    assumptions: dict[str, Assumption]
    parts: dict[str, float]


def cost(
    platform: Annotated[
        str | None,
        typer.Argument(metavar="PLATFORM", help="A platform preset. [default: ai1, or the run's]"),
    ] = None,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="A model preset.")] = "llama-3.1-70b",
    accelerator: Annotated[
        str, typer.Option("--accelerator", metavar="NAME", help="An accelerator preset.")
    ] = "b200",
    tensor_parallel: Annotated[
        int, typer.Option("--tensor-parallel", metavar="N", help="Accelerators that hold one copy.")
    ] = 1,
    precision: Annotated[Precision, typer.Option("--precision", help="Of the weights.")] = Precision.FP8,
    requests: Annotated[
        int,
        typer.Option(
            "--requests", min=1, max=_MOST_REQUESTS, metavar="N", help="Answered at once by a copy."
        ),
    ] = 64,
    prompt: Annotated[int, typer.Option("--prompt", min=1, metavar="TOKENS", help="Of each request.")] = 1155,
    answer: Annotated[
        int, typer.Option("--output-tokens", min=2, metavar="TOKENS", help="Of each answer.")
    ] = 211,
    prices: Annotated[
        str, typer.Option("--prices", metavar="NAME", help="A cost preset of orbit.")
    ] = "orbit-2026",
    ground: Annotated[
        str, typer.Option("--ground", metavar="NAME", help="A cost preset of the ground.")
    ] = "ground-data-centre",
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIGURE=VALUE",
            help="One's own figure, as 'launch-price=200 $/kg', or 'ground.life=6 year' of the ground; "
            "may be given several times.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="What the answers of a run cost, class by class, by its own joules, in place of a model, "
            "accelerators and requests: its id in ./runs, or its folder.",
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """Print what a million tokens cost on a satellite and on the ground, and which assumptions carry that.

    Tokens a second come from the serving model, at so many requests at once; power, mass and prices from
    presets.  A range, never a number: nearly all of these figures are estimates.  Needs no root.
    """
    from ..answers import cost as model_of
    from ..presets import preset
    from ..presets.serving import accelerator as accelerator_of
    from ..presets.serving import model as language_model_of

    used = None
    if run is not None and platform is None:
        from .cost_of_run import platform_of_run

        used = platform_of_run(run)
    flown = preset("platform", platform or "ai1") if used is None else used
    satellite, launched = _with_own(own or (), flown, preset("cost", prices))
    rack, site = _with_own(own or (), preset("platform", "rack"), preset("cost", ground), prefix="ground.")
    places = model_of.in_orbit(satellite, launched), model_of.on_the_ground(rack, site)
    if run is not None:
        from .cost_of_run import print_cost_of_run

        print_cost_of_run(run, *places, output)
        return
    served = _served(
        language_model_of(model),
        accelerator_of(accelerator),
        tensor_parallel,
        precision,
        requests,
        prompt,
        answer,
    )
    rate = model_of.token_rate(served.tokens_per_s, model, accelerator)
    work = model_of.tokens(preset("accelerator", accelerator), tensor_parallel, rate)
    orbit, earth = (
        _outcome(name, place, work) for name, place in zip(("orbit", "ground"), places, strict=True)
    )
    ratio = model_of.ratio(*places)
    if output is Format.JSON:
        print_json(_as_json(served, work, orbit, earth, ratio))
    elif output is Format.CSV:
        rows = [row for each in (orbit, earth) for row in _rows(each)]
        print_rows(("place", *_COLUMNS), rows, output)
    else:
        _print(served, work, orbit, earth, ratio)


def _with_own(
    given: Sequence[str], platform: Preset, prices: Preset, prefix: str = ""
) -> tuple[Preset, Preset]:
    """With the figures of the command line in the place of theirs."""
    from ..errors import InputError
    from ..shown import shown
    from ..suggest import suggest

    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{shown(text)} sets nothing: write FIGURE=VALUE", key="--set")
        if name.startswith("ground.") != bool(prefix):
            continue
        name = name.removeprefix(prefix)
        if name not in platform.figures and name not in prices.figures:
            raise InputError(
                f"no figure of {platform.name} or {prices.name} is named {shown(name)}: "
                f"{suggest(name, [*prices.figures, *platform.figures], 'figures')}",
                key="--set",
            )
        platform, prices = (
            _told(each.with_own({name: value}), name) if name in each.figures else each
            for each in (platform, prices)
        )
    return platform, prices


def _told(preset: Preset, name: str) -> Preset:
    own = replace(preset.figures[name], source="the command line")
    return replace(preset, figures={**preset.figures, name: own})


def _served(
    model: Any, accelerator: Any, parallel: int, precision: Precision, requests: int, prompt: int, answer: int
) -> _Served:
    """InputError where it cannot be: a model that does not fit, a request that is too long."""
    from orbitmesh.wire.serving import Deployment, usual_kv_bits

    from ..answers.serving_rate import serving_rate
    from ..errors import InputError
    from ..scenario.serving import BITS

    bits = BITS[precision.value]
    try:
        on = Deployment(model, accelerator, parallel, bits, usual_kv_bits(bits))
    except ValueError as error:
        raise InputError(str(error)) from None
    if parallel > accelerator.count > 1:
        raise InputError(f"the {accelerator.name} is a rack of {accelerator.count}", key="--tensor-parallel")
    if prompt + answer > on.kv_tokens:
        raise InputError(
            f"{prompt:,} tokens of prompt and {answer:,} of answer are more than the KV cache holds "
            f"({on.kv_tokens:,}): ask for fewer, or take more accelerators (--tensor-parallel)",
            key="--prompt",
        )
    made = serving_rate(on, requests, prompt, answer)
    return _Served(on, requests, prompt, answer, made.tokens_per_s, made.time_per_token_ns)


def _outcome(name: str, place: Place, work: Work) -> _Outcome:
    from ..answers.cost import cost as cost_of

    assumptions = {**place.assumptions, **work.assumptions}
    at = {key: each.in_base(each.figure.value) for key, each in assumptions.items()}
    dollars = MILLION * work.joules(at)
    parts = {key: each * dollars for key, each in place.parts(at).items()}
    return _Outcome(name, place.title, cost_of(place, work).times(MILLION), assumptions, parts)


def _rows(outcome: _Outcome) -> list[tuple[Any, ...]]:
    """Its assumptions, what matters most first."""
    rows = []
    for effect in outcome.cost.effects:
        of, figure = outcome.assumptions[effect.name].of, outcome.assumptions[effect.name].figure
        dated = f" ({figure.date})" if figure.date else ""
        rows.append(
            (
                outcome.name, of, effect.name, figure.low, figure.value, figure.high, figure.unit,
                figure.kind, _bounded(effect.at_low), _bounded(effect.at_high), figure.source + dated,
            )
        )  # fmt: skip
    return rows


def _bounded(value: float) -> float | None:
    return value if isfinite(value) else None


def _ends(made: Estimate, factor: float = 1.0) -> dict[str, float | None]:
    return {
        key: _bounded(getattr(made, key) * factor) for key in ("least", "low", "value", "high", "most")
    }  # fmt: skip


def _as_json(
    served: _Served, work: Work, orbit: _Outcome, ground: _Outcome, ratio: Estimate
) -> dict[str, Any]:
    on = served.on
    found: dict[str, Any] = {
        "served": {
            "model": on.model.name,
            "accelerator": on.accelerator.name,
            "tensor_parallel": on.tensor_parallel,
            "weight_bits": on.weight_bits,
            "requests": served.requests,
            "prompt_tokens": served.prompt_tokens,
            "output_tokens": served.output_tokens,
            "tokens_per_s": served.tokens_per_s,
            "time_per_token_ns": round(served.time_per_token_ns),
            "kind": work.assumptions["token-rate"].figure.kind,
            "joules_per_token": _joules(work),
        }
    }
    for each in (orbit, ground):
        names = ("place", "of", "assumption", "low", "value", "high", "unit", "kind")
        ends = ("dollars_per_million_tokens_at_low", "dollars_per_million_tokens_at_high")
        found[each.name] = {
            "title": each.title,
            "dollars_per_million_tokens": _ends(each.cost),
            "dollars_per_request": _ends(each.cost, served.output_tokens / MILLION),
            "parts_dollars_per_million_tokens": each.parts,
            "assumptions": [
                dict(list(zip((*names, *ends, "source"), row, strict=True))[1:]) for row in _rows(each)
            ],
        }
    found["orbit_over_ground"] = {
        "ratio": _ends(ratio),
        "assumptions": [
            {
                "assumption": effect.name,
                "ratio_at_low": _bounded(effect.at_low),
                "ratio_at_high": _bounded(effect.at_high),
            }
            for effect in ratio.effects
        ],
    }
    return found


def _joules(work: Work) -> float:
    return work.joules({name: each.in_base(each.figure.value) for name, each in work.assumptions.items()})


def _money(value: float | None) -> str:
    return "no bound" if value is None else figure(value)


def _print(served: _Served, work: Work, orbit: _Outcome, ground: _Outcome, ratio: Estimate) -> None:
    from ..presets import KINDS

    def say(text: str = "") -> None:
        stdout().print(text, markup=False, soft_wrap=True)

    on, rate = served.on, work.assumptions["token-rate"].figure
    copies = f"{on.tensor_parallel} x {on.accelerator.name}"
    say(
        f"{on.model.name}, {on.weight_bits}-bit weights, on {copies}: {served.requests} requests at once, "
        f"each of {served.prompt_tokens:,} tokens and {served.output_tokens:,} of answer:"
    )
    say(
        f"{rate.value:,.0f} tokens/s ({rate.low:,.0f} to {rate.high:,.0f}, {rate.kind}), "
        f"{served.time_per_token_ns / 1e6:.1f} ms a token, {figure(_joules(work))} J of accelerators "
        "a token\n"
    )
    request = served.output_tokens / MILLION
    rows = [
        (name, *map(_money, _ends(made, factor).values()), about)
        for name, made, factor, about in (
            ("$ per million tokens in orbit", orbit.cost, 1.0, orbit.title),
            ("$ per million tokens on the ground", ground.cost, 1.0, ground.title),
            ("$ per request in orbit", orbit.cost, request, ""),
            ("$ per request on the ground", ground.cost, request, ""),
            ("orbit over ground", ratio, 1.0, "the tokens cancel"),
        )
    ]
    print_rows(("", "least", "low", "value", "high", "most", ""), rows, Format.TABLE)
    say("\nlow to high: as if the assumptions erred independently; least to most: all at one end at once")

    say("\nwhat it is paid for, $ per million tokens, each figure at its value:\n")
    for each in (orbit, ground):
        say(f"  {each.name:7} " + ", ".join(f"{name} {_money(paid)}" for name, paid in each.parts.items()))
    for each in (orbit, ground):
        where = "in orbit" if each is orbit else "on the ground"
        say(f"\nwhat matters most {where}, $ per million tokens, others at their values:\n")
        shown = _rows(each)[:_SHOWN_EFFECTS]
        cells = [
            (
                of,
                name,
                f"{low:.6g}",
                f"{value:.6g}",
                f"{high:.6g}",
                unit,
                kind,
                _money(at_low),
                _money(at_high),
            )
            for _, of, name, low, value, high, unit, kind, at_low, at_high, _ in shown
        ]
        print_rows((*_COLUMNS[:-3], "$ at low", "$ at high"), cells, Format.TABLE)
    say("\nwhat matters most for orbit over ground:\n")
    both = [
        (effect.name, _money(_bounded(effect.at_low)), _money(_bounded(effect.at_high)))
        for effect in ratio.effects[:_SHOWN_EFFECTS]
    ]
    print_rows(("assumption", "at low", "at high"), both, Format.TABLE)

    figures = [each.figure for outcome in (orbit, ground) for each in outcome.assumptions.values()]
    kinds = [figure.kind for figure in figures]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in (*KINDS, "own") if kind in kinds)
    say(
        f"\nof these {len(figures)} figures are {counted}; each with its source: -o json, "
        "or orbitmesh presets NAME"
    )
