"""The backend that carries nothing: it remembers what it was told, for tests without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backend import Lateness, LinkCounters, LinkEnd, LinkParameters, Probe


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a method: its name, the links it named, and for ``apply`` the parameters."""

    method: str
    links: tuple[int, ...] = ()
    parameters: LinkParameters | None = None
    ends: tuple[tuple[LinkEnd, LinkEnd], ...] = ()


_NEW = {"t0_mono_ns": 0, "delay_ns": 0.0, "slope_ns_per_s": 0.0, "rate_ab_bps": 0, "rate_ba_bps": 0,
        "queue_ab_bytes": 0, "queue_ba_bytes": 0, "loss_ratio": 0.0, "up": False}  # fmt: skip
_DTYPE = {
    "link": np.int32,
    "delay_ns": np.float64,
    "slope_ns_per_s": np.float64,
    "loss_ratio": np.float64,
    "up": np.bool_,
}


class CarriesNothing:
    """What fakes of carriers have in common: nothing is late, dies, or is a process."""

    def lateness(self) -> Lateness | None:
        return None

    def cautions(self) -> list[str]:
        return []

    def failure(self) -> str | None:
        return None

    def helper_pid(self) -> int | None:
        return None


@dataclass
class FakeBackend(CarriesNothing):
    """Keeps every call in ``calls``, and refuses what a real backend would choke on (ids it never gave)."""

    name: str = "fake"
    calls: list[Call] = field(default_factory=list)
    _links: dict[int, dict[str, float]] = field(default_factory=dict)
    _next: int = 0
    _free: list[int] = field(default_factory=list)

    @classmethod
    def probe(cls) -> Probe:
        return Probe(True, "carries nothing: for tests of what would be done")

    def start(self) -> None:
        self.calls.append(Call("start"))

    def attach(self, ends: Sequence[tuple[LinkEnd, LinkEnd]]) -> NDArray[np.int32]:
        links = []
        for _ in ends:
            if self._free:
                link = self._free.pop()
            else:
                link, self._next = self._next, self._next + 1
            self._links[link] = dict(_NEW)
            links.append(link)
        self.calls.append(Call("attach", tuple(links), ends=tuple(ends)))
        return np.array(links, np.int32)

    def apply(self, parameters: LinkParameters) -> None:
        self._known(parameters.link)
        for row, link in enumerate(parameters.link):
            self._links[int(link)] = {key: getattr(parameters, key)[row] for key in _NEW}
        self.calls.append(Call("apply", tuple(int(link) for link in parameters.link), parameters))

    def read(self, links: NDArray[np.int32]) -> LinkParameters:
        self._known(links)
        columns: dict[str, Any] = {
            key: np.array([self._links[int(link)][key] for link in links], _DTYPE.get(key, np.int64))
            for key in _NEW
        }
        return LinkParameters(link=links.astype(np.int32), **columns)

    def counters(self, links: NDArray[np.int32]) -> LinkCounters:
        self._known(links)
        return LinkCounters(*(np.zeros((len(links), 2), np.int64) for _ in fields(LinkCounters)))

    def detach(self, links: NDArray[np.int32]) -> None:
        self._known(links)
        for link in links:
            del self._links[int(link)]
            self._free.append(int(link))
        self.calls.append(Call("detach", tuple(int(link) for link in links)))

    def close(self) -> None:
        self._links.clear()
        self.calls.append(Call("close"))

    def _known(self, links: NDArray[np.int32]) -> None:
        unknown = [int(link) for link in links if int(link) not in self._links]
        if unknown:
            raise KeyError(f"no such link: {unknown}")
        if len(np.unique(links)) != len(links):
            raise ValueError("a link is named twice in one call")
