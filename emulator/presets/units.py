"""Units of figures: each a known one, or several over each other ("kg/kW", "$/kWh", "J/kg/K")."""

from __future__ import annotations

import difflib

from ..shown import shown

_PREFIX = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "c": 1e-2, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
# the base unit, what one is in it, and which prefixes it takes
_KNOWN = {
    "1": ("1", 1.0, ""),
    "%": ("1", 1e-2, ""),
    "dB": ("dB", 1.0, ""),
    "W": ("W", 1.0, "mkMG"),
    "J": ("J", 1.0, "kMG"),
    "Wh": ("J", 3600.0, "kM"),
    "K": ("K", 1.0, ""),
    "m": ("m", 1.0, "numck"),
    "m2": ("m2", 1.0, ""),
    "g": ("kg", 1e-3, ""),
    "kg": ("kg", 1.0, ""),
    "t": ("kg", 1e3, ""),
    "s": ("s", 1.0, "num"),
    "min": ("s", 60.0, ""),
    "h": ("s", 3600.0, ""),
    "day": ("s", 86_400.0, ""),
    "year": ("s", 365.25 * 86_400.0, ""),
    "rad": ("rad", 1.0, "mu"),
    "deg": ("rad", 0.017453292519943295, ""),
    "bit": ("bit", 1.0, "kMGT"),
    "B": ("B", 1.0, "kMGT"),
    "KiB": ("B", 2.0**10, ""),
    "MiB": ("B", 2.0**20, ""),
    "GiB": ("B", 2.0**30, ""),
    "FLOP": ("FLOP", 1.0, "GTP"),
    "token": ("token", 1.0, "kM"),
    "request": ("request", 1.0, ""),
    "photon": ("photon", 1.0, ""),
    "$": ("$", 1.0, "kM"),
}
UNITS: dict[str, tuple[str, float]] = {
    prefix + unit: (base, factor * _PREFIX.get(prefix, 1.0))
    for unit, (base, factor, prefixes) in _KNOWN.items()
    for prefix in ("", *prefixes)
}


def base_of(unit: str) -> tuple[str, float]:
    """The base unit ("kg/W") and what one of the given is in it; ValueError for one that is not known."""
    bases, factor = [], 1.0
    for i, part in enumerate(unit.replace("²", "2").replace("µ", "u").split("/")):
        if part not in UNITS:
            near = [unit for unit in UNITS if unit.lower() == part.lower()] or difflib.get_close_matches(
                part[:20], UNITS, 1
            )
            meant = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_KNOWN)}"
            raise ValueError(f"{shown(part)} is not a unit: {meant}")
        base, size = UNITS[part]
        bases.append(base)
        factor = factor / size if i else size
    return "/".join(bases), factor
