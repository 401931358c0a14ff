"""When the next satellite rises over a gateway that has no way: what a refusal says of trying again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..epoch import NS_PER_S, Int32, Int64
from ..links.contacts import Contacts
from ..links.passes import STEP_NS

# (gateway, satellites, from, until sim_ns) -> their passes over it
PassesOver = Callable[[int, Int64, int, int], Contacts]

AHEAD_NS = 20 * 60 * NS_PER_S
#: satellites times instants of a search: some 20 ms; a larger mesh is searched less far ahead
MOST_STATES = 40_000
_AGAIN_NS = 30 * NS_PER_S  # where satellites are in sight, and yet there is no way


class Rises:
    """One search an epoch at most: of many gateways without a way the others wait for their turn."""

    def __init__(self, passes: PassesOver) -> None:
        self._passes = passes
        self._known: dict[int, tuple[int, int | None]] = {}  # until when it holds, and what
        self._searched_sim_ns: int | None = None

    def next_sim_ns(self, gateway: int, satellites: Int32, sim_ns: int) -> int | None:
        """None: none within the time searched, one is there already, or it is not known yet."""
        until_ns, found = self._known.get(gateway, (sim_ns, None))
        if sim_ns < until_ns:
            return found
        ahead_ns = min(AHEAD_NS, (MOST_STATES // max(1, len(satellites)) - 1) * STEP_NS)
        if ahead_ns <= 0 or self._searched_sim_ns == sim_ns or len(satellites) == 0:
            return None
        self._searched_sim_ns = sim_ns
        passes = self._passes(gateway, satellites.astype(np.int64), sim_ns, sim_ns + ahead_ns)
        if not passes.begins.all():  # in sight now: what is missing is not a pass
            self._known[gateway] = sim_ns + _AGAIN_NS, None
        elif len(passes):
            first = int(passes.begin_sim_ns.min())
            self._known[gateway] = first, first
        else:
            self._known[gateway] = sim_ns + ahead_ns, None
        return self._known[gateway][1]
