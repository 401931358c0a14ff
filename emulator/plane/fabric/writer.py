"""Epochs written into banks of the shared table, each after the one before.

Which pair of pipes a ground link has, and how often a pipe has led elsewhere, follow from all epochs until
then; so one that does not come into force is undone.
"""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from ...arrays import UInt32, pair_keys
from ...course import Course
from ...epoch import UNUSED, Epoch, Float32, Int32, Int64, LinkKind
from ...errors import InputError, RunError
from ...scenario import Scenario
from . import banks
from .ground import GroundLinks, GroundPairs
from .losses import own_losses
from .readback import pipes_of
from .table import Bank, FabricTable, write_routes


@dataclass(frozen=True, eq=False)
class _State:
    word: UInt32  # of each pipe
    pairs: GroundPairs
    pair: Int32  # of each ground link of the epoch, in order of its rows

    def copy(self) -> _State:
        return _State(self.word.copy(), deepcopy(self.pairs), self.pair)


@dataclass(frozen=True, eq=False)
class Written:
    """Of an epoch: how many links it adds and removes; pipes with a loss of their own, and that."""

    n_added: int
    n_removed: int
    losses: tuple[Int64, Float32]
    before: _State


class EpochWriter:
    def __init__(self, table: FabricTable, scenario: Scenario, n_satellites: int, ipv4: UInt32) -> None:
        self._sizes, self._scenario, self._n_satellites, self._ipv4 = (
            table.sizes,
            scenario,
            n_satellites,
            ipv4,
        )
        self._pairs = GroundPairs(self._sizes.ground_pipes // 2)
        self._pair: Int32 = np.empty(0, np.int32)
        self._word = np.zeros(self._sizes.n_pipes, np.uint32)
        self._destinations: Int32 = np.empty(0, np.int32)
        self._places = banks.addresses_hashed(np.empty(0, np.uint32), self._sizes.hash_slots)

    def write(self, bank: Bank, new: Epoch, course: Course) -> Written:
        """``course``: of emulated time since the last commit."""
        before = _State(self._word, self._pairs, self._pair).copy()
        came, went = self._lasers(bank, new)
        of_ground = self._word[self._sizes.n_laser_pipes :]
        was_up = banks.is_up(of_ground)
        self._ground(bank, new, course)
        is_up = banks.is_up(of_ground)
        self._routes(bank, new)
        return Written(
            n_added=(came + int(np.count_nonzero(is_up & ~was_up))) // 2,
            n_removed=(went + int(np.count_nonzero(was_up & ~is_up))) // 2,
            losses=own_losses(new.links, lambda rows: self.pipes_of(rows, new)),
            before=before,
        )

    def undo(self, written: Written) -> None:
        """As if it had never been written: the bank is written again by the next."""
        self._word, self._pairs, self._pair = written.before.word, written.before.pairs, written.before.pair

    def pipes_of(self, rows: Int64, epoch: Epoch, followed_by: Written | None = None) -> Int64:
        """(n, 2): of links of the epoch whose ground links were given pairs last, or before the other's."""
        pair = self._pair if followed_by is None else followed_by.before.pair
        return pipes_of(rows, epoch.links, epoch.routes.ports, pair, self._sizes.n_laser_pipes)

    def ground_pipe(self, u: int, v: int) -> int | None:
        """The pipe from a node to another, where they have a ground link."""
        low, high = min(u, v), max(u, v)
        pair = np.flatnonzero(self._pairs.owner == (low << 32 | high))
        return self._sizes.n_laser_pipes + 2 * int(pair[0]) + (u > v) if len(pair) else None

    def check_room(self, n_destinations: int) -> None:
        """InputError where a run cannot route to so many nodes."""
        if n_destinations > (room := self._sizes.destinations):
            raise InputError(
                f"{n_destinations} nodes are to be routed to, and this run has room for {room}: "
                "end programs in nodes that are no longer needed, or name more in compute.satellites"
            )

    def _lasers(self, bank: Bank, new: Epoch) -> tuple[int, int]:
        n, ports = self._sizes.n_laser_pipes, new.routes.ports
        if ports.laser_slots != self._sizes.laser_slots:
            raise RunError(
                f"the epoch has {ports.laser_slots} laser terminals at each satellite, and this fabric "
                f"was made for {self._sizes.laser_slots}"
            )
        scale = self._scenario.run.rate_scale
        neighbour = ports.laser_neighbour
        if new.links.up is not None:
            is_down = (ports.laser_row >= 0) & ~new.links.up[ports.laser_row]
            neighbour = np.where(is_down, np.int32(UNUSED), neighbour)
        return banks.laser_pipes(ports, neighbour, new.links, scale, self._word[:n], bank.pipes[:n])

    def _ground(self, bank: Bank, new: Epoch, course: Course) -> None:
        links, ports, scale = new.links, new.routes.ports, self._scenario.run.rate_scale
        row = np.flatnonzero(links.kind == LinkKind.GROUND)
        ground = self._scenario.ground
        owner_before = self._pairs.owner.copy()
        self._pair = self._pairs.follow(
            GroundLinks(
                key=pair_keys(links.a[row], links.b[row]),
                delay_ns=links.delay_ns[row],
                slope_ns_per_s=links.delay_slope_ns_per_s[row],
                down_bps=banks.rates_bps(links.rate_ab_bps[row], scale),
                up_bps=banks.rates_bps(links.rate_ba_bps[row], scale),
            ),
            new.sim_ns,
            ground.overlap_ns if ground.handover == "make-before-break" else 0,
            new.links.broken,
            time.monotonic_ns() if course.is_still else course.mono_at(new.sim_ns),
        )
        pairs, n_lasers = self._pairs, self._sizes.n_laser_pipes
        pipes, word = bank.pipes[n_lasers:], self._word[n_lasers:]
        there = pairs.owner >= 0
        if new.links.up is not None:
            there[self._pair[~new.links.up[row]]] = False
        far = np.empty(len(word), np.int32)
        far[0::2] = np.where(there, pairs.owner & 0xFFFFFFFF, -1)  # down, to the gateway
        far[1::2] = np.where(there, pairs.owner >> 32, -1)
        word[:] = banks.next_words(word, far, np.repeat(pairs.owner != owner_before, 2))
        pipes["delay_ns"] = np.repeat(banks.delays_ns(pairs.delay_ns), 2)
        pipes["slope_ns_per_s"] = np.repeat(pairs.slope_ns_per_s, 2)
        pipes["rate_bps"][0::2], pipes["rate_bps"][1::2] = pairs.down_bps, pairs.up_bps
        pipes["word"] = word
        entry_pair = self._pair[np.searchsorted(row, ports.ground_row)]
        # a node whose neighbour is a gateway is a satellite, and sends down
        upwards = ports.ground_neighbour < self._n_satellites
        bank.ground_first[:] = ports.ground_first[:-1]
        bank.ground_pipe[: len(entry_pair)] = n_lasers + 2 * entry_pair + upwards

    def _routes(self, bank: Bank, new: Epoch) -> None:
        destinations = new.routes.destinations
        if not np.array_equal(destinations, self._destinations):
            self.check_room(len(destinations))
            self._places = banks.addresses_hashed(self._ipv4[destinations], self._sizes.hash_slots)
            self._destinations = destinations
        write_routes(bank, self._places, destinations, new.routes.code)
