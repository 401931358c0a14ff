"""What a policy is shown, and what it answers, once an epoch for all gateways and classes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from ..epoch import Bool, Epoch, Float64, Int32, Platforms
from .work import Capacity, Work

REFUSED = -1  # in place of a satellite
_ASKED_FOR_POWER = 32  # of the satellites without any that a gateway has a way to, the nearest so many
NO_WAY = "no satellite that serves has a way to the gateway"
NO_POWER = "no satellite with a way to the gateway has power to compute"


@dataclass(frozen=True)
class RequestClass:
    """Requests of one kind: means of their tokens, and ``rate_per_s``, (g,), how many each gateway sends.

    0: that gateway has none of them.
    """

    name: str
    prompt_tokens: float
    output_tokens: float
    rate_per_s: Float64


@dataclass(frozen=True)
class Refusal:
    """``retry_sim_ns``: when it may be worth asking again; None: nobody knows."""

    reason: str
    retry_sim_ns: int | None = None


@dataclass(frozen=True, eq=False)
class Placement:
    """``satellite``, (g, c) integers: the node that serves each class at each gateway, or REFUSED.

    ``refusals``: why, by (row of the gateway, row of the class).
    """

    satellite: Int32
    refusals: Mapping[tuple[int, int], Refusal] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class View:
    """g gateways, c classes, and h satellites that host a process, by node number.  Arrays are read-only.

    What is here follows from scenario, seed and instant, never from what this machine measured; but for
    ``platforms`` of satellites whose accelerators report what they really did.
    """

    epoch: Epoch
    satellites: Int32  # (h,) node numbers
    gateways: Int32  # (g,)
    classes: tuple[RequestClass, ...]  # (c,)
    delay_ns: Float64  # (g, h) one way, as routed; inf where there is none
    platforms: Platforms | None  # of these h satellites; None: the scenario has none
    capacity_slope_per_s: Float64  # (h,) how capacity_ratio changed in the last step
    energy_s: Float64  # (h,) for how long a satellite in the dark computes as now; inf in sunlight
    in_flight: Float64  # (h,) requests placed and, by their expected durations, not finished
    before: Int32  # (g, c) the satellite that each had last; REFUSED: none yet
    step_ns: int  # until the next epoch
    work: Work
    next_rise: Callable[[int], int | None] = field(default=lambda gateway: None)
    # the first instant at which one of these satellites, which have no power, has some again
    power_again: Callable[[Int32], int | None] = field(default=lambda satellites: None)

    @cached_property
    def capacity_ratio(self) -> Float64:
        """(h,) the speed that each satellite has now, of its full one."""
        if self.platforms is None:
            return np.ones(len(self.satellites))
        return np.clip(self.platforms.capacity_ratio.astype(np.float64), 0.0, 1.0)

    @cached_property
    def reached(self) -> Bool:
        """(g, h) where there is a way, and power to compute."""
        found: Bool = np.isfinite(self.delay_ns) & (self.capacity_ratio > 0)
        return found

    def answers_ns(self, in_flight: Float64) -> Float64:
        """(c, h) how long a request that arrives now takes at each satellite, with so many (h,) before it."""
        return self._capacity.finishes_ns(self.work.ns(in_flight))

    def answers_at_ns(self, in_flight: float, column: int) -> list[float]:
        """(c,) the same at one satellite."""
        return self._capacity.finishes_at_ns(self.work.at_ns(in_flight), column)

    def only(self, columns: Sequence[int]) -> View:
        """What the policy of some of the classes is shown."""
        return replace(
            self,
            classes=tuple(self.classes[column] for column in columns),
            before=self.before[:, list(columns)],
            work=self.work.only(columns),
        )

    @cached_property
    def _capacity(self) -> Capacity:
        return Capacity(self.capacity_ratio, self.capacity_slope_per_s, self.energy_s)

    def refusal(self, row: int) -> Refusal:
        """Why a gateway has no satellite, by its row."""
        delay_ns = self.delay_ns[row]
        if np.isfinite(delay_ns).any():
            nearest = np.argsort(delay_ns, kind="stable")[:_ASKED_FOR_POWER]
            reached = self.satellites[nearest[np.isfinite(delay_ns[nearest])]]
            return Refusal(NO_POWER, self.power_again(reached))
        return Refusal(NO_WAY, self.next_rise(int(self.gateways[row])))


class Policy(Protocol):
    """Made once a run, without arguments, and then asked at each epoch, in order.

    The same views in the same order have to give the same placements: take no clock and no random number.
    """

    def place(self, view: View) -> Placement: ...


def least(view: View, cost: Float64, among: Bool | None = None) -> Placement:
    """For each gateway and class the satellite of least ``cost``, (g, h) or (g, c, h); of equals the first.

    ``among``, (g, h): who may be taken, by default all that have a way and power.  Where nobody may:
    a refusal that says why.
    """
    g, c = len(view.gateways), len(view.classes)
    among = view.reached if among is None else among
    satellite = np.full((g, c), REFUSED, np.int32)
    if among.shape[1]:
        there = among.any(axis=1)
        if cost.ndim == 2:
            column = np.argmin(np.where(among, cost, np.inf), axis=1)[:, None]
        else:
            column = np.argmin(np.where(among[:, None, :], cost, np.inf), axis=2)
        satellite[there] = np.broadcast_to(view.satellites[column], (g, c))[there]
    return Placement(satellite, refusals(view, satellite))


def refusals(view: View, satellite: Int32) -> dict[tuple[int, int], Refusal]:
    """For each gateway and class that has none."""
    rows, columns = np.nonzero(satellite == REFUSED)
    why = {row: view.refusal(row) for row in dict.fromkeys(rows.tolist())}
    return {(row, column): why[row] for row, column in zip(rows.tolist(), columns.tolist(), strict=True)}
