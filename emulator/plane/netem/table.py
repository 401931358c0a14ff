"""What is meant for each link, what was sent to the kernel, what was counted: arrays, by link or by end."""

from __future__ import annotations

import heapq

import numpy as np

from ...arrays import Int32
from ...errors import BackendError
from ..backend import LinkParameters

# why a packet was dropped: by what its link was meant to do then
QUEUE, LOSS, DOWN = 0, 1, 2


class LinkTable:
    """Ids of links are given the lowest first.  No lock: the backend has one."""

    def __init__(self, capacity_links: int) -> None:
        self._free: list[int] = []  # a heap: the lowest id first
        self._fresh = 0  # ids from here on were never used

        n = capacity_links
        self.attached = np.zeros(n, np.bool_)
        self.up = np.zeros(n, np.bool_)
        self.t0_mono_ns = np.zeros(n, np.int64)
        self.delay_ns = np.zeros(n, np.float64)
        self.slope_ns_per_s = np.zeros(n, np.float64)
        self.loss_ratio = np.zeros(n, np.float64)
        self.covered_until_ns = np.zeros(n, np.int64)  # up to then the commanded delay is long enough
        # per end, 2 * link for end a and 2 * link + 1 for end b: of the direction that starts there
        self.rate_bps = np.zeros(2 * n, np.int64)
        self.queue_bytes = np.zeros(2 * n, np.int64)
        self.mtu_bytes = np.full(2 * n, 1500, np.int64)
        self.slot = np.zeros(2 * n, np.int32)
        self.ifindex = np.zeros(2 * n, np.int32)
        self.long_queue = np.zeros(2 * n, np.int8)  # which of TX_QUEUE_PACKETS the device has
        self.names: dict[int, str] = {}
        # as last sent
        self.sent_latency_ns = np.zeros(2 * n, np.int64)
        self.sent_limit = np.zeros(2 * n, np.uint32)
        self.sent_rate = np.zeros(2 * n, np.uint64)
        self.sent_loss = np.zeros(2 * n, np.uint32)
        # counts that a qdisc does not hold, or holds under another heading
        self.category = np.zeros(2 * n, np.int8)
        self.dropped = np.zeros((2 * n, 3), np.int64)
        self.drops_told = np.zeros(2 * n, np.int64)  # of the qdisc's drops, those in _dropped

    def take_ids(self, n: int) -> Int32:
        if n > len(self._free) + len(self.attached) - self._fresh:
            raise BackendError(
                f"more than {len(self.attached)} links: make NetemBackend(capacity_links=…) larger"
            )
        reused = [heapq.heappop(self._free) for _ in range(min(n, len(self._free)))]
        first, self._fresh = self._fresh, self._fresh + n - len(reused)
        return np.array([*reused, *range(first, self._fresh)], np.int32)

    def give_ids(self, links: Int32) -> None:
        for link in links.tolist():
            heapq.heappush(self._free, link)

    def take_over(self, parameters: LinkParameters) -> None:
        links, ends = parameters.link, ends_of(parameters.link)
        self.up[links] = parameters.up
        self.t0_mono_ns[links] = parameters.t0_mono_ns
        self.delay_ns[links] = parameters.delay_ns
        self.slope_ns_per_s[links] = parameters.slope_ns_per_s
        self.loss_ratio[links] = parameters.loss_ratio
        self.rate_bps[ends] = np.column_stack([parameters.rate_ab_bps, parameters.rate_ba_bps]).ravel()
        self.queue_bytes[ends] = np.column_stack(
            [parameters.queue_ab_bytes, parameters.queue_ba_bytes]
        ).ravel()

    def forget(self, links: Int32) -> None:
        """A new link: down, and nothing counted."""
        ends = ends_of(links)
        for of_link in (self.up, self.t0_mono_ns, self.delay_ns, self.slope_ns_per_s, self.loss_ratio):
            of_link[links] = 0
        for of_end in (
            self.rate_bps, self.queue_bytes, self.dropped, self.drops_told, self.long_queue
        ):  # fmt: skip
            of_end[ends] = 0
        self.category[ends] = DOWN

    def check_attached(self, links: Int32) -> None:
        if len(links) and (links.min() < 0 or links.max() >= len(self.attached)):
            raise KeyError(f"no such links: ids from {links.min()} to {links.max()}")
        missing = links[~self.attached[links]]
        if len(missing):
            raise KeyError(f"no such link: {missing[0]}")

    def called(self, end: int) -> str:
        return f"interface {self.names.get(end, '?')} of link {end // 2}"


def ends_of(links: Int32) -> Int32:
    """(2 n,): end a and end b of each link."""
    both: Int32 = (2 * links[:, None] + np.array([0, 1], np.int32)).astype(np.int32).ravel()
    return both
