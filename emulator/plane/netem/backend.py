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

import threading
import time
from collections.abc import Sequence

import numpy as np

from ...arrays import Int32, Int64
from ...errors import BackendError, HostError, KernelError
from ..backend import Lateness, LinkCounters, LinkEnd, LinkParameters, Probe
from ..kernel import privileges
from ..kernel.namespaces import on_own_thread
from . import messages
from .devices import Devices
from .drops import Drops
from .probe import try_a_link
from .steps import Steps
from .table import DOWN, LOSS, QUEUE, LinkTable, ends_of
from .translate import DELAY_QUANTUM_NS, longest_until_next_step_ns

DEFAULT_STEP_NS = 100_000_000
DEFAULT_CAPACITY_LINKS = 32_768
_MAX_NAME_BYTES = 15
_STEP_CHUNK = 512  # ends a step sends before it lets an epoch go first


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
        self._table = LinkTable(capacity_links)
        self._devices = Devices(self._table)
        self._drops = Drops(self._table, self._devices)
        self._steps = Steps(netem_step_ns, self.step)
        self._has_started = False
        self._is_closed = self._leaves_devices = False
        self._too_short_ns = 0.0

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

    def helper_pid(self) -> int | None:
        return None

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
            links = self._table.take_ids(len(ends))
            rows = ends_of(links)
            try:
                slots = self._devices.enter([end.netns_fd for end in both])
            except BaseException:
                self._table.give_ids(links)
                raise
            self._table.slot[rows] = slots
            self._table.mtu_bytes[rows] = [end.mtu_bytes for end in both]
            self._table.names.update(zip(rows.tolist(), [end.interface for end in both], strict=True))
            made: list[int] = []
            try:
                self._devices.make_pairs(ends, links, made)
                self._devices.look_up(rows)
                self._table.forget(links)
                self._devices.command(rows, np.zeros(len(rows), np.int64), new=True)
                self._devices.bring_up(links)
            except BaseException:
                self._devices.undo(ends, links, made)
                raise
            self._table.attached[links] = True
            return links

    def apply(self, parameters: LinkParameters) -> None:
        with self._lock:
            self._need_running()
            links = parameters.link
            self._table.check_attached(links)
            parameters.check()
            ends = ends_of(links)
            goes_down = self._table.up[links] & ~parameters.up
            category = np.where(parameters.up, np.where(parameters.loss_ratio > 0, LOSS, QUEUE), DOWN)
            category = category.repeat(2)
            changes = category != self._table.category[ends]
            self._drops.tell(ends[changes])
            self._table.category[ends] = category

            now_ns = time.monotonic_ns()
            self._note_too_short(links[self._table.up[links]], now_ns)
            self._table.take_over(parameters)
            self._devices.command(ends, self._wanted_ns(ends, now_ns))
            self._cover(links, now_ns)
            self._drops.lose_what_is_held(ends_of(links[goes_down]))

    def read(self, links: Int32) -> LinkParameters:
        """As the kernel says, by a dump that is decoded without the encoder's help.

        The kernel has the delay of this moment only, whole bytes of a rate, and
        a limit in packets: where it has what was last sent to it, the answer is
        what was commanded; where it has not, the answer is off by the same.
        """
        with self._lock:
            self._need_running()
            self._table.check_attached(links)
            ends = ends_of(links)
            found = self._devices.dump(ends)
            latency_ns = np.array([q.latency_ns for q in found], np.int64)
            delay_ns = self._table.delay_ns[links].repeat(2) + (
                latency_ns - self._table.sent_latency_ns[ends]
            )
            rate = np.array([q.rate_bytes_per_s for q in found], np.uint64)
            rate_bps = np.where(
                rate == self._table.sent_rate[ends], self._table.rate_bps[ends], rate.astype(np.int64) * 8
            )
            limit = np.array([q.limit_packets for q in found], np.uint32)
            queue_bytes = np.where(
                limit == self._table.sent_limit[ends],
                self._table.queue_bytes[ends],
                limit.astype(np.int64) * self._table.mtu_bytes[ends],
            )
            lost = np.array([q.loss for q in found], np.uint32)
            loss_ratio = np.where(
                lost == self._table.sent_loss[ends],
                self._table.loss_ratio[links].repeat(2),
                lost / messages.LOSE_ALL,
            )
            up = np.where(
                lost == self._table.sent_loss[ends], self._table.up[links].repeat(2), lost < messages.LOSE_ALL
            )
            for name, value in (("delay", delay_ns), ("loss", loss_ratio), ("state", up)):
                differ = np.flatnonzero(value[::2] != value[1::2])
                if len(differ):
                    raise BackendError(f"link {links[differ[0]]}: its directions disagree on the {name}")
            return LinkParameters(
                link=links.astype(np.int32),
                t0_mono_ns=self._table.t0_mono_ns[links],
                delay_ns=delay_ns[::2],
                slope_ns_per_s=self._table.slope_ns_per_s[links],
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
            self._table.check_attached(links)
            return self._drops.counters(links)

    def detach(self, links: Int32) -> None:
        with self._lock:
            self._need_running()
            self._table.check_attached(links)
            try:
                self._devices.remove(links)
            finally:
                self._table.attached[links] = False
                self._table.up[links] = False
                ends = ends_of(links)
                self._devices.leave(ends)
                for end in ends.tolist():
                    del self._table.names[end]
                self._table.give_ids(links)

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
            links = np.flatnonzero(self._table.attached).astype(np.int32)
            try:
                if len(links) and not self._leaves_devices:
                    self._devices.remove(links)
            finally:
                self._table.attached[:] = False
                self._devices.close()

    # ---- steps

    def step(self) -> int:
        """Set the delays that have changed by more than can be commanded; how many ends that were."""
        with self._lock:
            up = np.flatnonzero(self._table.up).astype(np.int32)
            self._note_too_short(up, time.monotonic_ns())
            ends = ends_of(up)
            ends = ends[np.argsort(self._table.slot[ends], kind="stable")]
        n_sent = 0
        for first in range(0, len(ends), _STEP_CHUNK):
            with self._lock:  # an epoch may have come in between, and links may have gone
                if self._steps.is_stopped:
                    break
                chunk = ends[first : first + _STEP_CHUNK]
                chunk = chunk[self._table.up[chunk // 2]]
                now_ns = time.monotonic_ns()
                wanted_ns = self._wanted_ns(chunk, now_ns)
                moved = wanted_ns != self._table.sent_latency_ns[chunk]
                self._devices.command(chunk[moved], wanted_ns[moved])
                self._cover(chunk // 2, now_ns)
                n_sent += int(moved.sum())
        return n_sent

    def _wanted_ns(self, ends: Int32, now_mono_ns: int) -> Int64:
        links = ends // 2
        return longest_until_next_step_ns(
            self._table.delay_ns[links],
            self._table.slope_ns_per_s[links],
            now_mono_ns - self._table.t0_mono_ns[links],
            self._steps.horizon_ns,
        )

    def _cover(self, links: Int32, now_mono_ns: int) -> None:
        self._table.covered_until_ns[links] = now_mono_ns + self._steps.horizon_ns

    def _note_too_short(self, links: Int32, now_mono_ns: int) -> None:
        """How much too short delays have become that were to be set anew before now."""
        uncovered_s = np.maximum(now_mono_ns - self._table.covered_until_ns[links], 0) / 1e9
        short_ns = np.maximum(self._table.slope_ns_per_s[links], 0) * uncovered_s
        self._too_short_ns = max(self._too_short_ns, float(short_ns.max(initial=0.0)))

    # ---- requests

    # ---- devices

    def _need_running(self) -> None:
        if not self._has_started or self._is_closed:
            raise BackendError("the netem backend is not running: call start() first")
        if self._steps.failure is not None:
            raise BackendError(self._steps.failure)
