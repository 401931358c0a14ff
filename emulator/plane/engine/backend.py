"""Links carried by the engine: a pair of TUN devices each, and two pipes between them."""

from __future__ import annotations

import heapq
import subprocess
from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, HostError, ProcessDied
from ..backend import LinkCounters, LinkEnd, LinkParameters, Probe
from ..kernel import privileges
from ..kernel.namespaces import on_own_thread
from . import tun
from .carrier import (
    EngineCarrier,
    EngineOptions,
    find_stamps,
    make_device_somewhere,
)
from .process import BINARY, EngineProcess, Operation
from .table import PARAMETERS, Table

DEFAULT_CAPACITY_LINKS = 32_768  # address space only: memory is taken by links that exist


class EngineBackend(EngineCarrier):
    """See LinkBackend.

    A rate counts the bytes of IP packets: the emulated link has no framing of its own.  Packets
    that an interface drops itself, because 2,000 wait for the engine to be read,
    never reach the link: the interface's own ``tx_dropped`` has them.
    """

    def __init__(
        self,
        *,
        capacity_links: int = DEFAULT_CAPACITY_LINKS,
        **options: Unpack[EngineOptions],
    ) -> None:
        """See EngineCarrier."""
        self._table = Table(capacity_links)
        super().__init__(self._table, "--table-fd", **options)
        self._fds = np.full((capacity_links, 2), -1, np.int32)  # duplicates of what the engine holds
        self._up = np.zeros(capacity_links, np.bool_)
        self._outages = np.zeros(capacity_links, np.uint64)
        self._free: list[int] = []  # a heap: the lowest id first
        self._fresh = 0  # ids from here on were never used

    @classmethod
    def probe(cls) -> Probe:
        reason = privileges.missing()
        if reason is not None:
            return Probe(False, reason)
        try:
            said = subprocess.run(
                [BINARY], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = error.strerror if isinstance(error, OSError) else "it does not answer"
            return Probe(False, f"the link engine {BINARY} does not start ({why}): install the project again")
        if said.returncode != 1 or "orbitmesh-engine" not in said.stderr:
            return Probe(
                False, f"the link engine does not start (status {said.returncode}): install the project again"
            )
        try:
            segments_udp = on_own_thread(make_device_somewhere)
        except HostError as error:
            return Probe(False, f"{error}: run it in the Vagrant box")
        what = "TCP and UDP" if segments_udp else "TCP"
        stamps = find_stamps()
        if isinstance(stamps, str):
            by = f"the engine stamps what arrives once it is woken ({stamps})"
        else:
            stamps.close()
            by = "the kernel stamps what arrives"
        return Probe(True, f"TUN devices work, with segmentation offload for {what}; {by}")

    def attach(self, ends: Sequence[tuple[LinkEnd, LinkEnd]]) -> NDArray[np.int32]:
        process = self._running()
        links = self._take_ids(len(ends))
        both = [end for pair in ends for end in pair]
        order = sorted(range(len(both)), key=lambda i: both[i].netns_fd)  # a namespace is entered once
        made: list[int] = []
        try:
            self._allow_descriptors(len(both), 2 * self._fresh, f"{len(links)} more links")
            on_own_thread(lambda: tun.make([both[i] for i in order], made, self.stamps))
            fds = np.empty(len(both), np.int32)
            fds[order] = made
            self._put_down(links)
            ports = _pipes(links)
            process.request(Operation.PORT_ADD, ports, fds.tolist())
            # what is read at one end comes out at the other
            process.request(Operation.PIPE_BIND, np.column_stack([ports, ports, ports ^ np.uint32(1)]))
        except BaseException as error:
            if not isinstance(error, ProcessDied):
                self._undo(process, links)
            tun.remove(made)
            self._give_ids(links)
            raise
        self._fds[links] = fds.reshape(-1, 2)
        return links

    def apply(self, parameters: LinkParameters) -> None:
        links = parameters.link
        self._check_attached(links)
        parameters.check()
        going_down = self._up[links] & ~parameters.up
        self._outages[links] += going_down.astype(np.uint64)
        self._up[links] = parameters.up
        entries = np.empty((len(links), 2), PARAMETERS)
        entries["t0_mono_ns"] = parameters.t0_mono_ns[:, None]
        entries["delay_ns"] = parameters.delay_ns[:, None]
        entries["slope_ns_per_s"] = parameters.slope_ns_per_s[:, None]
        entries["rate_bps"][:, 0] = parameters.rate_ab_bps
        entries["rate_bps"][:, 1] = parameters.rate_ba_bps
        entries["queue_bytes"][:, 0] = parameters.queue_ab_bytes
        entries["queue_bytes"][:, 1] = parameters.queue_ba_bytes
        entries["loss_ratio"] = parameters.loss_ratio[:, None]
        entries["state"] = (self._outages[links] << np.uint64(1) | parameters.up)[:, None]
        self._table.write(links, entries)

    def read(self, links: NDArray[np.int32]) -> LinkParameters:
        """As the engine decodes them; BackendError where the two directions disagree on what they share."""
        self._check_attached(links)
        answer = self._running().request(Operation.PIPE_READ, _pipes(links))
        entries = np.frombuffer(answer, PARAMETERS).reshape(-1, 2)
        a, b = entries[:, 0], entries[:, 1]
        for name in ("t0_mono_ns", "delay_ns", "slope_ns_per_s", "loss_ratio", "state"):
            differ = np.flatnonzero(a[name] != b[name])
            if len(differ):
                raise BackendError(f"link {links[differ[0]]}: its directions disagree on {name}")
        return LinkParameters(
            link=links.astype(np.int32),
            t0_mono_ns=a["t0_mono_ns"],
            delay_ns=a["delay_ns"],
            slope_ns_per_s=a["slope_ns_per_s"],
            rate_ab_bps=a["rate_bps"].astype(np.int64),
            rate_ba_bps=b["rate_bps"].astype(np.int64),
            queue_ab_bytes=a["queue_bytes"].astype(np.int64),
            queue_ba_bytes=b["queue_bytes"].astype(np.int64),
            loss_ratio=a["loss_ratio"],
            up=(a["state"] & np.uint64(1)).astype(np.bool_),
        )

    def counters(self, links: NDArray[np.int32]) -> LinkCounters:
        """Read while the engine counts on: exact once the links are quiet."""
        self._check_attached(links)
        row = self._table.counters[links]
        return LinkCounters(
            packets_in=row["packets_in"],
            bytes_in=row["bytes_in"],
            packets_out=row["packets_out"],
            bytes_out=row["bytes_out"],
            dropped_queue=row["dropped_queue"],
            dropped_loss=row["dropped_loss"],
            dropped_down=row["dropped_down"],
            dropped_host=row["dropped_host"],
        )

    def waited(self, links: NDArray[np.int32], direction: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n, 3): packets in, what they waited for those before them (ns, together), and lost; also of a link
        that was detached meanwhile.  ``direction`` 0: from end a to end b."""
        row = self._table.counters[links, direction]
        lost = row["dropped_queue"] + row["dropped_loss"]
        return np.column_stack([row["packets_in"], row["waited_ns"], lost])

    def held_packets(self, links: NDArray[np.int32]) -> NDArray[np.int64]:
        """(n, 2): waiting for the transmitter or in flight, by the engine's own books."""
        self._check_attached(links)
        return self._table.counters[links]["held"]

    def invalid_packets(self, links: NDArray[np.int32]) -> NDArray[np.int64]:
        """(n, 2): what came from an interface and was no IP packet; dropped, and not in ``packets_in``."""
        self._check_attached(links)
        return self._table.counters[links]["invalid"]

    def detach(self, links: NDArray[np.int32]) -> None:
        self._check_attached(links)
        process = self._running()
        try:
            process.request(Operation.PIPE_UNBIND, _pipes(links))
            process.request(Operation.PORT_REMOVE, _pipes(links))
        finally:
            fds = self._fds[links].ravel().tolist()
            self._fds[links] = -1
            tun.remove(fds)
            self._give_ids(links)

    def let_go(self) -> None:
        """The namespaces end right after ``close()``: leave the devices to them, who remove all at once."""
        tun.leave(self._fds[self._fds >= 0].tolist())

    def close(self) -> None:
        """Lateness can still be read afterwards."""
        super().close()
        # the engine's duplicates are gone, so these are the last: 64 threads
        fds = self._fds[self._fds >= 0].tolist()
        self._fds[:] = -1
        tun.remove(fds)

    def _take_ids(self, n: int) -> NDArray[np.int32]:
        if n > len(self._free) + len(self._fds) - self._fresh:
            raise BackendError(
                f"more than {len(self._fds)} links: make EngineBackend(capacity_links=…) larger"
            )
        reused = [heapq.heappop(self._free) for _ in range(min(n, len(self._free)))]
        first, self._fresh = self._fresh, self._fresh + n - len(reused)
        return np.array([*reused, *range(first, self._fresh)], np.int32)

    def _give_ids(self, links: NDArray[np.int32]) -> None:
        for link in links.tolist():
            heapq.heappush(self._free, link)

    def _check_attached(self, links: NDArray[np.int32]) -> None:
        if len(links) and (links.min() < 0 or links.max() >= len(self._fds)):
            raise KeyError(f"no such links: ids from {links.min()} to {links.max()}")
        missing = links[self._fds[links, 0] < 0]
        if len(missing):
            raise KeyError(f"no such link: {missing[0]}")

    def _put_down(self, links: NDArray[np.int32]) -> None:
        self._up[links] = False
        entries = np.zeros((len(links), 2), PARAMETERS)
        entries["state"] = (self._outages[links] << np.uint64(1))[:, None]
        self._table.write(links, entries)

    @staticmethod
    def _undo(process: EngineProcess, links: NDArray[np.int32]) -> None:
        """Make the engine forget links of which it may know any part."""
        for operation in (Operation.PIPE_UNBIND, Operation.PORT_REMOVE):
            for item in _pipes(links):
                try:
                    process.request(operation, item[None])
                except BackendError:
                    continue  # it had got no further
                except ProcessDied:
                    return


def _pipes(links: NDArray[np.int32]) -> NDArray[np.uint32]:
    """(2 n, 1): both pipes of each link, or both ports: their numbers are the same."""
    return (2 * links[:, None] + np.array([0, 1], np.int32)).astype(np.uint32).reshape(-1, 1)
