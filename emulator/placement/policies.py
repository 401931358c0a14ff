"""The policies that come with it.  Of equals the lowest node number is taken, everywhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..epoch import NS_PER_S, Float64
from .view import REFUSED, Placement, Policy, View, least, refusals

#: one way: another satellite has to be nearer by more than this before ``sticky`` leaves the one it has
STAYS_NS = 5e6


class Nearest:
    """Least delay of the path.  The only one that does not ask whether there is power."""

    def place(self, view: View) -> Placement:
        return least(view, view.delay_ns, np.isfinite(view.delay_ns))


class LeastCompletion:
    """Least expected time until the whole answer is there: path both ways, queue, prompt, answer.

    Pairs of gateway and class choose one after the other, and each sees what those before it add: else
    all would go to the satellite that was empty.
    """

    def place(self, view: View) -> Placement:
        g, c, h = len(view.gateways), len(view.classes), len(view.satellites)
        satellite = np.full((g, c), REFUSED, np.int32)
        if h == 0 or c == 0:
            return Placement(satellite, refusals(view, satellite))
        there = np.any(view.reached, axis=1).tolist()
        ways_ns = np.where(view.reached, 2 * view.delay_ns, np.inf)
        load = view.in_flight.copy()
        answers_ns = view.answers_ns(load)
        step_s = view.step_ns / NS_PER_S
        rates = np.array([each.rate_per_s for each in view.classes]).T
        for row in range(g):
            if not there[row]:
                continue
            for column in range(c):
                best = int(np.argmin(ways_ns[row] + answers_ns[column]))
                satellite[row, column] = view.satellites[best]
                rate = float(rates[row, column])
                if rate > 0:
                    load[best] += rate * min(step_s, answers_ns[column, best] / NS_PER_S)
                    answers_ns[:, best] = view.answers_at_ns(float(load[best]), best)
        return Placement(satellite, refusals(view, satellite))


class Sunlit:
    """Most of the Sun's disc first; of those the nearest."""

    def place(self, view: View) -> Placement:
        lit = np.zeros(len(view.satellites)) if view.platforms is None else view.platforms.sunlit_ratio
        return _first(view, -np.asarray(lit, np.float64))


class Coolest:
    """Lowest temperature first; of equals the nearest."""

    def place(self, view: View) -> Placement:
        heat = np.zeros(len(view.satellites)) if view.platforms is None else view.platforms.temperature_k
        return _first(view, np.asarray(heat, np.float64))


class RoundRobin:
    """By node number, the next after the last; each gateway and class begins one further than the other."""

    def place(self, view: View) -> Placement:
        g, c, h = len(view.gateways), len(view.classes), len(view.satellites)
        pair = np.arange(g * c).reshape(g, c)
        after = np.searchsorted(view.satellites, view.before, "right")
        first = np.where(view.before == REFUSED, pair, after)
        if h == 0:
            return least(view, view.delay_ns)
        later = view.reached[:, None, :] & (np.arange(h) >= (first % h)[..., None])
        column = np.where(later.any(axis=2), later.argmax(axis=2), view.reached.argmax(axis=1)[:, None])
        there = np.any(view.reached, axis=1)
        satellite = np.where(there[:, None], view.satellites[column], REFUSED).astype(np.int32)
        return Placement(satellite, refusals(view, satellite))


class Sticky:
    """The one it has, while that has a way and power and none is nearer by STAYS_NS; else the nearest."""

    def place(self, view: View) -> Placement:
        nearest = least(view, view.delay_ns)
        h = len(view.satellites)
        if h == 0:
            return nearest
        column = np.minimum(np.searchsorted(view.satellites, view.before), h - 1)
        row = np.arange(len(view.gateways))[:, None]
        best_ns = np.where(view.reached, view.delay_ns, np.inf).min(axis=1, keepdims=True)
        stays = (
            (view.satellites[column] == view.before)
            & view.reached[row, column]
            & (view.delay_ns[row, column] <= best_ns + STAYS_NS)
        )
        return Placement(np.where(stays, view.before, nearest.satellite), nearest.refusals)


def _first(view: View, cost: Float64) -> Placement:
    """Least cost, (h,), and of equals the nearest."""
    each = np.where(view.reached, cost, np.inf)
    among = view.reached & (each == each.min(axis=1, keepdims=True, initial=np.inf))
    return least(view, view.delay_ns, among)


POLICIES: dict[str, Callable[[], Policy]] = {
    "nearest": Nearest,
    "least-completion": LeastCompletion,
    "sunlit": Sunlit,
    "coolest": Coolest,
    "round-robin": RoundRobin,
    "sticky": Sticky,
}
