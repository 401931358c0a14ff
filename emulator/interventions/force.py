"""What all interventions that hold at an instant do together, as arrays."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..arrays import pair_keys, read_only
from ..epoch import Bool, Float64, Int32, Int64, Links
from ..links.lasers import Lasers
from ..links.visibility import Sight
from .intervention import Intervention

_NONE = read_only(np.empty(0, np.int64))
_MOST_OVER = 100  # that have ended, and are still in the list


@dataclass(frozen=True, eq=False)
class _ByLink:
    """(m,) each, keys rising; a rate of 0, or a loss of NaN: that of the link."""

    key: Int64
    rate_bps: Int64
    extra_delay_ns: Int64
    loss_ratio: Float64
    lossy_by: Int64


@dataclass(eq=False)
class _LeftOf:
    """Of the pairs that were asked for last, the rows that are not broken."""

    pairs: Int32 | None = None
    rows: Int64 = field(default_factory=_NONE.copy)


@dataclass(frozen=True, eq=False)
class Force:
    """``dead``: (n_nodes,) bool; ``broken``: keys of links, rising; ``antennas_lost``: (n_gateways,) int32.

    ``changed``: the interventions that change links, in the order in which they came into force: of two
    rates, or losses, the later one holds (a node's over a link's), delays add up.
    """

    dead: Bool
    broken: Int64
    antennas_lost: Int32
    changed: tuple[Intervention, ...] = ()
    dead_by: Int32 | None = (
        None  # (n_nodes,) by which intervention each is dead, else -1: the first of several
    )
    broken_number: Int64 | None = None  # likewise of each of ``broken``
    _left: _LeftOf = field(default_factory=_LeftOf, repr=False)

    def broken_by(self, a: Int32, b: Int32) -> Int64:
        """(n,) the number of the intervention that breaks the link between these, or -1."""
        found = np.full(len(a), -1, np.int64)
        if self.broken_number is not None:
            place, is_there = _among(self.broken, pair_keys(a, b))
            found[is_there] = self.broken_number[place[is_there]]
        if self.dead_by is not None:
            for end in (a, b):
                found = np.where(found < 0, self.dead_by[end], found)
        return found

    def lossy_by(self, a: Int32, b: Int32) -> Int64:
        """(n,) the number of the intervention whose loss the link between these has, or -1."""
        found, by_link = np.full(len(a), -1, np.int64), self._by_link
        place, is_there = _among(by_link.key, pair_keys(a, b))
        found[is_there] = by_link.lossy_by[place[is_there]]
        for each in self._changed_nodes:
            if each.change is not None and each.change.loss_ratio is not None:
                found[np.isin(a, each.named.nodes) | np.isin(b, each.named.nodes)] = each.number
        return found

    @cached_property
    def breaks(self) -> bool:
        return bool(len(self.broken)) or self._kills or self._loses_antennas

    @cached_property
    def _loses_antennas(self) -> bool:
        return bool(self.antennas_lost.any())

    @cached_property
    def _kills(self) -> bool:
        return bool(self.dead.any())

    @cached_property
    def _breaks_on_the_ground(self) -> bool:
        """Some of the links that are broken end at a gateway."""
        n_satellites = len(self.dead) - len(self.antennas_lost)
        return self._kills or bool(((self.broken & 0xFFFFFFFF) >= n_satellites).any())

    def hits(self, a: Int32, b: Int32) -> Bool:
        """(n,) bool: of links between these, which are broken."""
        hit: Bool = self.dead[a] | self.dead[b] if self._kills else np.zeros(len(a), np.bool_)
        if len(self.broken):
            hit |= _are_among(self.broken, pair_keys(a, b))
        return hit

    def left_of(self, lasers: Lasers) -> Lasers:
        """Without those broken.  Which they are is remembered: a grid's pairs seldom change."""
        left = self._left
        if left.pairs is not lasers.pairs:
            hit = self.hits(lasers.pairs[:, 0], lasers.pairs[:, 1])
            left.pairs, left.rows = lasers.pairs, np.flatnonzero(~hit)
        return lasers.only(left.rows)

    def seen(self, sight: Sight, antennas: Sequence[int], n_satellites: int) -> Sight:
        """Without whom a station can have no link to: the dead, links that are broken, no antenna left."""
        if not self._breaks_on_the_ground and not self._loses_antennas:
            return sight
        station = np.repeat(np.arange(len(sight.first) - 1), np.diff(sight.first))
        gateway = (station + n_satellites).astype(np.int32)
        kept = ~self.hits(sight.satellite, gateway)
        kept &= (np.asarray(antennas) > self.antennas_lost)[station]
        if kept.all():
            return sight
        count = np.bincount(station[kept], minlength=len(sight.first) - 1)
        first = np.append(0, np.cumsum(count)).astype(sight.first.dtype)
        return Sight(first, sight.satellite[kept], sight.range_km[kept], sight.sine_elevation[kept])

    def antennas_left(self, antennas: Sequence[int]) -> tuple[int, ...]:
        """At least one each: who has none left sees nothing."""
        if not self._loses_antennas:
            return tuple(antennas)
        return tuple(max(1, n - lost) for n, lost in zip(antennas, self.antennas_lost.tolist(), strict=True))

    def over(self, links: Links, left: Callable[[], Int32], *, is_known: bool = False) -> Links:
        """The links as they are while this holds: those broken are down, rates and delays changed.

        ``left``: (m, 2) satellites and gateways that were linked before, of which those broken are named.
        ``is_known``: the links are without those that it breaks.
        """
        if self.breaks:
            up = None if is_known else ~self.hits(links.a, links.b)
            broken = self._broken_of(left()) if self._breaks_on_the_ground else _NONE
            links = replace(links, up=None if up is None or up.all() else read_only(up), broken=broken)
        if self.changed:
            return self._changed_over(links)
        return links

    def _broken_of(self, left: Int32) -> Int64:
        gone = left[self.hits(left[:, 0], left[:, 1])]
        return read_only(np.unique(pair_keys(gone[:, 0], gone[:, 1])))

    def _changed_over(self, links: Links) -> Links:
        there, back, delay_ns = links.rate_ab_bps.copy(), links.rate_ba_bps.copy(), links.delay_ns.copy()
        by_link = self._by_link
        row, is_there = _among(links.key(), by_link.key)
        row = row[is_there]
        delay_ns[row] += by_link.extra_delay_ns[is_there]
        rate_bps = by_link.rate_bps[is_there]
        has_rate = np.flatnonzero(rate_bps)
        row_of_rate, rate_bps = row[has_rate], rate_bps[has_rate]
        there[row_of_rate] = back[row_of_rate] = rate_bps
        loss = np.full(len(links), np.nan) if self._loses else None
        if loss is not None:
            loss[row] = by_link.loss_ratio[is_there]
        for each in self._changed_nodes:
            assert each.change is not None
            rows = np.isin(links.a, each.named.nodes) | np.isin(links.b, each.named.nodes)
            delay_ns[rows] += each.change.extra_delay_ns
            if each.change.rate_bps is not None:
                there[rows] = back[rows] = each.change.rate_bps
            if loss is not None and each.change.loss_ratio is not None:
                loss[rows] = each.change.loss_ratio
        return replace(
            links,
            rate_ab_bps=read_only(there),
            rate_ba_bps=read_only(back),
            delay_ns=read_only(delay_ns),
            loss_ratio=None if loss is None or np.isnan(loss).all() else read_only(loss),
        )

    @cached_property
    def _loses(self) -> bool:
        return any(each.change is not None and each.change.loss_ratio is not None for each in self.changed)

    @cached_property
    def _changed_nodes(self) -> tuple[Intervention, ...]:
        """Few: each is looked for among all links."""
        return tuple(each for each in self.changed if len(each.named.nodes))

    @cached_property
    def _by_link(self) -> _ByLink:
        found: dict[int, tuple[int, int, float, int]] = {}
        for each in self.changed:
            change = each.change
            assert change is not None
            for key in each.named.links.tolist():
                rate_bps, delay_ns, loss_ratio, by = found.get(key, (0, 0, np.nan, -1))
                found[key] = (
                    change.rate_bps or rate_bps,
                    delay_ns + change.extra_delay_ns,
                    loss_ratio if change.loss_ratio is None else change.loss_ratio,
                    by if change.loss_ratio is None else each.number,
                )
        keys = sorted(found)
        values = np.array([found[key][:2] for key in keys], np.int64).reshape(-1, 2)
        losses = np.array([found[key][2] for key in keys], np.float64)
        lossy_by = np.array([found[key][3] for key in keys], np.int64)
        return _ByLink(np.array(keys, np.int64), values[:, 0], values[:, 1], losses, lossy_by)


