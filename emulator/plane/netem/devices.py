"""The devices of links and their qdiscs: made, told, asked and removed, with a sentence of who refused."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Sequence

import numpy as np

from ...arrays import Int32, Int64
from ...errors import BackendError, KernelError
from ..backend import LinkEnd
from ..kernel.netlink import Messages, batch_starts
from . import messages, readback
from .sockets import Refusal, Sockets
from .table import LinkTable, ends_of
from .translate import bytes_per_s, limit_packets

_PAIRS_PER_SEND = 64
#: a worker of the kernel's brings devices into operation, at once where it has a turn
_OPERATION_TIMEOUT_S = 30.0
_OPERATION_POLL_S = 0.0005


class Devices:
    """Of the links in a table.  BackendError names the interface and what was asked of it."""

    def __init__(self, table: LinkTable) -> None:
        self._table = table
        self._sockets = Sockets()

    def enter(self, netns_fds: Sequence[int]) -> Int32:
        """A slot for each namespace, until its end leaves."""
        return self._sockets.take(netns_fds)

    def leave(self, ends: Int32) -> None:
        self._sockets.give(self._table.slot[ends])

    def look_up(self, ends: Int32) -> None:
        """The interfaces' numbers, once they have been made."""
        table = self._table
        table.ifindex[ends] = [
            self._sockets[slot].ifindex(table.names[end])
            for slot, end in zip(table.slot[ends].tolist(), ends.tolist(), strict=True)
        ]

    def command(self, ends: Int32, latency_ns: Int64, *, new: bool = False) -> None:
        """Send all parameters of these ends; nothing else decides what is sent."""
        if len(ends) == 0:
            return
        links = ends // 2
        loss = np.where(
            self._table.up[links],
            np.rint(self._table.loss_ratio[links] * messages.LOSE_ALL),
            messages.LOSE_ALL,
        )
        self._table.sent_latency_ns[ends] = latency_ns
        self._table.sent_limit[ends] = limit_packets(
            self._table.rate_bps[ends], self._table.queue_bytes[ends], latency_ns, self._table.mtu_bytes[ends]
        )
        self._table.sent_rate[ends] = bytes_per_s(self._table.rate_bps[ends])
        self._table.sent_loss[ends] = loss
        message = messages.netem_messages(
            self._table.ifindex[ends],
            latency_ns,
            self._table.sent_rate[ends],
            self._table.sent_limit[ends],
            self._table.sent_loss[ends],
            new=new,
        )
        self.send(ends, message, "be given a netem" if new else "be changed")

    def ask(self, ends: Int32) -> list[readback.Qdisc]:
        answers, refusals = self._sockets.ask(
            self._table.slot[ends], messages.qdisc_questions(self._table.ifindex[ends])
        )
        self._no_refusal(ends, refusals, "be read")
        return self._by_row(ends, answers)

    def _by_row(self, ends: Int32, answers: list[tuple[int, bytes]]) -> list[readback.Qdisc]:
        found = {row: q for row, m in answers for q in readback.qdiscs([m])}
        for row, end in enumerate(ends.tolist()):
            if row not in found or found[row].kind != "netem":
                raise BackendError(
                    f"{self._table.called(end)} has no netem any more: something else removed it"
                )
        return [found[row] for row in range(len(ends))]

    def dump(self, ends: Int32) -> list[readback.Qdisc]:
        """The root qdisc of each end, from a dump of each namespace."""
        found: dict[tuple[int, int], readback.Qdisc] = {}
        for slot in np.unique(self._table.slot[ends]).tolist():
            answers, refused = self._sockets[slot].ask(messages.qdisc_dump(), last_seq=0)
            if refused:
                raise KernelError(f"qdiscs cannot be listed: {refused[0]}")
            found.update(((slot, q.ifindex), q) for q in readback.qdiscs(answers))
        result = []
        for end in ends.tolist():
            q = found.get((int(self._table.slot[end]), int(self._table.ifindex[end])))
            if q is None or q.kind != "netem":
                raise BackendError(
                    f"{self._table.called(end)} has no netem any more: something else removed it"
                )
            result.append(q)
        return result

    def send(self, ends: Int32, message: Messages, what: str) -> None:
        self._no_refusal(ends, self._sockets.send(self._table.slot[ends], message), what)

    def _no_refusal(self, ends: Int32, refusals: list[Refusal], what: str) -> None:
        if refusals:
            more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
            end = int(ends[refusals[0].row])
            raise BackendError(f"{self._table.called(end)} could not {what}: {refusals[0].why}{more}")

    def make_pairs(self, ends: Sequence[tuple[LinkEnd, LinkEnd]], links: Int32, made: list[int]) -> None:
        """Appends to ``made`` the rows that were made, also where BackendError is raised."""
        slots = self._table.slot[2 * links]
        order = np.argsort(slots, kind="stable")
        starts = batch_starts(slots[order], _PAIRS_PER_SEND)
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
            rows = order[start:stop].tolist()
            batch = b"".join(
                messages.veth_pair(
                    row,
                    ends[row][0].interface,
                    ends[row][1].netns_fd,
                    ends[row][1].interface,
                    messages.mac_address(int(links[row])),
                    messages.TX_QUEUE_PACKETS[0],
                    mtu_bytes=ends[row][0].mtu_bytes,
                    acknowledge=row == rows[-1],
                )
                for row in rows
            )
            refused = self._sockets[int(slots[rows[0]])].send(batch, rows[-1])
            made += [row for row in rows if row not in {r.seq for r in refused}]
            if refused:
                a, b = ends[refused[0].seq]
                raise BackendError(f"veth pair {a.interface} and {b.interface} cannot be made: {refused[0]}")

    def undo(self, ends: Sequence[tuple[LinkEnd, LinkEnd]], links: Int32, made: list[int]) -> None:
        for row in made:
            socket = self._sockets[int(self._table.slot[2 * links[row]])]
            with contextlib.suppress(KernelError):  # the first error is the one to tell
                ifindex = np.array([socket.ifindex(ends[row][0].interface)], np.int32)
                self._sockets.send(self._table.slot[2 * links[[row]]], messages.removal_messages(ifindex))
        self.leave(ends_of(links))
        self._table.give_ids(links)

    def remove(self, links: Int32) -> None:
        ends = 2 * links  # the other one goes with it
        refusals = self._sockets.send_side_by_side(
            self._table.slot[ends], messages.removal_messages(self._table.ifindex[ends])
        )
        # it may have gone with a namespace, or somebody removed it: gone it is
        self._no_refusal(ends, [r for r in refusals if r.why.errno != errno.ENODEV], "be removed")

    def bring_up(self, links: Int32) -> None:
        """Tell both ends of each to be up; what is sent before they carry is lost without a count.

        The end that comes up second has its carrier and carries at once.  The first one's comes with it,
        and it waits for a worker of the kernel's: in a hurry, where the second's news may take a second.
        """
        waits = 2 * links
        for ends in (waits, waits + 1):
            self.send(ends, messages.up_messages(self._table.ifindex[ends]), "be brought up")
        until_s = time.monotonic() + _OPERATION_TIMEOUT_S
        while True:
            waits = waits[np.array([row for row, device in self._look_at(waits) if not device.carries], int)]
            if len(waits) == 0:
                return
            if time.monotonic() > until_s:
                raise BackendError(
                    f"{self._table.called(int(waits[0]))} was brought up and carries nothing after "
                    f"{_OPERATION_TIMEOUT_S:g} s ({len(waits)} such): is the machine overloaded?"
                )
            time.sleep(_OPERATION_POLL_S)

    def refused_by_peer(self, ends: Int32) -> Int64:
        """What the other device of each did not take."""
        refused = np.zeros(len(ends), np.int64)
        for row, device in self._look_at(ends):
            refused[row] = device.tx_dropped
        return refused

    def _look_at(self, ends: Int32) -> list[tuple[int, readback.Device]]:
        answers, refusals = self._sockets.ask(
            self._table.slot[ends], messages.device_questions(self._table.ifindex[ends])
        )
        self._no_refusal(ends, refusals, "be read")
        return [(row, device) for row, message in answers for device in readback.devices([message])]

    def close(self) -> None:
        self._sockets.close()
