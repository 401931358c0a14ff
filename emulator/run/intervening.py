"""Interventions in a run that is under way: what is asked for, put in force at once, listed and lifted."""

from __future__ import annotations

import base64
import contextlib
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from ..control.server import Answer, Handler, Request
from ..epoch import Epoch, Nodes
from ..errors import FailureError, InputError, RunEnded, RunError, UnknownName
from ..find_node import is_set
from ..interventions import Change, Intervention, Interventions, Named, resolve
from ..plane.mesh import MeshPlane
from ..scenario import Scenario
from ..scenario.faults import LEAST_LASTING_NS, MOST_DELAY_NS, MOST_RATE_BPS
from ..series import EXACT_UP_TO
from ..shown import plain, shown
from .clock import Clock
from .intervention_losses import Cost, InterventionLosses
from .ticks import Tick

# what a tick and its way between processes take beyond what the last one took
_MARGIN_NS = 4_000_000
_LEAST_AHEAD_NS, _MOST_AHEAD_NS = 8_000_000, 2_000_000_000
# An epoch that was asked for comes into force as soon as it is made: its instant lies a little before that,
# or it would wait for it, and less than makes a tick late (conductor.LATE_NS).
_SOONEST_NS = 1_000_000
_LAST_ASKED = 5
_IN_FORCE_S = 10.0  # from the call on, whoever else is served first: less than a caller waits for an answer
_MOST_NAMES = 10_000
_MOST_IN_FORCE = 100_000
_RECENT_NS = 60 * 10**9  # an epoch so old is asked for no more
_MOST_TOLD = 20  # in a summary, the most costly ones
_LONGEST_NS = 10**18

# what begins, what ends, from when on, and whether that instant is to have an epoch of its own
Tell = Callable[[Sequence[Intervention], Sequence[int], int, bool], None]


class Intervened(Protocol):
    scenario: Scenario
    clock: Clock

    @property
    def step_ns(self) -> int: ...
    @property
    def nodes(self) -> Nodes: ...
    @property
    def epoch(self) -> Epoch | None: ...
    @property
    def ended(self) -> bool: ...


