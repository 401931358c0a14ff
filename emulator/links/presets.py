"""Optical terminals by name: the family "terminal" of ``presets``, as a link budget takes them."""

from __future__ import annotations

from ..errors import InputError, ScenarioError
from ..presets import Preset, preset, presets
from ..scenario.model import Terminal

_NUMBERS = ("1", "dB", "photon/bit")  # keys of a scenario that are numbers, without a unit


def _terminal(named: Preset) -> Terminal:
    """A preset's figures are the keys of a scenario's table."""
    return Terminal.model_validate(
        {
            key: figure.value if figure.unit in _NUMBERS else f"{figure.value!r} {figure.unit}"
            for key, figure in named.figures.items()
        }
    )


PRESETS: dict[str, Terminal] = {name: _terminal(named) for name, named in presets("terminal").items()}


def terminal(choice: str | Terminal) -> Terminal:
    """A preset by name, or the scenario's own; ScenarioError for a name that is none."""
    if isinstance(choice, Terminal):
        return choice
    try:
        return PRESETS[preset("terminal", choice).name]
    except InputError as error:
        raise ScenarioError(f"{error}, or give a table of its own", key="lasers.terminal") from None
