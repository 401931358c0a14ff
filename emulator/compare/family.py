"""Many questions at once: the more are asked, the more answers are wrong by chance.  Pure."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p: Sequence[float]) -> list[float]:
    """Each p as Holm (1979) adjusts it: those at or below 5 % are wrong, any of them, in 5 % of calls."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    found, worst = [1.0] * len(p), 0.0
    for place, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - place) * p[i]))
        found[i] = worst
    return found
