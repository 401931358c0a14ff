"""Optical terminals by name.

Calibrated, not measured: power, aperture and photons per bit are chosen so that
the standard link budget meets published figures of whole systems (100 Gbit/s
beyond 5,400 km for Starlink; 25 Gbit/s to 4,000 km for its mini terminal;
9.6 Tbit/s within 10 km for a formation as of arXiv 2511.19468).
"""

from __future__ import annotations

import difflib

from ..errors import ScenarioError
from ..scenario.model import Terminal

PRESETS: dict[str, Terminal] = {
    "starlink-class": Terminal.model_validate(
        {"power": "2 W", "aperture": "10 cm", "photons-per-bit": 40, "ceiling": "100 Gbit/s"}
    ),
    "mini": Terminal.model_validate(
        {"power": "1 W", "aperture": "8 cm", "photons-per-bit": 62, "ceiling": "25 Gbit/s"}
    ),
    "dwdm-cluster": Terminal.model_validate(
        {
            "power": "2 W",
            "aperture": "10 cm",
            "photons-per-bit": 40,
            "ceiling": "9.6 Tbit/s",
            "max-range": "10 km",
        }
    ),
}


def terminal(choice: str | Terminal) -> Terminal:
    """A preset by name, or the scenario's own; ScenarioError for a name that is none."""
    if isinstance(choice, Terminal):
        return choice
    try:
        return PRESETS[choice]
    except KeyError:
        near = difflib.get_close_matches(choice, PRESETS, 1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ScenarioError(
            f"no optical terminal is named {choice!r}{meant}; there are {', '.join(PRESETS)}, "
            "or give a table of its own",
            key="lasers.terminal",
        ) from None
