"""For whom a satellite's service ends soon, why, and who would go on with what it has begun.  Pure.

It ends without power (in the dark: at once where the battery cannot carry computers, else once that is empty,
unless sunlight is back before), where it is too warm (its speed falls to nothing as it fell in the last
step), and out of sight: where there are lasers others lead to it, so that counts only without.  Whoever was
given a satellite in the last two minutes may still wait for an answer of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..assignment import Assignment, Leave
from ..epoch import NS_PER_S, Bool, Epoch, Float64, Int32, Int64, Platforms
from ..links.contacts import Contacts
from .work import SLOPE_HOLDS_S

# (gateway, satellites, from, until sim_ns) -> their passes over it
PassesOver = Callable[[int, Int64, int, int], Contacts]
# (satellites, sim_ns) -> from when on each has sunlight enough, or has not, if that is known
Edges = Callable[[Int64, int], dict[int, int | None]]

AHEAD_NS = 120 * NS_PER_S  # no customer waits longer (nodes/load/sender.py)
_LONGER_NS = 30 * NS_PER_S  # that who goes on has to have left
_SIGHT_HOLDS_NS = AHEAD_NS // 2
_RISE_AHEAD_NS = 20 * 60 * NS_PER_S
_MOST_RISING = 900  # satellites of such a search: some 20 ms
_MOST_TARGETS = 2
#: of a satellite: an order to a node has a bound
MOST_LEAVES = 400
ECLIPSE, HEAT, POWER, SIGHT = "without power in the eclipse", "too warm", "without power", "out of sight"
_CAUSES = {1: HEAT, 2: ECLIPSE}  # epoch.HELD_BACK_BY


@dataclass(frozen=True)
class Battery:
    """By satellite, (n,) each.  ``carries``: can it carry the bus and computers that idle, by its rate?"""

    floor_j: Float64
    discharge_ratio: Float64
    carries: Bool


class Outlive:
    """``rules``: of each class; ``classes``: of each gateway, by node number.  Each epoch in turn."""

    def __init__(
        self,
        satellites: Int32,
        classes: Mapping[int, Sequence[str]],
        rules: Mapping[str, str],
        *,
        battery: Battery | None = None,
        sunlight: Edges | None = None,
        shadow: Edges | None = None,
        passes: PassesOver | None = None,
    ) -> None:
        self._satellites = np.asarray(satellites, np.int32)
        self._classes = {g: [c for c in of if rules[c] != "stay"] for g, of in classes.items()}
        self._rules, self._battery = rules, battery
        self._sunlight, self._shadow, self._passes = sunlight, shadow, passes
        self._given: dict[tuple[int, int, str], int] = {}  # when it last was
        self._before: tuple[int, Float64] | None = None  # instant, capacities
        self._sight: dict[tuple[int, int], tuple[int, float]] = {}  # until when it holds, and the end
        self._rise: dict[int, tuple[int, int | None]] = {}

    def leaves(self, epoch: Epoch, assignment: Assignment) -> dict[int, tuple[Leave, ...]]:
        """By satellite."""
        now_ns = epoch.sim_ns
        for gateway, classes in self._classes.items():
            for each in classes:
                if (satellite := assignment.serves(gateway, each)) is not None:
                    self._given[satellite, gateway, each] = now_ns
        self._given = {who: at for who, at in self._given.items() if at >= now_ns - AHEAD_NS}
        ends_ns, reasons = self._power_ends(epoch)
        laserless = self._passes is not None and not bool((epoch.routes.ports.laser_neighbour >= 0).any())
        found: dict[int, list[Leave]] = {}
        for satellite, gateway, customer_class in sorted(self._given):
            at = int(np.searchsorted(self._satellites, satellite))
            end_ns, reason = float(ends_ns[at]), reasons.get(at, "")
            if laserless and (sight_ns := self._sight_end(satellite, gateway, now_ns)) < end_ns:
                end_ns, reason = sight_ns, SIGHT
            if end_ns > now_ns + AHEAD_NS:
                continue
            given = assignment.serves(gateway, customer_class)
            to = self._targets(epoch, satellite, gateway, given, end_ns, ends_ns, laserless=laserless)
            again_ns = assignment.power_again.get(satellite)
            if not to and reason == SIGHT and self._rules[customer_class] == "refuse":
                again_ns = self._next_rise(gateway, now_ns)
            found.setdefault(satellite, []).append(
                Leave(
                    gateway, customer_class, self._rules[customer_class], round(end_ns), reason, again_ns, to
                )
            )
        return {
            satellite: tuple(sorted(of, key=lambda each: each.until_sim_ns)[:MOST_LEAVES])
            for satellite, of in found.items()
        }

    def _power_ends(self, epoch: Epoch) -> tuple[Float64, dict[int, str]]:
        """(h,) sim_ns, inf where it is not foreseen, and why."""
        platforms, rows, now_ns = epoch.platforms, self._satellites, epoch.sim_ns
        ends_ns, reasons = np.full(len(rows), np.inf), dict[int, str]()
        if platforms is None:
            return ends_ns, reasons
        for at, end_ns in self._dark_ends(platforms, now_ns).items():
            ends_ns[at], reasons[at] = end_ns, ECLIPSE
        capacity = platforms.capacity_ratio[rows].astype(np.float64)
        before, self._before = self._before, (now_ns, capacity)
        if before is not None and now_ns > before[0]:
            step_s = (now_ns - before[0]) / NS_PER_S
            slower = (before[1] - capacity) / step_s
            with np.errstate(divide="ignore", invalid="ignore"):
                rest_s = np.where(slower > 0, capacity / slower, np.inf)
            warm = (platforms.cause[rows] == 1) & (rest_s <= SLOPE_HOLDS_S)
            for at in np.flatnonzero(warm).tolist():
                end_ns = now_ns + float(rest_s[at]) * NS_PER_S
                if end_ns < ends_ns[at]:
                    ends_ns[at], reasons[at] = end_ns, HEAT
        for at in np.flatnonzero(capacity <= 0).tolist():
            ends_ns[at], reasons[at] = now_ns, _CAUSES.get(int(platforms.cause[rows[at]]), POWER)
        return ends_ns, reasons

    def _dark_ends(self, platforms: Platforms, now_ns: int) -> dict[int, float]:
        """By column: when it gets too dark, and what the battery then carries has ended."""
        battery, rows = self._battery, self._satellites
        if battery is None or self._shadow is None or self._sunlight is None:
            return {}
        dark = self._shadow(rows.astype(np.int64), now_ns)
        found: dict[int, float] = {}
        for at, satellite in enumerate(rows.tolist()):
            if (begins_ns := dark[satellite]) is None:
                continue
            left_j = max(0.0, float(platforms.battery_j[satellite] - battery.floor_j[satellite]))
            power_w = max(float(platforms.power_w[satellite]), 1.0)
            lasts_s = left_j * float(battery.discharge_ratio[satellite]) / power_w
            lasts_ns = lasts_s * NS_PER_S if battery.carries[satellite] else 0.0
            end_ns = max(begins_ns, now_ns) + lasts_ns
            if end_ns <= now_ns + 2 * AHEAD_NS:
                found[at] = end_ns
        night = [at for at in found if (begins := dark[int(rows[at])]) is not None and begins <= now_ns]
        lit = self._sunlight(rows[night].astype(np.int64), now_ns) if night else {}
        for at in night:  # what has not been searched yet is not known: no end is told of it
            again = lit.get(int(rows[at]))
            if again is None or again <= found[at]:
                del found[at]
        return found

    def _targets(
        self,
        epoch: Epoch,
        satellite: int,
        gateway: int,
        given: int | None,
        end_ns: float,
        ends_ns: Float64,
        *,
        laserless: bool,
    ) -> tuple[tuple[int, int], ...]:
        """Whom the policy gives by now comes first, then the nearest; with what the way there carries."""
        delay_ns = epoch.way_delays_ns(self._satellites, np.array([gateway], np.int32))[0]
        fit = np.isfinite(delay_ns) & (ends_ns > end_ns + _LONGER_NS) & (self._satellites != satellite)
        if epoch.platforms is not None:
            fit &= epoch.platforms.capacity_ratio[self._satellites] > 0
        first = np.where(self._satellites == given, -1.0, delay_ns)
        found: list[tuple[int, int]] = []
        for at in np.argsort(np.where(fit, first, np.inf), kind="stable").tolist():
            if not fit[at] or len(found) == _MOST_TARGETS:
                break
            other = int(self._satellites[at])
            if laserless and self._sight_end(other, gateway, epoch.sim_ns) <= end_ns + _LONGER_NS:
                continue
            way = epoch.way(satellite, other)
            found.append((other, 0 if way is None else epoch.narrowest_rate_bps(way.nodes)))
        return tuple(found)

    def _sight_end(self, satellite: int, gateway: int, now_ns: int) -> float:
        """When the pass ends that is under way; inf: not soon, or there is none."""
        until_ns, end_ns = self._sight.get((satellite, gateway), (now_ns, np.inf))
        if now_ns >= until_ns and self._passes is not None:
            who = np.array([satellite], np.int64)
            passes = self._passes(gateway, who, now_ns, now_ns + AHEAD_NS + _LONGER_NS)
            is_up = len(passes) > 0 and not bool(passes.begins[0])
            ends = is_up and bool(passes.ends[0])
            end_ns = float(passes.end_sim_ns[0]) if ends else np.inf
            self._sight[satellite, gateway] = (round(end_ns) if ends else now_ns + _SIGHT_HOLDS_NS), end_ns
        return end_ns

    def _next_rise(self, gateway: int, now_ns: int) -> int | None:
        until_ns, rise_ns = self._rise.get(gateway, (now_ns, None))
        if now_ns >= until_ns and self._passes is not None:
            who = self._satellites[:_MOST_RISING].astype(np.int64)
            passes = self._passes(gateway, who, now_ns, now_ns + _RISE_AHEAD_NS)
            rising = passes.begin_sim_ns[passes.begins]
            rise_ns = int(rising.min()) if len(rising) else None
            self._rise[gateway] = (now_ns + _RISE_AHEAD_NS if rise_ns is None else rise_ns), rise_ns
        return rise_ns