class Intervening:
    """Of one mesh; may be asked from any thread.  ``ticked`` after each tick, in the conductor's."""

    def __init__(self, mesh: Intervened, kept: Interventions, tell: Tell) -> None:
        self._mesh, self._kept, self._tell = mesh, kept, tell
        self._turn = threading.Lock()  # of who asks
        self._changed = threading.Condition()
        self._ended_mono_ns = self._cost_ns = 0  # of the last tick
        self._costs_ns: deque[int] = deque(maxlen=_LAST_ASKED)
        self._asked_cost_ns: deque[int] = deque(maxlen=_LAST_ASKED)  # of those that had what was asked for
        # numbers of those that no tick has begun, or ended: an epoch of a later instant may lack them
        self._awaited: set[int] = set()
        self._await_end = False

    def ticked(self, tick: Tick) -> None:
        with self._changed:
            told = tick.intervened.ended if self._await_end else tick.intervened.begun
            if begun := self._awaited.intersection(each["intervention"] for each in told):
                self._awaited -= begun
                self._asked_cost_ns.append(tick.cost_ns)
            self._ended_mono_ns, self._cost_ns = tick.ended_mono_ns, tick.cost_ns
            self._costs_ns.append(tick.cost_ns)
            self._changed.notify_all()
        self.losses.tick(tick)

    def handlers(self) -> dict[str, Handler]:
        """By verb, for the control server."""
        return {
            "intervene": self._intervene,
            "lift": self._lift,
            "interventions": lambda request: ({"interventions": self.listed()}, ()),
            "scenario": self._scenario,
        }

    def intervene(
        self,
        what: Sequence[str],
        *,
        lasts_ns: int | None = None,
        change: Change | None = None,
        by: str = "program",
    ) -> dict[str, Any]:
        """Fail what is named, or change it; returns once that is in force: ``interventions`` with their
        numbers, ``in_force_ns``, how long it took, and ``absent``: those that name a link which is not
        there now.  InputError for a name that nobody has."""
        began_ns = time.monotonic_ns()
        if lasts_ns is not None and lasts_ns < LEAST_LASTING_NS:
            raise InputError(
                f"{lasts_ns / 1e6:g} ms is shorter than links can follow: "
                f"at least {LEAST_LASTING_NS / 1e6:g} ms, or until it is restored"
            )
        if change is not None:
            _check(change)
        if not what:
            raise InputError("nothing is named: write what, as in sat-0-0:sat-0-1")
        if len(what) > _MOST_NAMES:
            raise InputError(f"{len(what):,} names at once are more than {_MOST_NAMES:,}")
        named = [self._named(each) for each in what]
        with self._in_turn(began_ns) as deadline_s:
            at_sim_ns = self._soon()
            if len(self._kept.in_force(at_sim_ns)) + len(what) > _MOST_IN_FORCE:
                raise InputError(f"more than {_MOST_IN_FORCE:,} would be in force: restore some first")
            until = None if lasts_ns is None else at_sim_ns + lasts_ns
            asked = [
                Intervention(text, each, at_sim_ns, until, change, by)
                for text, each in zip(what, named, strict=True)
            ]
            absent = [each.what for each in asked if not self._is_there(each)]
            epoch = self._mesh.epoch
            self._kept.forget_before(min(at_sim_ns, 0 if epoch is None else epoch.sim_ns) - _RECENT_NS)
            numbered = self._kept.add(*asked)
            self._await([each.number for each in numbered], end=False)
            self._tell(asked, (), at_sim_ns, self._mesh.clock.course.is_still)
            self._wait_until(at_sim_ns, max(deadline_s, time.monotonic() + self._patience_s(at_sim_ns)))
        return self._answer(numbered, began_ns) | {"absent": absent}

    def lift(self, what: Sequence[str] | None) -> dict[str, Any]:
        """End those of these names, with these numbers, or of these sets; None: all.  As ``intervene``."""
        began_ns = time.monotonic_ns()
        with self._in_turn(began_ns) as deadline_s:
            at_sim_ns = self._soon()
            there = [
                each
                for each in self._kept.all()
                if each.until_sim_ns is None or each.until_sim_ns > at_sim_ns
            ]
            in_force = [each for each in there if each.at_sim_ns <= at_sim_ns]
            if what is None:
                lifted = in_force
            else:
                lifted = []
                for text in what:
                    found = self._meant(text, in_force)
                    if not found:
                        raise self._not_in_force(text, in_force)
                    lifted += found
            numbers = sorted({each.number for each in lifted})
            if numbers:
                self._kept.lift(numbers, at_sim_ns)
                self._await(numbers, end=True)
                self._tell((), numbers, at_sim_ns, self._mesh.clock.course.is_still)
                self._wait_until(at_sim_ns, max(deadline_s, time.monotonic() + self._patience_s(at_sim_ns)))
        return self._answer(lifted, began_ns)

    def listed(self) -> list[dict[str, Any]]:
        """Those in force now, as events tell them, with ``at_sim_ns`` and what they have cost."""
        costs = self.losses.costs()
        return [
            each.to_dict() | {"at_sim_ns": each.at_sim_ns} | costs.get(each.number, Cost()).to_dict()
            for each in self._kept.in_force(self._mesh.clock.sim_ns())
        ]

    def n_in_force(self) -> int:
        return len(self._kept.in_force(self._mesh.clock.sim_ns()))

    def count_on(self, plane: MeshPlane) -> None:
        """From now on; before its first epoch."""
        self.losses = InterventionLosses(plane, self._kept)
        plane.on_places_gone = self.losses.places_gone

    def account(self) -> dict[str, Any]:
        """For the summary; nothing where nothing was ever failed or changed."""
        begun = self._kept.begun_by(self._mesh.clock.sim_ns())
        if not begun:
            return {}
        costs = self.losses.costs()
        most = sorted(costs, key=lambda number: -(costs[number].failed + costs[number].lost))[:_MOST_TOLD]
        told = [self._kept.numbered(number) for number in most]
        return {
            "count": begun,
            "packets_failed": sum(each.failed for each in costs.values()),
            "packets_lost": sum(each.lost for each in costs.values()),
            "most": [
                {"intervention": each.number, "what": each.what, "by": each.by} | costs[each.number].to_dict()
                for each in told
            ],
        }

    def _named(self, what: str) -> Named:
        scenario = self._mesh.scenario
        shells = [shell.name for shell in scenario.constellation.shells]
        return resolve(what, self._mesh.nodes, scenario.ground.stations, shells)

    def _meant(self, text: str, in_force: Sequence[Intervention]) -> list[Intervention]:
        """Of a set all that name nothing else; by the name that was failed, which may be a catalogue number;
        else by the number of an intervention."""
        if is_set(text):
            with contextlib.suppress(UnknownName):
                named = self._named(text)
                return [each for each in in_force if each.what == text or each.named.is_within(named)]
        by_name = [each for each in in_force if each.what == text]
        return by_name or [each for each in in_force if str(each.number) == text]

    def _not_in_force(self, text: str, in_force: Sequence[Intervention]) -> InputError:
        """Why it cannot be restored; what names nothing at all is refused as where it is to fail."""
        if not text.isdecimal():
            named = self._named(text)
            for each in in_force:
                if named.is_within(each.named):
                    return InputError(f"{shown(text)} is a part of {shown(each.what)}: restore that")
        names = ", ".join(sorted({each.what for each in in_force})[:8]) or "nothing"
        return UnknownName(f"{shown(text)} has not been failed or changed; in force: {names}")

    def _is_there(self, each: Intervention) -> bool:
        """Of a set: one of its links at least."""
        epoch, links = self._mesh.epoch, each.named.links
        if epoch is None or not len(links):
            return epoch is not None
        return bool(np.isin(links, epoch.links.key(), assume_unique=True).any())

    def _soon(self) -> int:
        """When what is asked for now can be in force: once an epoch of it has been computed."""
        epoch = self._mesh.epoch
        if epoch is None:
            raise FailureError("the mesh is still being built: ask again in a moment")
        course, sim_ns = self._mesh.clock.course, self._mesh.clock.sim_ns()
        is_exact = len(self._mesh.nodes) <= EXACT_UP_TO
        # of the machine's time; none passes where emulated time stands still
        soon_ns = max(sim_ns + round(self._ahead_ns(is_exact) * course.ratio), epoch.sim_ns + 1)
        if is_exact or course.is_still:
            return soon_ns
        # so large a mesh has epochs at its steps alone: what ended before the next would never be on a link
        step_ns = self._mesh.step_ns
        return epoch.sim_ns + -(-(soon_ns - epoch.sim_ns) // step_ns) * step_ns

    def _ahead_ns(self, is_exact: bool) -> int:
        """How far ahead the instant of what is asked for now lies."""
        # a paced clock waits for what is late, and a step of a mesh that has no epochs between is of all
        if not is_exact or self._mesh.clock.name == "paced":
            return min(max(self._cost_ns + _MARGIN_NS, _LEAST_AHEAD_NS), _MOST_AHEAD_NS)
        # of the last ones a quick one: who is done sooner waits, and a slow tick is no rule
        asked = sorted(self._asked_cost_ns or self._costs_ns or (self._cost_ns,))
        cost_ns = asked[len(asked) // 4]
        return min(max(cost_ns, _SOONEST_NS), _MOST_AHEAD_NS)

    def _patience_s(self, at_sim_ns: int) -> float:
        """How long that may take, beyond what it usually does."""
        course = self._mesh.clock.course
        until_s = (course.mono_at(at_sim_ns) - time.monotonic_ns()) / 1e9 if course.ratio else 0.0
        return _IN_FORCE_S + max(0.0, until_s) + self._cost_ns / 1e9

    @contextlib.contextmanager
    def _in_turn(self, began_ns: int) -> Iterator[float]:
        """One after the other; until when (of the monotonic clock, s) this one may take."""
        deadline_s = began_ns / 1e9 + _IN_FORCE_S
        if not self._turn.acquire(timeout=max(0.0, deadline_s - time.monotonic())):
            raise FailureError(
                f"what was asked for before it is not in force after {_IN_FORCE_S:.0f} s, "
                "so nothing was done: ask again once ticks go on (orbitmesh status)"
            )
        try:
            yield deadline_s
        finally:
            self._turn.release()

    def _await(self, numbers: Sequence[int], *, end: bool) -> None:
        with self._changed:
            self._awaited, self._await_end = set(numbers), end

    def _wait_until(self, sim_ns: int, deadline_s: float) -> None:
        def is_there() -> bool:
            return self._mesh.ended or not self._awaited

        with self._changed:
            done = self._changed.wait_for(is_there, max(0.0, deadline_s - time.monotonic()))
        # an epoch may be handed over a little before its instant
        while done and self._mesh.clock.sim_ns() < sim_ns and not self._mesh.ended:
            time.sleep(0.0005)
            done = time.monotonic() < deadline_s
        if self._mesh.ended:
            raise RunEnded("the run is ending")
        if not done:
            raise RunError(
                f"it is not in force after {_IN_FORCE_S:.0f} s, and will be with the next tick: "
                "are ticks late, or does the clock stand still?"
            )

    def _answer(self, interventions: Sequence[Intervention], began_ns: int) -> dict[str, Any]:
        return {
            "interventions": [each.to_dict() for each in interventions],
            "in_force_ns": max(0, self._ended_mono_ns - began_ns) if interventions else 0,
        }

    # ---- from outside

    def _intervene(self, request: Request) -> Answer:
        rate_bps = _whole_or_none(request, "rate_bps", 1, MOST_RATE_BPS)
        delay_ns = _whole_or_none(request, "extra_delay_ns", 0, MOST_DELAY_NS) or 0
        loss_ratio = _share_or_none(request, "loss_ratio")
        changes = rate_bps is not None or delay_ns > 0 or loss_ratio is not None
        change = Change(rate_bps, delay_ns, loss_ratio) if changes else None
        lasts_ns = _whole_or_none(request, "lasts_ns", 1, _LONGEST_NS)
        by = plain(request.text("by"), 60)
        return self.intervene(request.texts("what"), lasts_ns=lasts_ns, change=change, by=by), ()

    def _scenario(self, _: Request) -> Answer:
        """All that another process needs to know what lies ahead."""
        told = base64.b64encode(pickle.dumps((self._mesh.scenario, self._kept))).decode()
        return {"scenario": told, "sim_ns": self._mesh.clock.sim_ns()}, ()

    def _lift(self, request: Request) -> Answer:
        return self.lift(None if request.get("what") is None else request.texts("what")), ()


def _check(change: Change) -> None:
    """Who calls in this process has no door before it: a negative delay would end the run."""
    rate_bps, delay_ns, loss_ratio = change.rate_bps, change.extra_delay_ns, change.loss_ratio
    if rate_bps is None and delay_ns == 0 and loss_ratio is None:
        raise InputError("nothing is to change: give a rate, a loss or a delay; to fail a link, call fail")
    if rate_bps is not None and not 0 < rate_bps <= MOST_RATE_BPS:
        raise InputError(
            f"a rate of {rate_bps} bit/s: write more than 0 and at most {MOST_RATE_BPS // 10**12} Tbit/s; "
            "to break a link, call fail"
        )
    if not 0 <= delay_ns <= MOST_DELAY_NS:
        raise InputError(
            f"a delay of {delay_ns / 1e6:g} ms more: write 0 or more, and at most {MOST_DELAY_NS // 10**9} s"
        )
    if loss_ratio is not None and not 0 <= loss_ratio <= 1:
        raise InputError(f"a loss of {loss_ratio:g}: write a share from 0 to 1")


def _whole_or_none(request: Request, key: str, least: int, most: int) -> int | None:
    value = request.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(
            f"the request's {key!r} is {shown(value)}: give it a whole number, {least} to {most}"
        )
    return value


def _share_or_none(request: Request, key: str) -> float | None:
    value = request.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"the request's {key!r} is {shown(value)}: give it a number from 0 to 1")
    return float(value)
