"""A row of namespaces, joined by links of a backend that is to be measured."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from ..epoch import Nodes
from ..plane.addressing import assign
from ..plane.backend import LinkBackend, LinkEnd, LinkParameters
from ..plane.kernel import processes
from ..plane.kernel.nodes import Namespaces
from ..plane.mesh import EndsWithNamespaces


@dataclass(frozen=True)
class Setting:
    """The same for all links of a line, both ways."""

    delay_ns: float = 0.0
    slope_ns_per_s: float = 0.0
    rate_bps: int = 0
    queue_bytes: int = 0
    loss_ratio: float = 0.0

    def parameters(self, links: Any) -> LinkParameters:
        """From this instant on."""
        n = len(links)
        rate, queue = np.full(n, self.rate_bps, np.int64), np.full(n, self.queue_bytes, np.int64)
        return LinkParameters(
            link=np.asarray(links, np.int32),
            t0_mono_ns=np.full(n, time.monotonic_ns(), np.int64),
            delay_ns=np.full(n, self.delay_ns, np.float64),
            slope_ns_per_s=np.full(n, self.slope_ns_per_s, np.float64),
            rate_ab_bps=rate,
            rate_ba_bps=rate,
            queue_ab_bytes=queue,
            queue_ba_bytes=queue,
            loss_ratio=np.full(n, self.loss_ratio, np.float64),
            up=np.ones(n, np.bool_),
        )


class Lab(Protocol):
    """What the measurements need: nodes 0 to ``hops`` on links in a row."""

    hops: int

    def __enter__(self) -> Lab: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def set(self, setting: Setting) -> None: ...

    def address(self, node: int) -> str: ...

    def spawn(self, node: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[bytes]: ...

    def netns_fd(self, node: int) -> int: ...

    @property
    def mntns_fd(self) -> int: ...

    def cautions(self) -> list[str]: ...

    def bytes_out(self) -> int: ...


class Detour(Lab, Protocol):
    """Nodes 0 and 1, and a longer way between them that packets take after ``hand_over``."""

    def __enter__(self) -> Detour: ...

    def hand_over(self) -> None: ...


class Line:
    """Nodes 0 to ``hops``, with ``beside`` links from each to the next; routes use the first of them.

    ``with Line(backend, 3) as line:`` starts the backend and ends it with all the rest.  ``setting`` holds
    from the start.
    """

    def __init__(
        self, backend: LinkBackend, hops: int = 1, setting: Setting | None = None, *, beside: int = 1
    ) -> None:
        self.backend, self.hops, self.beside = backend, hops, beside
        self._setting = setting or Setting()
        n = hops + 1
        zero = np.zeros(n, np.int32)
        self._nodes = Nodes(tuple(f"node-{i}" for i in range(n)), n, zero, zero, np.arange(n, dtype=np.int32))
        self.addresses = assign(self._nodes)
        self.kernel = Namespaces(self._nodes, self.addresses)

    def __enter__(self) -> Line:
        try:
            self.kernel.build(None)
            self.backend.start()
            self.links = self.backend.attach(
                [
                    (
                        LinkEnd(self.kernel.netns_fd(i), f"east{k}"),
                        LinkEnd(self.kernel.netns_fd(i + 1), f"west{k}"),
                    )
                    for i in range(self.hops)
                    for k in range(self.beside)
                ]
            )
            self.set(self._setting)
            for node in range(self.hops + 1):
                for to in range(self.hops + 1):
                    if node != to:
                        self.route(node, to)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self.kernel.end_processes()
        if isinstance(self.backend, EndsWithNamespaces) and hasattr(self, "links"):
            self.backend.let_go()
        self.backend.close()
        self.kernel.close()

    def set(self, setting: Setting, which: int | None = None) -> None:
        """Every link, or the one of that number beside each other."""
        links = self.links if which is None else self.links[which :: self.beside]
        self.backend.apply(setting.parameters(links))

    def route(self, node: int, to: int, which: int = 0) -> None:
        """Send a node's packets for another by the link of that number."""
        step = 1 if to > node else -1
        name = f"{'east' if step > 0 else 'west'}{which}"
        here, there, via, ifindex = np.array(
            [[node], [to], [node + step], [self.kernel.ifindex(node, name)]], np.int32
        )
        self.kernel.route(here, there, via, ifindex)

    def address(self, node: int) -> str:
        return self.addresses[node]

    def netns_fd(self, node: int) -> int:
        return self.kernel.netns_fd(node)

    @property
    def mntns_fd(self) -> int:
        return self.kernel.mntns_fd

    def cautions(self) -> list[str]:
        return self.backend.cautions()

    def bytes_out(self) -> int:
        """What has left the first link, eastwards."""
        return int(self.backend.counters(self.links).bytes_out[0, 0])

    def spawn(self, node: int, argv: Sequence[str], **popen: Any) -> subprocess.Popen[Any]:
        return processes.spawn_in(self.kernel.netns_fd(node), self.kernel.mntns_fd, argv, **popen)


class TwoLinks(Line):
    """Two nodes with two links: packets take the first, and after ``hand_over`` the other."""

    def __init__(self, backend: LinkBackend, first_ns: int, other_ns: int) -> None:
        super().__init__(backend, beside=2)
        self._delays_ns = first_ns, other_ns

    def __enter__(self) -> TwoLinks:
        super().__enter__()
        for which, delay_ns in enumerate(self._delays_ns):
            self.set(Setting(delay_ns=delay_ns), which)
        return self

    def hand_over(self) -> None:
        self.route(0, 1, 1)
