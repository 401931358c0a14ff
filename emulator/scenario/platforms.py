"""What the satellites of each shell are as to power and heat: the shell's own platform, or the scenario's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orbitmesh.wire.load import HOURS

from ..errors import InputError
from ..presets import preset
from ..toml_lines import Location
from .code import parse_code
from .customers import lengths
from .model import Content, Customers
from .satellite import ShellPlatform

#: a day without a curve
STEADY = (1.0,) * HOURS


def platforms_of(scenario: Content) -> list[ShellPlatform]:
    """Of each shell as it is laid out (a code may be of several); none where nobody's is followed."""
    usual, found = scenario.platform, list[ShellPlatform]()
    if usual is not None:
        for shell in scenario.constellation.shells:
            laid_out = 1 if shell.code is None else len(parse_code(shell.code))
            found += [usual if shell.platform is None else own_platform(shell.platform)] * laid_out
    return found


def own_platform(of_shell: str | ShellPlatform) -> ShellPlatform:
    return ShellPlatform(preset=of_shell) if isinstance(of_shell, str) else of_shell


def customers_hours(customers: Sequence[Customers]) -> tuple[float, ...]:
    """What all classes ask for by local hour, of mean 1: each by its day's curve, weighed by its tokens.

    A trace has no curve.  ``STEADY`` where nobody has one.
    """
    total = [0.0] * HOURS
    for each in customers:
        if each.rate_per_s is None or each.trace is not None:
            continue
        tokens = lengths(each.prompt).mean_tokens + lengths(each.output).mean_tokens
        mean = sum(each.hours) / HOURS
        total = [
            so_far + each.rate_per_s * tokens * hour / mean
            for so_far, hour in zip(total, each.hours, strict=True)
        ]
    if not sum(total) > 0 or max(total) - min(total) < 1e-9 * max(total):
        return STEADY
    return tuple(hour * HOURS / sum(total) for hour in total)


def platform_problems(scenario: Content) -> Iterator[tuple[Location, str]]:
    """What is wrong: where, and a sentence."""
    shells = scenario.constellation.shells
    if scenario.platform is not None:
        yield from _problems(scenario.platform, ("platform",))
    for i, shell in enumerate(shells):
        at: Location = ("constellation", "shells", i, "platform")
        if shell.platform is None:
            continue
        if scenario.platform is None:
            yield at, "the other shells have no platform: add [platform], which is of all that name none"
        if isinstance(shell.platform, str):
            if (wrong := _unknown(shell.platform)) is not None:
                yield at, wrong
        else:
            yield from _problems(shell.platform, at)


def _unknown(name: str) -> str | None:
    try:
        preset("platform", name)
    except InputError as error:
        return error.message
    return None


def _problems(section: ShellPlatform, at: Location) -> Iterator[tuple[Location, str]]:
    if section.demand_w is not None and section.utilisation_ratio is not None:
        yield (*at, "utilisation"), "demand says the same as a power: remove one of the two"
    hours = section.hours
    if hours is not None and (len(hours) != HOURS or min(hours) < 0 or not sum(hours) > 0):
        yield (*at, "hours"), f"a day's curve needs {HOURS} factors of 0 or more, not all 0"
    if (unknown := _unknown(section.preset)) is not None:
        yield (*at, "preset"), unknown
        return
    named, wrong = preset("platform", section.preset), False
    for figure, value in section.figures.items():
        try:
            named = named.with_own({figure: value})
        except InputError as error:
            wrong = True
            yield (*at, "figures", figure), error.message
    if wrong:
        return
    from ..platform.parameters import Platform  # numpy: only where a scenario has a platform

    try:
        Platform.of(named)
    except InputError as error:
        where = ("figures", error.key) if error.key in section.figures else ("preset",)
        yield (*at, *where), error.message
