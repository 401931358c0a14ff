"""The books of what links carried and dropped: netem counts all that it drops together."""

from __future__ import annotations

import numpy as np

from ...arrays import Int32
from ...errors import BackendError
from ..backend import LinkCounters
from . import messages, readback
from .devices import Devices
from .table import DOWN, LOSS, QUEUE, LinkTable, ends_of


class Drops:
    """Of the links in a table."""

    def __init__(self, table: LinkTable, devices: Devices) -> None:
        self._table, self._devices = table, devices

    def counters(self, links: Int32) -> LinkCounters:
        ends = ends_of(links)
        now = self._devices.ask(ends)
        self._note(ends, now)
        refused_by_peer = self._devices.refused_by_peer(ends)
        left = np.array([q.packets for q in now], np.int64)
        left_bytes = np.array([_ip_bytes(q) for q in now], np.int64)
        held = np.array([q.held_packets for q in now], np.int64)
        held_bytes = np.array([q.held_frame_bytes for q in now], np.int64)
        dropped = self._table.dropped[ends]
        columns = {
            "packets_in": left + held + dropped.sum(axis=1),
            "bytes_in": left_bytes + held_bytes - held * messages.ETHERNET_HEADER_BYTES,
            "packets_out": left - refused_by_peer,
            "bytes_out": left_bytes,
            "dropped_queue": dropped[:, QUEUE],
            "dropped_loss": dropped[:, LOSS],
            "dropped_down": dropped[:, DOWN],
            "dropped_host": refused_by_peer,
        }
        return LinkCounters(**{name: value.reshape(-1, 2) for name, value in columns.items()})

    def tell(self, ends: Int32) -> None:
        """Book what these ends have dropped until now, under what they were meant to do until now."""
        if len(ends):
            self._note(ends, self._devices.ask(ends))

    def _note(self, ends: Int32, now: list[readback.Qdisc]) -> None:
        drops = np.array([q.drops for q in now], np.int64)
        self._table.dropped[ends, self._table.category[ends]] += drops - self._table.drops_told[ends]
        self._table.drops_told[ends] = drops

    def lose_what_is_held(self, ends: Int32) -> None:
        """Empty each netem, which already loses all that comes, and keep the books."""
        if len(ends) == 0:
            return
        before = self._devices.ask(ends)
        self._table.long_queue[ends] ^= 1
        length = np.array(messages.TX_QUEUE_PACKETS, np.uint32)[self._table.long_queue[ends]]
        self._devices.send(ends, messages.queue_messages(self._table.ifindex[ends], length), "be emptied")
        after = self._devices.ask(ends)
        for end, q in zip(ends.tolist(), after, strict=True):
            if q.held_packets:
                raise BackendError(
                    f"{self._table.called(end)} went down and still holds {q.held_packets} packets: "
                    "was its txqueuelen changed? (needs a kernel of 4.16 or later)"
                )
        self._note(ends, after)
        # of what it held, some may still have left in between
        lost = [max(0, b.held_packets - (a.packets - b.packets)) for b, a in zip(before, after, strict=True)]
        self._table.dropped[ends, DOWN] += lost


def _ip_bytes(q: readback.Qdisc) -> int:
    return q.frame_bytes - q.packets * messages.ETHERNET_HEADER_BYTES
