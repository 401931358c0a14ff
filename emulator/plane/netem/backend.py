"""Links carried by the kernel: a veth pair each, and a netem qdisc at both ends.

How a link's parameters become netem's:

- *Delay.* netem knows no slope, so a delay that changes is set in steps, by a
  thread of this backend, every ``netem_step_ns``.  A step commands the longest
  delay until the next one, rounded up to a whole microsecond: no packet is
  ever earlier than light, and a link is too slow by at most
  ``|slope| * netem_step + 1 µs`` (half of the first on average).  At 20 µs/s,
  the fastest a satellite nears a ground station, that is 3 µs with 100 ms.  On
  a loaded machine steps come late: each then commands for twice as much longer
  as steps have lately been late, ten seconds at most, which is 0.2 ms.  What is
  later still makes a rising delay too short, and ``cautions`` tells by how much.
  netem's own timer adds to it.
- *Rate.* Always set, to 12,000 Gbit/s where it is unlimited: only with a rate
  does netem keep packets in order when the delay falls.  It counts IP packets
  (the Ethernet header is taken off) and is kept in whole bytes a second.
- *Queue.* netem's limit is in packets and includes those in flight.  It is set
  to what the queue and the bandwidth-delay product hold of packets of the
  link's MTU; smaller packets find a shorter queue.  Devices are told to make no
  large packets for segmentation (a queue would hold 44 times as much).
- *Loss.* Drawn by the kernel, from its own generator: a seed does not repeat it.
- *Down* is netem with a loss of 100 %: the interface stays up, and routes
  through it stay.  What is in flight when a link goes down must be lost: netem is
  told to lose all that comes, and then to lose what it holds (see
  ``messages.queue_messages``).  It stays where it is.  What is sent in the moment
  it takes is lost with the rest, and the kernel does not count it.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import threading
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, HostError, KernelError
from ..backend import Lateness, LinkCounters, LinkEnd, LinkParameters, Probe
from ..kernel import privileges
from ..kernel.namespaces import on_own_thread
from ..kernel.netlink import Messages, batch_starts
from . import messages, readback
from .probe import try_a_link
from .sockets import Refusal, Sockets
from .steps import Steps
from .translate import DELAY_QUANTUM_NS, bytes_per_s, limit_packets, longest_until_next_step_ns

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Bool = NDArray[np.bool_]

DEFAULT_STEP_NS = 100_000_000
DEFAULT_CAPACITY_LINKS = 32_768
_MAX_NAME_BYTES = 15
_PAIRS_PER_SEND = 64
_STEP_CHUNK = 512  # ends a step sends before it lets an epoch go first
# why a packet was dropped: by what its link was meant to do then
_QUEUE, _LOSS, _DOWN = 0, 1, 2


class NetemBackend:
    """See LinkBackend, and the module for what netem makes of its parameters.

    netem counts all it drops together.  What is dropped while a link is up and
    has a loss ratio counts as ``dropped_loss``, also where the queue was full;
    and the bytes of what was dropped are not in ``bytes_in``.
    """

    name = "netem"

    def __init__(
        self, *, netem_step_ns: int = DEFAULT_STEP_NS, capacity_links: int = DEFAULT_CAPACITY_LINKS
    ) -> None:
        """``netem_step_ns``: how often a delay that changes is set anew."""
        self._step_ns = netem_step_ns
        self._lock = threading.RLock()
        self._sockets = Sockets()
        self._steps = Steps(netem_step_ns, self.step)
        self._has_started = False
        self._is_closed = self._leaves_devices = False
        self._free: list[int] = []  # a heap: the lowest id first
        self._fresh = 0  # ids from here on were never used

        n = capacity_links
        self._attached = np.zeros(n, np.bool_)
        self._up = np.zeros(n, np.bool_)
        self._t0_mono_ns = np.zeros(n, np.int64)
        self._delay_ns = np.zeros(n, np.float64)
        self._slope_ns_per_s = np.zeros(n, np.float64)
        self._loss_ratio = np.zeros(n, np.float64)
        self._covered_until_ns = np.zeros(n, np.int64)  # up to then the commanded delay is long enough
        self._too_short_ns = 0.0
        # per end, 2 * link for end a and 2 * link + 1 for end b: of the direction that starts there
        self._rate_bps = np.zeros(2 * n, np.int64)
        self._queue_bytes = np.zeros(2 * n, np.int64)
        self._mtu_bytes = np.full(2 * n, 1500, np.int64)
        self._slot = np.zeros(2 * n, np.int32)
        self._ifindex = np.zeros(2 * n, np.int32)
        self._long_queue = np.zeros(2 * n, np.int8)  # which of TX_QUEUE_PACKETS the device has
        self._names: dict[int, str] = {}
        # as last sent
        self._sent_latency_ns = np.zeros(2 * n, np.int64)
        self._sent_limit = np.zeros(2 * n, np.uint32)
        self._sent_rate = np.zeros(2 * n, np.uint64)
        self._sent_loss = np.zeros(2 * n, np.uint32)
        # counts that a qdisc does not hold, or holds under another heading
        self._category = np.zeros(2 * n, np.int8)
        self._dropped = np.zeros((2 * n, 3), np.int64)
        self._drops_told = np.zeros(2 * n, np.int64)  # of the qdisc's drops, those in _dropped

    @classmethod
    def probe(cls) -> Probe:
        reason = privileges.missing(tun=False)
        if reason is not None:
            return Probe(False, reason)
        try:
            reason = on_own_thread(try_a_link)
        except HostError as error:
            return Probe(False, f"{error}: run it in the Vagrant box")
        except KernelError as error:
            return Probe(False, f"{error}: use the Vagrant box, or run with --links engine")
        return Probe(reason is None, reason or "the kernel has veth and sch_netem")

    def start(self) -> None:
        if self._has_started or self._is_closed:
            raise BackendError("the netem backend was started before: make a new NetemBackend")
        probe = self.probe()
        if not probe.works:
            raise BackendError(probe.reason)
        self._has_started = True
        self._steps.start()

    def attach(self, ends: Sequence[tuple[LinkEnd, LinkEnd]]) -> Int32:
        with self._lock:
            self._need_running()
            both = [end for pair in ends for end in pair]
            for end in both:
                name = end.interface.encode()
                if not 0 < len(name) <= _MAX_NAME_BYTES or b"%" in name:
                    raise BackendError(
                        f"{end.interface!r} is no interface name: at most {_MAX_NAME_BYTES} bytes, and no %"
                    )
            links = self._take_ids(len(ends))
            rows = _ends(links)
            try:
                slots = self._sockets.take([end.netns_fd for end in both])
            except BaseException:
                self._give_ids(links)
                raise
            self._slot[rows] = slots
            self._mtu_bytes[rows] = [end.mtu_bytes for end in both]
            self._names.update(zip(rows.tolist(), [end.interface for end in both], strict=True))
            made: list[int] = []
            try:
                self._make_pairs(ends, links, made)
                self._ifindex[rows] = [
                    self._sockets[slot].ifindex(end.interface)
                    for slot, end in zip(slots.tolist(), both, strict=True)
                ]
                self._forget(links)
                self._command(rows, np.zeros(len(rows), np.int64), new=True)
                self._send(rows, messages.up_messages(self._ifindex[rows]), "be brought up")
            except BaseException:
                self._undo(ends, links, made)
                raise
            self._attached[links] = True
            return links

    def apply(self, parameters: LinkParameters) -> None:
        with self._lock:
            self._need_running()
            links = parameters.link
            self._check_attached(links)
            parameters.check()
            ends = _ends(links)
            goes_down = self._up[links] & ~parameters.up
            category = np.where(parameters.up, np.where(parameters.loss_ratio > 0, _LOSS, _QUEUE), _DOWN)
            category = category.repeat(2)
            changes = category != self._category[ends]
            self._tell_drops(ends[changes])
            self._category[ends] = category

            now_ns = time.monotonic_ns()
            self._note_too_short(links[self._up[links]], now_ns)
            self._take_over(parameters)
            self._command(ends, self._wanted_ns(ends, now_ns))
            self._cover(links, now_ns)
            self._lose_what_is_held(_ends(links[goes_down]))

    def _take_over(self, parameters: LinkParameters) -> None:
        links, ends = parameters.link, _ends(parameters.link)
        self._up[links] = parameters.up
        self._t0_mono_ns[links] = parameters.t0_mono_ns
        self._delay_ns[links] = parameters.delay_ns
        self._slope_ns_per_s[links] = parameters.slope_ns_per_s
        self._loss_ratio[links] = parameters.loss_ratio
        self._rate_bps[ends] = np.column_stack([parameters.rate_ab_bps, parameters.rate_ba_bps]).ravel()
        self._queue_bytes[ends] = np.column_stack(
            [parameters.queue_ab_bytes, parameters.queue_ba_bytes]
        ).ravel()

    def read(self, links: Int32) -> LinkParameters:
        """As the kernel says, by a dump that is decoded without the encoder's help.

        The kernel has the delay of this moment only, whole bytes of a rate, and
        a limit in packets: where it has what was last sent to it, the answer is
        what was commanded; where it has not, the answer is off by the same.
        """
        with self._lock:
            self._need_running()
            self._check_attached(links)
            ends = _ends(links)
            found = self._dump(ends)
            latency_ns = np.array([q.latency_ns for q in found], np.int64)
            delay_ns = self._delay_ns[links].repeat(2) + (latency_ns - self._sent_latency_ns[ends])
            rate = np.array([q.rate_bytes_per_s for q in found], np.uint64)
            rate_bps = np.where(
                rate == self._sent_rate[ends], self._rate_bps[ends], rate.astype(np.int64) * 8
            )
            limit = np.array([q.limit_packets for q in found], np.uint32)
            queue_bytes = np.where(
                limit == self._sent_limit[ends],
                self._queue_bytes[ends],
                limit.astype(np.int64) * self._mtu_bytes[ends],
            )
            lost = np.array([q.loss for q in found], np.uint32)
            loss_ratio = np.where(
                lost == self._sent_loss[ends], self._loss_ratio[links].repeat(2), lost / messages.LOSE_ALL
            )
            up = np.where(lost == self._sent_loss[ends], self._up[links].repeat(2), lost < messages.LOSE_ALL)
            for name, value in (("delay", delay_ns), ("loss", loss_ratio), ("state", up)):
                differ = np.flatnonzero(value[::2] != value[1::2])
                if len(differ):
                    raise BackendError(f"link {links[differ[0]]}: its directions disagree on the {name}")
            return LinkParameters(
                link=links.astype(np.int32),
                t0_mono_ns=self._t0_mono_ns[links],
                delay_ns=delay_ns[::2],
                slope_ns_per_s=self._slope_ns_per_s[links],
                rate_ab_bps=rate_bps[::2],
                rate_ba_bps=rate_bps[1::2],
                queue_ab_bytes=queue_bytes[::2],
                queue_ba_bytes=queue_bytes[1::2],
                loss_ratio=loss_ratio[::2],
                up=up[::2].astype(np.bool_),
            )

    def counters(self, links: Int32) -> LinkCounters:
        """Read while the kernel counts on: exact once the links are quiet."""
        with self._lock:
            self._need_running()
            self._check_attached(links)
            ends = _ends(links)
            now = self._ask(ends)
            self._note_drops(ends, now)
            devices, refusals = self._sockets.ask(
                self._slot[ends], messages.device_questions(self._ifindex[ends])
            )
            self._no_refusal(ends, refusals, "be read")
            refused_by_peer = np.zeros(len(ends), np.int64)
            for row, message in devices:
                for device in readback.devices([message]):
                    refused_by_peer[row] = device.tx_dropped
            left = np.array([q.packets for q in now], np.int64)
            left_bytes = np.array([_ip_bytes(q) for q in now], np.int64)
            held = np.array([q.held_packets for q in now], np.int64)
            held_bytes = np.array([q.held_frame_bytes for q in now], np.int64)
            dropped = self._dropped[ends]
            columns = {
                "packets_in": left + held + dropped.sum(axis=1),
                "bytes_in": left_bytes + held_bytes - held * messages.ETHERNET_HEADER_BYTES,
                "packets_out": left - refused_by_peer,
                "bytes_out": left_bytes,
                "dropped_queue": dropped[:, _QUEUE],
                "dropped_loss": dropped[:, _LOSS],
                "dropped_down": dropped[:, _DOWN],
                "dropped_host": refused_by_peer,
            }
            return LinkCounters(**{name: value.reshape(-1, 2) for name, value in columns.items()})

    def detach(self, links: Int32) -> None:
        with self._lock:
            self._need_running()
            self._check_attached(links)
            try:
                self._remove(links)
            finally:
                self._attached[links] = False
                self._up[links] = False
                ends = _ends(links)
                self._sockets.give(self._slot[ends])
                for end in ends.tolist():
                    del self._names[end]
                self._give_ids(links)

    def lateness(self) -> Lateness | None:
        return None  # netem does not say when a packet left

    def cautions(self) -> list[str]:
        said = []
        resolution_s = time.clock_getres(time.CLOCK_MONOTONIC)
        if resolution_s > 1e-6:
            said.append(
                f"this kernel's timers have a resolution of {resolution_s * 1e3:g} ms: "
                "netem is late by as much"
            )
        if self._too_short_ns > DELAY_QUANTUM_NS:
            said.append(
                f"netem's delays were set too late, and were too short by up to "
                f"{self._too_short_ns / 1e3:.1f} µs: the machine is overloaded"
            )
        return said

    def failure(self) -> str | None:
        return self._steps.failure

    def let_go(self) -> None:
        """The namespaces end right after ``close()``: leave the devices to them, who remove all at once."""
        self._leaves_devices = True

    def close(self) -> None:
        self._steps.stop()
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            links = np.flatnonzero(self._attached).astype(np.int32)
            try:
                if len(links) and not self._leaves_devices:
                    self._remove(links)
            finally:
                self._attached[:] = False
                self._sockets.close()

    # ---- steps

    def step(self) -> int:
        """Set the delays that have changed by more than can be commanded; how many ends that were."""
        with self._lock:
            up = np.flatnonzero(self._up).astype(np.int32)
            self._note_too_short(up, time.monotonic_ns())
            ends = _ends(up)
            ends = ends[np.argsort(self._slot[ends], kind="stable")]
        n_sent = 0
        for first in range(0, len(ends), _STEP_CHUNK):
            with self._lock:  # an epoch may have come in between, and links may have gone
                if self._steps.is_stopped:
                    break
                chunk = ends[first : first + _STEP_CHUNK]
                chunk = chunk[self._up[chunk // 2]]
                now_ns = time.monotonic_ns()
                wanted_ns = self._wanted_ns(chunk, now_ns)
                moved = wanted_ns != self._sent_latency_ns[chunk]
                self._command(chunk[moved], wanted_ns[moved])
                self._cover(chunk // 2, now_ns)
                n_sent += int(moved.sum())
        return n_sent

    def _wanted_ns(self, ends: Int32, now_mono_ns: int) -> Int64:
        links = ends // 2
        return longest_until_next_step_ns(
            self._delay_ns[links],
            self._slope_ns_per_s[links],
            now_mono_ns - self._t0_mono_ns[links],
            self._steps.horizon_ns,
        )

    def _cover(self, links: Int32, now_mono_ns: int) -> None:
        self._covered_until_ns[links] = now_mono_ns + self._steps.horizon_ns

    def _note_too_short(self, links: Int32, now_mono_ns: int) -> None:
        """How much too short delays have become that were to be set anew before now."""
        uncovered_s = np.maximum(now_mono_ns - self._covered_until_ns[links], 0) / 1e9
        short_ns = np.maximum(self._slope_ns_per_s[links], 0) * uncovered_s
        self._too_short_ns = max(self._too_short_ns, float(short_ns.max(initial=0.0)))

    # ---- requests

    def _command(self, ends: Int32, latency_ns: Int64, *, new: bool = False) -> None:
        """Send all parameters of these ends; nothing else decides what is sent."""
        if len(ends) == 0:
            return
        links = ends // 2
        loss = np.where(
            self._up[links], np.rint(self._loss_ratio[links] * messages.LOSE_ALL), messages.LOSE_ALL
        )
        self._sent_latency_ns[ends] = latency_ns
        self._sent_limit[ends] = limit_packets(
            self._rate_bps[ends], self._queue_bytes[ends], latency_ns, self._mtu_bytes[ends]
        )
        self._sent_rate[ends] = bytes_per_s(self._rate_bps[ends])
        self._sent_loss[ends] = loss
        message = messages.netem_messages(
            self._ifindex[ends],
            latency_ns,
            self._sent_rate[ends],
            self._sent_limit[ends],
            self._sent_loss[ends],
            new=new,
        )
        self._send(ends, message, "be given a netem" if new else "be changed")

    def _lose_what_is_held(self, ends: Int32) -> None:
        """Empty each netem, which already loses all that comes, and keep the books."""
        if len(ends) == 0:
            return
        before = self._ask(ends)
        self._long_queue[ends] ^= 1
        length = np.array(messages.TX_QUEUE_PACKETS, np.uint32)[self._long_queue[ends]]
        self._send(ends, messages.queue_messages(self._ifindex[ends], length), "be emptied")
        after = self._ask(ends)
        for end, q in zip(ends.tolist(), after, strict=True):
            if q.held_packets:
                raise BackendError(
                    f"{self._called(end)} went down and still holds {q.held_packets} packets: "
                    "was its txqueuelen changed? (needs a kernel of 4.16 or later)"
                )
        self._note_drops(ends, after)
        # of what it held, some may still have left in between
        lost = [max(0, b.held_packets - (a.packets - b.packets)) for b, a in zip(before, after, strict=True)]
        self._dropped[ends, _DOWN] += lost

    def _ask(self, ends: Int32) -> list[readback.Qdisc]:
        answers, refusals = self._sockets.ask(self._slot[ends], messages.qdisc_questions(self._ifindex[ends]))
        self._no_refusal(ends, refusals, "be read")
        return self._by_row(ends, answers)

    def _by_row(self, ends: Int32, answers: list[tuple[int, bytes]]) -> list[readback.Qdisc]:
        found = {row: q for row, m in answers for q in readback.qdiscs([m])}
        for row, end in enumerate(ends.tolist()):
            if row not in found or found[row].kind != "netem":
                raise BackendError(f"{self._called(end)} has no netem any more: something else removed it")
        return [found[row] for row in range(len(ends))]

    def _dump(self, ends: Int32) -> list[readback.Qdisc]:
        """The root qdisc of each end, from a dump of each namespace."""
        found: dict[tuple[int, int], readback.Qdisc] = {}
        for slot in np.unique(self._slot[ends]).tolist():
            answers, refused = self._sockets[slot].ask(messages.qdisc_dump(), last_seq=0)
            if refused:
                raise KernelError(f"qdiscs cannot be listed: {refused[0]}")
            found.update(((slot, q.ifindex), q) for q in readback.qdiscs(answers))
        result = []
        for end in ends.tolist():
            q = found.get((int(self._slot[end]), int(self._ifindex[end])))
            if q is None or q.kind != "netem":
                raise BackendError(f"{self._called(end)} has no netem any more: something else removed it")
            result.append(q)
        return result

    def _tell_drops(self, ends: Int32) -> None:
        """Book what these ends have dropped until now, under what they were meant to do until now."""
        if len(ends):
            self._note_drops(ends, self._ask(ends))

    def _note_drops(self, ends: Int32, now: list[readback.Qdisc]) -> None:
        drops = np.array([q.drops for q in now], np.int64)
        self._dropped[ends, self._category[ends]] += drops - self._drops_told[ends]
        self._drops_told[ends] = drops

    def _send(self, ends: Int32, message: Messages, what: str) -> None:
        self._no_refusal(ends, self._sockets.send(self._slot[ends], message), what)

    def _no_refusal(self, ends: Int32, refusals: list[Refusal], what: str) -> None:
        if refusals:
            more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
            end = int(ends[refusals[0].row])
            raise BackendError(f"{self._called(end)} could not {what}: {refusals[0].why}{more}")

    def _called(self, end: int) -> str:
        return f"interface {self._names.get(end, '?')} of link {end // 2}"

    # ---- devices

    def _make_pairs(self, ends: Sequence[tuple[LinkEnd, LinkEnd]], links: Int32, made: list[int]) -> None:
        """Appends to ``made`` the rows that were made, also where BackendError is raised."""
        slots = self._slot[2 * links]
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

    def _undo(self, ends: Sequence[tuple[LinkEnd, LinkEnd]], links: Int32, made: list[int]) -> None:
        for row in made:
            socket = self._sockets[int(self._slot[2 * links[row]])]
            with contextlib.suppress(KernelError):  # the first error is the one to tell
                ifindex = np.array([socket.ifindex(ends[row][0].interface)], np.int32)
                self._sockets.send(self._slot[2 * links[[row]]], messages.removal_messages(ifindex))
        self._sockets.give(self._slot[_ends(links)])
        self._give_ids(links)

    def _remove(self, links: Int32) -> None:
        ends = 2 * links  # the other one goes with it
        refusals = self._sockets.send_side_by_side(
            self._slot[ends], messages.removal_messages(self._ifindex[ends])
        )
        # it may have gone with a namespace, or somebody removed it: gone it is
        self._no_refusal(ends, [r for r in refusals if r.why.errno != errno.ENODEV], "be removed")

    def _forget(self, links: Int32) -> None:
        """A new link: down, and nothing counted."""
        ends = _ends(links)
        for of_link in (self._up, self._t0_mono_ns, self._delay_ns, self._slope_ns_per_s, self._loss_ratio):
            of_link[links] = 0
        for of_end in (
            self._rate_bps, self._queue_bytes, self._dropped, self._drops_told, self._long_queue
        ):  # fmt: skip
            of_end[ends] = 0
        self._category[ends] = _DOWN

    def _take_ids(self, n: int) -> Int32:
        if n > len(self._free) + len(self._attached) - self._fresh:
            raise BackendError(
                f"more than {len(self._attached)} links: make NetemBackend(capacity_links=…) larger"
            )
        reused = [heapq.heappop(self._free) for _ in range(min(n, len(self._free)))]
        first, self._fresh = self._fresh, self._fresh + n - len(reused)
        return np.array([*reused, *range(first, self._fresh)], np.int32)

    def _give_ids(self, links: Int32) -> None:
        for link in links.tolist():
            heapq.heappush(self._free, link)

    def _check_attached(self, links: Int32) -> None:
        if len(links) and (links.min() < 0 or links.max() >= len(self._attached)):
            raise KeyError(f"no such links: ids from {links.min()} to {links.max()}")
        missing = links[~self._attached[links]]
        if len(missing):
            raise KeyError(f"no such link: {missing[0]}")

    def _need_running(self) -> None:
        if not self._has_started or self._is_closed:
            raise BackendError("the netem backend is not running: call start() first")
        if self._steps.failure is not None:
            raise BackendError(self._steps.failure)


def _ends(links: Int32) -> Int32:
    """(2 n,): end a and end b of each link."""
    both: Int32 = (2 * links[:, None] + np.array([0, 1], np.int32)).astype(np.int32).ravel()
    return both


def _ip_bytes(q: readback.Qdisc) -> int:
    return q.frame_bytes - q.packets * messages.ETHERNET_HEADER_BYTES