def _begin(each: Intervention) -> int:
    return each.at_sim_ns


class Interventions:
    """All of a run's; ``at`` an instant is the same Force as long as nothing begins or ends."""

    def __init__(self, n_nodes: int, n_satellites: int, asked: Sequence[Intervention] = ()) -> None:
        self._n_nodes, self._n_satellites = n_nodes, n_satellites
        self._by_number: dict[int, Intervention] = {}
        self._asked: list[Intervention] = []
        self._instants: list[int] = []
        self._held: dict[int, Force] = {}
        self.add(*asked)

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, *more: Intervention) -> tuple[Intervention, ...]:
        """As they are kept, with their numbers."""
        first = len(self._by_number)
        numbered = tuple(replace(each, number=first + i) for i, each in enumerate(more))
        for each in numbered:
            self._by_number[each.number] = each
            insort(self._asked, each, key=_begin)
            self._note(each.at_sim_ns, each.until_sim_ns)
        self._held = {}
        return numbered

    def lift(self, numbers: Collection[int], at_sim_ns: int) -> None:
        """They end at an instant, those that have not begun by then never begin; KeyError for no number."""
        for number in numbers:
            each = self._by_number[number]
            self._by_number[number] = replace(each, until_sim_ns=max(at_sim_ns, each.at_sim_ns))
        lifted = set(numbers)
        self._keep([self._by_number[e.number] if e.number in lifted else e for e in self._asked])

    def forget_before(self, sim_ns: int) -> None:
        """Nobody asks for an instant before it any more: those that have ended by then leave the list."""
        if self._asked and self._n_over(sim_ns) > _MOST_OVER:
            self._keep([e for e in self._asked if e.until_sim_ns is None or e.until_sim_ns >= sim_ns])

    def _n_over(self, sim_ns: int) -> int:
        return sum(e.until_sim_ns is not None and e.until_sim_ns < sim_ns for e in self._asked)

    def _keep(self, asked: list[Intervention]) -> None:
        self._asked = [each for each in asked if each.until_sim_ns != each.at_sim_ns]
        ends = (each.until_sim_ns for each in self._asked if each.until_sim_ns is not None)
        self._instants = sorted({*(each.at_sim_ns for each in self._asked), *ends})
        self._held = {}

    def _note(self, *instants: int | None) -> None:
        for sim_ns in instants:
            if sim_ns is None:
                continue
            place = bisect_left(self._instants, sim_ns)
            if place == len(self._instants) or self._instants[place] != sim_ns:
                self._instants.insert(place, sim_ns)

    def at(self, sim_ns: int) -> Force:
        place, held = bisect_right(self._instants, sim_ns), self._held
        found = held.get(place)
        if found is None:
            found = self._together([each for each in self._asked if each.is_in_force(sim_ns)])
            # time goes on; whoever adds one meanwhile, in another thread, begins anew
            for old in [k for k in held if k < place - 2]:
                del held[old]
            held[place] = found
        return found

    def numbered(self, number: int) -> Intervention:
        return self._by_number[number]

    def begun_by(self, sim_ns: int) -> int:
        """How many have begun until an instant."""
        return sum(
            each.at_sim_ns <= sim_ns and each.until_sim_ns != each.at_sim_ns
            for each in self._by_number.values()
        )

    def all(self) -> list[Intervention]:
        """By when they begin."""
        return list(self._asked)

    def in_force(self, sim_ns: int) -> list[Intervention]:
        return [each for each in self._asked if each.is_in_force(sim_ns)]

    def between(self, after_sim_ns: int, until_sim_ns: int) -> tuple[list[Intervention], list[Intervention]]:
        """What began, and what ended, after an instant and up to another."""
        begun: list[Intervention] = []
        ended: list[Intervention] = []
        if bisect_right(self._instants, after_sim_ns) == bisect_right(self._instants, until_sim_ns):
            return begun, ended  # as with most epochs
        for each in self._asked:
            if after_sim_ns < each.at_sim_ns <= until_sim_ns:
                begun.append(each)
            if each.until_sim_ns is not None and after_sim_ns < each.until_sim_ns <= until_sim_ns:
                ended.append(each)
        return begun, ended

    def next_change_ns(
        self, after_sim_ns: int, reaction_ns: int, within_ns: int, local_repair_ns: int | None = None
    ) -> int | None:
        """When something begins or ends next, or is known to have, so much later; of several within
        ``within_ns`` of the first, the last."""
        found = [
            change_ns + late_ns
            for late_ns in {0, reaction_ns, local_repair_ns or 0}
            if (change_ns := self._next_ns(after_sim_ns - late_ns, within_ns)) is not None
        ]
        return min(found, default=None)

    def _next_ns(self, after_sim_ns: int, within_ns: int) -> int | None:
        place = bisect_right(self._instants, after_sim_ns)
        if place == len(self._instants):
            return None
        last = bisect_right(self._instants, self._instants[place] + within_ns) - 1
        return self._instants[max(place, last)]

    def _together(self, held: Sequence[Intervention]) -> Force:
        dead = np.zeros(self._n_nodes, np.bool_)
        antennas = np.zeros(self._n_nodes - self._n_satellites, np.int32)
        dead_by = np.full(self._n_nodes, -1, np.int32)
        broken, by = [_NONE], [_NONE]
        for each in held:
            if each.change is None:
                dead[each.named.nodes] = True
                alive = each.named.nodes[dead_by[each.named.nodes] < 0]
                dead_by[alive] = each.number
                by.append(np.full(len(each.named.links), each.number))
                np.add.at(antennas, each.named.antennas - self._n_satellites, 1)
                broken.append(each.named.links)
        changed = tuple(each for each in held if each.change is not None)
        keys, first = np.unique(np.concatenate(broken), return_index=True)
        number = np.concatenate(by)[first]
        return Force(read_only(dead), keys, read_only(antennas), changed, read_only(dead_by), number)


def _are_among(keys: Int64, wanted: Int64) -> Bool:
    """(n,) bool: which of those wanted are among keys that rise, some at least."""
    if len(keys) < len(wanted) and (wanted[1:] > wanted[:-1]).all():
        # each epoch asks it of all its links: the few are looked for among them, in a fifth of the time
        found = np.zeros(len(wanted), np.bool_)
        place, is_there = _among(wanted, keys)
        found[place[is_there]] = True
        return found
    return _among(keys, wanted)[1]


def _among(keys: Int64, wanted: Int64) -> tuple[Int64, Bool]:
    """(n,) each: the place of each of those wanted among keys that rise, and whether it is there at all."""
    if not len(keys):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted
