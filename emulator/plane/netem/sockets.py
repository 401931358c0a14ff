"""One netlink socket per namespace that holds ends of links, and requests sorted to them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..kernel import netlink
from ..kernel.namespaces import enter, on_own_thread, raise_descriptor_limit

#: answers to that many questions fit the default receive buffer: a device's takes up to 4 kB of it
_QUESTIONS_PER_SEND = 32
_SIDE_BY_SIDE = 16
_SPARE_DESCRIPTORS = 64


@dataclass
class _Place:
    """A namespace, known by its inode: our socket keeps it, so nobody else can get that number."""

    inode: int
    socket: netlink.RouteSocket
    n_ends: int = 0


@dataclass(frozen=True)
class Refusal:
    """Which row of a call was refused, and why."""

    row: int
    why: netlink.Refused


class Sockets:
    """Slots, each a namespace; one is freed when the last end of a link has left it."""

    def __init__(self) -> None:
        self._slot: dict[int, int] = {}  # inode -> slot
        self._places: list[_Place | None] = []
        self._free: list[int] = []

    def __getitem__(self, slot: int) -> netlink.RouteSocket:
        place = self._places[slot]
        assert place is not None, f"slot {slot} was freed"
        return place.socket

    def take(self, netns_fds: Sequence[int]) -> NDArray[np.int32]:
        """(n,) slots of the namespaces of n ends, counted once for each end."""
        inodes = [os.fstat(fd).st_ino for fd in netns_fds]
        missing = {inode: fd for inode, fd in zip(inodes, netns_fds, strict=True) if inode not in self._slot}
        if missing:
            raise_descriptor_limit(len(missing) + _SPARE_DESCRIPTORS)
            on_own_thread(lambda: self._open(missing))
        slots = np.array([self._slot[inode] for inode in inodes], np.int32)
        for slot in slots.tolist():
            self._place(slot).n_ends += 1
        return slots

    def give(self, slots: NDArray[np.int32]) -> None:
        """The counterpart of ``take``."""
        for slot in slots.tolist():
            place = self._place(slot)
            place.n_ends -= 1
            if place.n_ends == 0:
                place.socket.close()
                del self._slot[place.inode]
                self._places[slot] = None
                self._free.append(slot)

    def send(self, slots: NDArray[np.int32], messages: netlink.Messages) -> list[Refusal]:
        """Send row i to the namespace in slot i, one send for up to 200 of a namespace."""
        refusals: list[Refusal] = []
        for slot, data, rows, last_seq in self._batches(slots, messages, netlink.MESSAGES_PER_SEND):
            refused = self[slot].send(data, last_seq)
            refusals += [Refusal(int(rows[r.seq]), r) for r in refused]
        return refusals

    def send_side_by_side(self, slots: NDArray[np.int32], messages: netlink.Messages) -> list[Refusal]:
        """As ``send``, from several threads: for requests in which the kernel waits for others to let go."""
        batches = list(self._batches(slots, messages, 1))
        if not batches:
            return []
        by_slot: dict[int, list[tuple[memoryview, NDArray[np.int64], int]]] = {}
        for slot, data, rows, last_seq in batches:
            by_slot.setdefault(slot, []).append((data, rows, last_seq))

        def work(slot: int) -> list[Refusal]:
            return [
                Refusal(int(rows[r.seq]), r)
                for data, rows, last_seq in by_slot[slot]
                for r in self[slot].send(data, last_seq)
            ]

        with ThreadPoolExecutor(
            min(_SIDE_BY_SIDE, len(by_slot)), thread_name_prefix="orbitmesh-veth"
        ) as pool:
            return [refusal for refusals in pool.map(work, by_slot) for refusal in refusals]

    def ask(
        self, slots: NDArray[np.int32], messages: netlink.Messages
    ) -> tuple[list[tuple[int, bytes]], list[Refusal]]:
        """As ``send``; the answers are (row, message)."""
        answers: list[tuple[int, bytes]] = []
        refusals: list[Refusal] = []
        for slot, data, rows, last_seq in self._batches(slots, messages, _QUESTIONS_PER_SEND):
            said, refused = self[slot].ask(data, last_seq)
            answers += [(int(rows[int.from_bytes(m[8:12], sys.byteorder)]), m) for m in said]
            refusals += [Refusal(int(rows[r.seq]), r) for r in refused]
        return answers, refusals

    def close(self) -> None:
        for place in self._places:
            if place is not None:
                place.socket.close()
        self._slot, self._places, self._free = {}, [], []

    def _batches(
        self, slots: NDArray[np.int32], messages: netlink.Messages, most: int
    ) -> Iterator[tuple[int, memoryview, NDArray[np.int64], int]]:
        """(slot, bytes, the row of each message, last sequence number); numbered afresh in each batch."""
        if len(slots) == 0:
            return
        order = np.argsort(slots, kind="stable")
        owner, messages = slots[order], messages[order]
        starts = netlink.batch_starts(owner, most)
        ends = np.append(starts[1:], len(owner))
        messages["nl_seq"] = np.arange(len(owner)) - np.repeat(starts, ends - starts)
        netlink.ask_acknowledgement(messages, ends - 1)
        data, size = memoryview(messages.tobytes()), messages.dtype.itemsize
        for slot, start, end in zip(owner[starts].tolist(), starts.tolist(), ends.tolist(), strict=True):
            yield slot, data[start * size : end * size], order[start:end], end - start - 1

    def _open(self, missing: dict[int, int]) -> None:
        for inode, fd in missing.items():
            enter(fd)
            place = _Place(inode, netlink.RouteSocket())
            if self._free:
                slot = self._free.pop()
                self._places[slot] = place
            else:
                slot = len(self._places)
                self._places.append(place)
            self._slot[inode] = slot

    def _place(self, slot: int) -> _Place:
        place = self._places[slot]
        assert place is not None, f"slot {slot} was freed"
        return place
