"""A policy at work: what it is shown at each epoch, whether its answer can be, and what it has placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..arrays import read_only
from ..epoch import NS_PER_S, Epoch, Float64, Int32, Int64, Platforms
from ..errors import RunError
from ..shown import plain, shown
from .known import Named, guarded
from .ledger import Ledger
from .view import REFUSED, Placement, Refusal, RequestClass, View
from .work import Work

# (gateway, satellites, from sim_ns) -> when the next of them rises over it, if that is known
NextRise = Callable[[int, Int32, int], int | None]
# (epoch, satellites without power) -> when the first of them has some again, if that is known
PowerAgain = Callable[[Epoch, Int32], int | None]

_MOST_SIM_NS = 2**60  # with a run's own instants it still fits the record
_GAVE_NO_REASON = "the policy refuses it, and gives no reason"


@dataclass(frozen=True)
class Placed:
    """By gateway and class, of those that each gateway has: who serves it, or why nobody does."""

    satellites: dict[int, dict[str, int | None]]
    refusals: dict[int, dict[str, Refusal]]


class Placer:
    """``place`` for each epoch, in order.

    ``named``: the policy of all classes, or of each.  One that several have is shown these alone, and once.
    ``floor_j``, (h,) or one: what computing leaves in a battery.
    """

    def __init__(
        self,
        named: Named | Sequence[Named],
        satellites: Int32,
        gateways: Int32,
        classes: Sequence[RequestClass],
        work: Work,
        step_ns: int,
        *,
        floor_j: Float64 | float = 0.0,
        next_rise: NextRise | None = None,
        power_again: PowerAgain | None = None,
    ) -> None:
        self._work, self._floor_j, self._next_rise, self._power_again = work, floor_j, next_rise, power_again
        self._satellites = read_only(np.array(satellites, np.int32))
        self._gateways = read_only(np.array(gateways, np.int32))
        self._classes = tuple(classes)
        each = [named] * len(self._classes) if isinstance(named, Named) else list(named)
        self._columns: dict[str, list[int]] = {}  # by policy, in the order of their first classes
        for column, of in enumerate(each):
            self._columns.setdefault(of.name, []).append(column)
        self._named = {of.name: of for of in ([named] if isinstance(named, Named) else named)}
        shape = (len(gateways), len(self._classes))
        self._rates = np.array([each.rate_per_s for each in self._classes], float).reshape(shape[::-1]).T
        self._before = read_only(np.full(shape, REFUSED, np.int32))
        self._step_ns = step_ns
        self._ledger = Ledger(len(satellites))
        self._last: _Last | None = None

    def place(self, epoch: Epoch, delay_ns: Float64) -> Placed:
        """``delay_ns``, (g, h): one way from each satellite that hosts; inf where there is none."""
        view = self._view(epoch, delay_ns)
        placement = self._together(view)
        self._keep(view, placement.satellite)
        return self._told(placement)

    def _view(self, epoch: Epoch, delay_ns: Float64) -> View:
        if self._last is not None and epoch.sim_ns <= self._last.sim_ns:
            self._last = None  # an epoch that is made anew: nothing is known of what came before
        if self._last is not None:
            self._last.settle(self._ledger, epoch.sim_ns)
            self._step_ns = max(1, epoch.sim_ns - self._last.sim_ns)
        found, n = epoch.platforms, len(self._satellites)
        slope, energy_s, platforms = np.zeros(n), np.full(n, np.inf), None
        if found is not None:
            rows = self._satellites
            platforms = Platforms(**{f.name: read_only(getattr(found, f.name)[rows]) for f in fields(found)})
            if self._last is not None:
                change = platforms.capacity_ratio.astype(np.float64) - self._last.capacity
                slope = change * (NS_PER_S / self._step_ns)
            with np.errstate(divide="ignore", invalid="ignore"):
                lasts_s = np.maximum(platforms.battery_j - self._floor_j, 0.0) / platforms.power_w
            energy_s = np.where((platforms.sunlit_ratio > 0) | (platforms.power_w <= 0), np.inf, lasts_s)
        rising, rise, again = self._rising(epoch), self._next_rise, self._power_again
        return View(
            epoch,
            self._satellites,
            self._gateways,
            self._classes,
            read_only(delay_ns.view()),
            platforms,
            read_only(slope),
            read_only(energy_s),
            read_only(self._ledger.in_flight(epoch.sim_ns)),
            self._before,
            self._step_ns,
            self._work,
            (lambda gateway: None) if rise is None else lambda gateway: rise(gateway, rising, epoch.sim_ns),
            (lambda satellites: None) if again is None else lambda satellites: again(epoch, satellites),
        )

    def _rising(self, epoch: Epoch) -> Int32:
        """Whom a gateway without a way waits for: with lasers anybody leads to those that serve."""
        ports = epoch.routes.ports
        joined = bool((ports.laser_neighbour >= 0).any())
        return np.arange(ports.n_satellites, dtype=np.int32) if joined else self._satellites

    def _together(self, view: View) -> Placement:
        """What the policies say, each of its own classes."""
        if len(self._columns) < 2:
            return self._asked(next(iter(self._named.values())), view)
        satellite = np.full(self._before.shape, REFUSED, np.int32)
        refused: dict[tuple[int, int], Refusal] = {}
        for name, columns in self._columns.items():
            part = self._asked(self._named[name], view.only(columns))
            satellite[:, columns] = part.satellite
            refused |= {(row, columns[column]): why for (row, column), why in part.refusals.items()}
        return Placement(satellite, refused)

    def _asked(self, named: Named, view: View) -> Placement:
        if not named.origin:
            return named.policy.place(view)
        said = named.said
        found = guarded(said, f"failed at epoch {view.epoch.number}", lambda: named.policy.place(view))
        if not isinstance(found, Placement):
            raise RunError(f"{said} answered with {shown(type(found).__name__)}: it must be a Placement")
        satellite, shape = guarded(said, "answered", lambda: np.asarray(found.satellite)), view.before.shape
        if satellite.shape != shape or satellite.dtype.kind not in "iu":
            raise RunError(
                f"{said} answered with an array {satellite.shape} of {satellite.dtype}: it must be {shape}, "
                "gateways by classes, of integers"
            )
        wrong = satellite[(satellite != REFUSED) & ~np.isin(satellite, self._satellites)]
        if len(wrong):
            node, n_satellites = int(wrong[0]), view.epoch.routes.ports.n_satellites
            what = "hosts no process" if 0 <= node < n_satellites else "is no satellite"
            raise RunError(
                f"{said} answered with node {node}, which {what}: "
                "it must be one of view.satellites, or REFUSED"
            )
        checked = guarded(said, "answered", lambda: _checked(found, shape))
        return Placement(satellite.astype(np.int32), checked)

    def _keep(self, view: View, satellite: Int32) -> None:
        wanted = (self._rates > 0) & (satellite != REFUSED)
        rows, columns = np.nonzero(wanted)
        at = np.searchsorted(self._satellites, satellite[wanted])
        takes_ns = view.answers_ns(view.in_flight)[columns, at] if len(at) else np.empty(0)
        self._last = _Last(view.epoch.sim_ns, at, self._rates[rows, columns], takes_ns, view.capacity_ratio)
        self._before = read_only(np.where(satellite == REFUSED, self._before, satellite).astype(np.int32))

    def _told(self, placement: Placement) -> Placed:
        satellites: dict[int, dict[str, int | None]] = {int(gateway): {} for gateway in self._gateways}
        refusals: dict[int, dict[str, Refusal]] = {}
        for row, column in zip(*(found.tolist() for found in np.nonzero(self._rates > 0)), strict=True):
            gateway, name = int(self._gateways[row]), self._classes[column].name
            node = int(placement.satellite[row, column])
            satellites[gateway][name] = None if node == REFUSED else node
            if node == REFUSED:
                why = placement.refusals.get((row, column), Refusal(_GAVE_NO_REASON))
                refusals.setdefault(gateway, {})[name] = why
        return Placed(satellites, refusals)


@dataclass(frozen=True, eq=False)
class _Last:
    """What was placed at the last epoch, (p,) each, and the capacities, (h,)."""

    sim_ns: int
    column: Int64
    rate_per_s: Float64
    takes_ns: Float64
    capacity: Float64

    def settle(self, ledger: Ledger, sim_ns: int) -> None:
        count = self.rate_per_s * ((sim_ns - self.sim_ns) / NS_PER_S)
        ledger.placed(self.column, count, self.takes_ns, self.sim_ns, sim_ns)


def _checked(found: Placement, shape: tuple[int, ...]) -> dict[tuple[int, int], Refusal]:
    """A plug-in's refusals, made anew: what is no refusal raises here."""
    made = {}
    for (row, column), why in dict(found.refusals).items():
        if not isinstance(why, Refusal) or not isinstance(why.reason, str):
            raise TypeError(f"refusal of {row}, {column} is {why!r}, not a Refusal with a reason")
        if not (0 <= row < shape[0] and 0 <= column < shape[1]):
            raise IndexError(f"there is no gateway and class {row}, {column} to refuse")
        retry = None if why.retry_sim_ns is None else int(why.retry_sim_ns)
        if retry is not None and abs(retry) > _MOST_SIM_NS:
            raise ValueError(f"{retry} ns of emulated time are no instant to ask again")
        made[int(row), int(column)] = Refusal(plain(why.reason), retry)
    return made
