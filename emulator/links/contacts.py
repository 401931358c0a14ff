"""When satellites and stations, or two satellites, see each other: a pure function of the geometry ahead.

Positions are taken every 30 s, and between two of them by the cubic through
positions and velocities, which lies within 0.1 m of the orbit (h⁴/384 · n⁴ r).
Edges are bisected on it to a nanosecond, so they are as good as the orbit: some
15 µs.  A contact, or a gap, between two of those instants is found where the
margin turns back between them.

Seeing is not being linked: a station has so many antennas, a satellite so many
terminals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..constants import EARTH_RADIUS_KM
from ..epoch import NS_PER_S, Bool, Float64, Int64
from .passes import STEP_NS, Propagate
from .visibility import Stations

_HALVINGS = 36  # of 30 s: less than a nanosecond
_NARROWINGS = 40  # of two steps by the golden section
_GOLDEN = (5**0.5 - 1) / 2
_AT_ONCE = 1_000_000  # states: 48 MB

# (rows of pairs (p,), positions of their satellites: (p, 3) each) -> (p,): >= 0 where they see each other
Margin = Callable[[Int64, Float64, Float64], Float64]


@dataclass(frozen=True, eq=False)
class Contacts:
    """Intervals by pair, then time, (c,) each; ``begins`` and ``ends`` say whether the edge is in the window.

    ``pair``: row of the pairs that were asked about.
    """

    pair: Int64
    begin_sim_ns: Int64
    end_sim_ns: Int64
    begins: Bool
    ends: Bool

    def __len__(self) -> int:
        return len(self.pair)

    def of(self, pair: int) -> list[tuple[int, int]]:
        """(begin, end) of one pair, sim_ns."""
        rows = self.pair == pair
        return list(zip(self.begin_sim_ns[rows].tolist(), self.end_sim_ns[rows].tolist(), strict=True))


def station_contacts(
    stations: Stations,
    rows: Int64,
    satellites: Int64,
    propagate: Propagate,
    begin_sim_ns: int,
    end_sim_ns: int,
) -> Contacts:
    """Passes: when each station of (p,) ``rows`` sees the satellite beside it, (p,)."""
    rows, satellites = np.asarray(rows, np.int64), np.asarray(satellites, np.int64)

    def margin(pairs: Int64, place_km: Float64, _: Float64) -> Float64:
        return stations.margin(rows[pairs], place_km)

    return _contacts(margin, satellites, satellites, propagate, begin_sim_ns, end_sim_ns)


def laser_contacts(
    a: Int64,
    b: Int64,
    propagate: Propagate,
    begin_sim_ns: int,
    end_sim_ns: int,
    *,
    grazing_altitude_km: float,
    max_range_km: float = np.inf,
) -> Contacts:
    """When satellites (p,) and (p,) see each other past the Earth, and are near enough."""
    least_km = EARTH_RADIUS_KM + grazing_altitude_km

    def margin(_: Int64, from_km: Float64, to_km: Float64) -> Float64:
        step = to_km - from_km
        squared = np.maximum(np.einsum("...j,...j->...", step, step), 1e-12)
        nearest = np.clip(-np.einsum("...j,...j->...", from_km, step) / squared, 0, 1)
        above = np.linalg.norm(from_km + nearest[..., None] * step, axis=-1) / least_km - 1
        left = np.inf if np.isinf(max_range_km) else 1 - np.sqrt(squared) / max_range_km
        return np.asarray(np.minimum(above, left))

    return _contacts(margin, a, b, propagate, begin_sim_ns, end_sim_ns)


def _contacts(
    margin: Margin, a: Int64, b: Int64, propagate: Propagate, begin_sim_ns: int, end_sim_ns: int
) -> Contacts:
    a, b = np.asarray(a, np.int64), np.asarray(b, np.int64)
    n_steps = max(1, -(-(end_sim_ns - begin_sim_ns) // STEP_NS))
    chunk = max(1, _AT_ONCE // (n_steps + 1))
    found = []
    for first in range(0, len(a), chunk):
        rows = np.arange(first, min(first + chunk, len(a)))
        found.append(
            _Search(margin, rows, a[rows], b[rows], propagate, begin_sim_ns, n_steps).contacts(end_sim_ns)
        )
    if not found:
        nothing, none = np.empty(0, np.int64), np.empty(0, np.bool_)
        return Contacts(nothing, nothing, nothing, none, none)
    return Contacts(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


class _Search:
    """Of so many pairs that their states are held at once."""

    def __init__(
        self,
        margin: Margin,
        rows: Int64,
        a: Int64,
        b: Int64,
        propagate: Propagate,
        begin_ns: int,
        n_steps: int,
    ) -> None:
        self.margin, self.rows, self.begin_ns, self.n_steps = margin, rows, begin_ns, n_steps
        who, which = np.unique(np.concatenate([a, b]), return_inverse=True)
        self.a, self.b = which[: len(a)], which[len(a) :]
        self.states = propagate(who, begin_ns + np.arange(n_steps + 1, dtype=np.int64) * STEP_NS)
        place = self.states.position_km
        grid = margin(rows, place[self.a], place[self.b])
        self.grid = np.where(np.isnan(grid), -np.inf, grid)  # one that has decayed is not seen

    def contacts(self, end_sim_ns: int) -> tuple[Int64, Int64, Int64, Bool, Bool]:
        pair, at = self._edges()
        order = np.lexsort((at, pair))
        pair, at = pair[order], at[order]
        end = (end_sim_ns - self.begin_ns) / STEP_NS
        inside = at < end
        pair, at = pair[inside], at[inside]
        # what is up at the window's begin has an edge there, and what is up at its end another
        up = np.flatnonzero(self.grid[:, 0] >= 0)
        still = np.flatnonzero(
            (self.grid[:, 0] >= 0) ^ (np.bincount(pair, minlength=len(self.rows)) % 2 == 1)
        )
        edge = np.concatenate([np.zeros(len(up)), at, np.full(len(still), end)])
        known = np.repeat([False, True, False], [len(up), len(at), len(still)])
        who = np.concatenate([up, pair, still])
        order = np.lexsort((np.arange(len(who)), who))  # by pair; begin, edges in time, end
        edge, known, who = edge[order], known[order], who[order]
        sim_ns = self.begin_ns + np.rint(edge * STEP_NS).astype(np.int64)
        return self.rows[who[::2]], sim_ns[::2], sim_ns[1::2], known[::2], known[1::2]

    def _edges(self) -> tuple[Int64, Float64]:
        """Pairs and instants, in steps, at which the margin passes 0."""
        seen = self.grid >= 0
        pair, step = np.nonzero(seen[:, 1:] != seen[:, :-1])
        edges = [(pair, self._bisected(pair, step.astype(np.float64), (step + 1).astype(np.float64)))]
        for sign in (1.0, -1.0):  # a contact between two instants, and a gap
            pair, top = self._hidden(sign)
            before, after = np.floor(top), np.ceil(top)
            edges.append((pair, self._bisected(pair, before, top)))
            edges.append((pair, self._bisected(pair, top, after)))
        return np.concatenate([p for p, _ in edges]), np.concatenate([at for _, at in edges])

    def _hidden(self, sign: float) -> tuple[Int64, Float64]:
        """Where the margin, times ``sign``, is above 0 between two instants at which it is not."""
        grid = sign * self.grid
        with np.errstate(invalid="ignore"):
            top = (grid[:, 1:-1] >= grid[:, :-2]) & (grid[:, 1:-1] >= grid[:, 2:]) & (grid[:, 1:-1] < 0)
        pair, step = np.nonzero(top & np.isfinite(grid[:, 1:-1]))
        low, high = step.astype(np.float64), step + 2.0
        for _ in range(_NARROWINGS):
            left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
            rises = sign * self._at(pair, left) < sign * self._at(pair, right)
            low, high = np.where(rises, left, low), np.where(rises, high, right)
        at = (low + high) / 2
        there = (sign * self._at(pair, at) > 0) & (at != np.rint(at))
        return pair[there], at[there]

    def _bisected(self, pair: Int64, low: Float64, high: Float64) -> Float64:
        was = self._at(pair, low) >= 0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            same = (self._at(pair, middle) >= 0) == was
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return (low + high) / 2

    def _at(self, pair: Int64, at: Float64) -> Float64:
        step = np.minimum(at.astype(np.int64), self.n_steps - 1)
        w = (at - step)[:, None]
        return self.margin(
            self.rows[pair], self._place(self.a[pair], step, w), self._place(self.b[pair], step, w)
        )

    def _place(self, who: Int64, step: Int64, w: Float64) -> Float64:
        place, speed, step_s = self.states.position_km, self.states.velocity_km_per_s, STEP_NS / NS_PER_S
        return np.asarray(
            (1 + 2 * w) * (1 - w) ** 2 * place[who, step]
            + w**2 * (3 - 2 * w) * place[who, step + 1]
            + step_s * (w * (1 - w) ** 2 * speed[who, step] - w**2 * (1 - w) * speed[who, step + 1])
        )
