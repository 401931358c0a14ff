"""When satellites that stand still compute again, in sunlight or cooled; and when it gets dark.  Pure.

In sunlight: from when on the array carries the bus and computers that idle.  The battery is not counted on,
since what it has left is the bus's.  Warm ones go on cooling as they did in the last step.
"""

from __future__ import annotations

import numpy as np

from ..epoch import HELD_BACK_BY, NS_PER_S, Bool, Epoch, Float64, Int32, Int64
from ..links.passes import Propagate
from .fleet import FleetPlatforms

AHEAD_NS = 80 * 60 * NS_PER_S  # the longest eclipse of a geostationary orbit takes 72 minutes
SHADOW_AHEAD_NS = 180 * NS_PER_S
_STEP_NS = 60 * NS_PER_S
_HALVINGS = 12  # of a minute: 15 ms
#: satellites of one search: some 20 ms; of more the others wait for the next epoch
MOST_AT_ONCE = 64
_HEAT = HELD_BACK_BY.index("heat")


class PowerForecast:
    def __init__(self, platforms: FleetPlatforms, propagate: Propagate) -> None:
        self._platforms, self._propagate = platforms, propagate
        self._maximum_k = platforms.of_each(lambda platform: platform.maximum_k)
        self._needed_w = platforms.of_each(lambda platform: platform.bus_w + platform.idle_w)
        self._known: dict[int, tuple[int, int | None]] = {}  # until when it holds, and what
        self._searched_sim_ns: int | None = None
        self._dark: dict[int, tuple[int, int | None]] = {}  # likewise, of the shadow ahead
        self._warm: tuple[int, Float64] | None = None  # the temperatures of the last epoch
        self._falls: tuple[int, Float64] | None = None  # of the one asked for, K/s

    def again(self, epoch: Epoch, satellites: Int64) -> dict[int, int | None]:
        """Of satellites that have no power at an epoch; None: not in the time searched, or not known yet.

        Ask for each epoch in order.
        """
        found = epoch.platforms
        if found is None:
            return {}
        falls = self._cooling(epoch.sim_ns, found.temperature_k.astype(np.float64))
        satellites = np.asarray(satellites, np.int64)
        warm = satellites[found.cause[satellites] == _HEAT]
        dark = satellites[found.cause[satellites] != _HEAT]
        told = self.sunlight(dark, epoch.sim_ns)
        over_k = found.temperature_k.astype(np.float64) - self._maximum_k
        for satellite in warm.tolist():
            fall = float(falls[satellite])
            left_s = max(0.0, float(over_k[satellite])) / fall if fall > 0 else np.inf
            lasts_ns = left_s * NS_PER_S
            told[satellite] = epoch.sim_ns + round(lasts_ns) if lasts_ns <= AHEAD_NS else None
        return told

    def first_again(self, epoch: Epoch, satellites: Int32) -> int | None:
        """The first of them."""
        times = [at for at in self.again(epoch, satellites.astype(np.int64)).values() if at is not None]
        return min(times, default=None)

    def sunlight(self, satellites: Int64, sim_ns: int) -> dict[int, int | None]:
        """From when on there is enough for computing, by satellite; now, where there is already."""
        unknown = [each for each in satellites.tolist() if sim_ns >= self._known.get(each, (sim_ns, None))[0]]
        if unknown and self._searched_sim_ns != sim_ns:
            self._searched_sim_ns = sim_ns
            self._search(np.array(unknown[:MOST_AT_ONCE], np.int64), sim_ns)
        told: dict[int, int | None] = {}
        for each in satellites.tolist():
            until_ns, at = self._known.get(each, (sim_ns, None))
            told[each] = at if sim_ns < until_ns or at == sim_ns else None
        return told

    def shadow(self, satellites: Int64, sim_ns: int) -> dict[int, int | None]:
        """From when on there is not enough; now, where it is dark; None: not within two minutes at least."""
        unknown = [each for each in satellites.tolist() if sim_ns >= self._dark.get(each, (sim_ns, None))[0]]
        if unknown:
            who = np.array(unknown, np.int64)
            instants = sim_ns + np.arange(0, SHADOW_AHEAD_NS + 1, _STEP_NS, dtype=np.int64)
            enough = self._is_enough(who, instants)
            for row, satellite in enumerate(unknown):
                first = int(np.argmin(enough[row]))
                if enough[row, first]:
                    self._dark[satellite] = sim_ns + _STEP_NS, None
                    continue
                at = int(instants[first])
                if first > 0:
                    at = self._edge(satellite, at, int(instants[first - 1]))
                self._dark[satellite] = max(at, sim_ns + _STEP_NS if first == 0 else at), at
        return {each: self._dark[each][1] for each in satellites.tolist()}

    def _search(self, satellites: Int64, sim_ns: int) -> None:
        instants = sim_ns + np.arange(0, AHEAD_NS + 1, _STEP_NS, dtype=np.int64)
        enough = self._is_enough(satellites, instants)
        for row, satellite in enumerate(satellites.tolist()):
            first = int(np.argmax(enough[row]))
            if not enough[row, first]:
                self._known[satellite] = sim_ns + AHEAD_NS, None
                continue
            at = int(instants[first])
            if first > 0:
                at = self._edge(satellite, int(instants[first - 1]), at)
            self._known[satellite] = at, at

    def _edge(self, satellite: int, dark_ns: int, lit_ns: int) -> int:
        """Between the two, in either order, to the side of light."""
        who = np.array([satellite], np.int64)
        for _ in range(_HALVINGS):
            middle_ns = (dark_ns + lit_ns) // 2
            if self._is_enough(who, np.array([middle_ns], np.int64))[0, 0]:
                lit_ns = middle_ns
            else:
                dark_ns = middle_ns
        return lit_ns

    def _is_enough(self, satellites: Int64, instants: Int64) -> Bool:
        """(u, t); a satellite that has decayed has none."""
        states, of = self._propagate(satellites, instants), self._platforms
        offered_w = [
            of.offered_w(
                satellites, int(at), states.position_km[:, column], states.velocity_km_per_s[:, column]
            )
            for column, at in enumerate(instants.tolist())
        ]
        return np.asarray(np.stack(offered_w, axis=1) > self._needed_w[satellites][:, None])

    def _cooling(self, sim_ns: int, temperature_k: Float64) -> Float64:
        """(n,) K/s by which they fell in the last step."""
        if self._falls is not None and self._falls[0] == sim_ns:
            return self._falls[1]
        falls = np.zeros(len(temperature_k))
        if self._warm is not None and sim_ns > self._warm[0]:
            falls = (self._warm[1] - temperature_k) * (NS_PER_S / (sim_ns - self._warm[0]))
        self._warm, self._falls = (sim_ns, temperature_k), (sim_ns, falls)
        return falls
