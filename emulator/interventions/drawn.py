"""Failures at random: each of many things fails and is repaired in turn, by two means.

Times between failures, and until repair, are exponential.  All begin in order.  One stream of random
numbers for each fault of the scenario, in the order of what may fail: the same seed, the same failures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import InputError
from .intervention import Intervention
from .named import Named

#: More than that in a run, and a scenario asks for what no epoch could follow.
MOST_DRAWN = 100_000


def drawn(
    what: Sequence[str] | Callable[[int], str],
    n: int,
    named: Callable[[int], Named],
    mtbf_ns: int,
    mttr_ns: int,
    begin_sim_ns: int,
    end_sim_ns: int,
    rng: np.random.Generator,
) -> list[Intervention]:
    """Failures that begin in the window, by instant.  InputError where there would be too many."""
    call = what if callable(what) else what.__getitem__
    expected = n * (end_sim_ns - begin_sim_ns) / (mtbf_ns + mttr_ns)
    if expected > MOST_DRAWN:
        raise InputError(
            f"of {n:,} that may fail some {expected:,.0f} would in this run, and at most {MOST_DRAWN:,} may: "
            "raise mtbf, or shorten the run"
        )
    found = []
    who = np.arange(n)
    at = begin_sim_ns + rng.exponential(mtbf_ns, n)  # when each fails next
    while len(who := who[at < end_sim_ns]):
        at = at[at < end_sim_ns]
        until = at + rng.exponential(mttr_ns, len(who))
        found += [
            Intervention(call(i), named(i), round(begin), round(end), by="chance")
            for i, begin, end in zip(who.tolist(), at.tolist(), until.tolist(), strict=True)
        ]
        at = until + rng.exponential(mtbf_ns, len(who))
    return sorted(found, key=lambda each: each.at_sim_ns)
