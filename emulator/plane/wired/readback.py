"""What the backend has in force beside what the last commit commanded.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from ..backend import LinkParameters


def differences(commanded: LinkParameters, found: LinkParameters) -> Iterator[tuple[int, str]]:
    """Row, and a sentence's end, for what is not as commanded."""
    for field in fields(LinkParameters):
        asked, got = getattr(commanded, field.name), getattr(found, field.name)
        # a backend may keep delays and slopes in whole units, and a ratio in 32 bits
        least = 1e-9 if field.name == "loss_ratio" else 1.0
        same = np.isclose(asked, got, rtol=1e-6, atol=least) if asked.dtype == np.float64 else asked == got
        for row in np.flatnonzero(~same).tolist():
            yield row, f"{field.name} is {got[row]}, not {asked[row]}"
