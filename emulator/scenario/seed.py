"""A seed that a program gives in place of the scenario's."""

from __future__ import annotations

from ..errors import InputError
from ..shown import shown

MOST_SEED = 2**63 - 1


def checked_seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MOST_SEED:
        raise InputError(f"the seed is {shown(seed)}: write a whole number from 0 to {MOST_SEED}")
    return seed
