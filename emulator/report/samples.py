"""A run's samples as arrays, each with its gateway.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ..record.statistics import KINDS
from .groups import Bins, Floats, Ints
from .source import codes, column, flags

#: as reports call them
KIND_WORDS = {"udp": "UDP probes", "grpc": "gRPC probes", "task": "tasks"}


@dataclass(frozen=True)
class Samples:
    """(n,) each.  ``gateway``, ``kind``: their number, -1 where none; ``node``: who stands at the other "
    "end."""

    gateways: tuple[str, ...]
    kind: Ints
    gateway: Ints
    node: Ints
    nodes: tuple[str, ...]
    ok: np.ndarray
    sound: np.ndarray
    sim_ns: Floats
    sent_mono_ns: Floats
    measured_ns: Floats  # NaN: no answer
    physical_ns: Floats
    remainder_ns: Floats
    hops: Floats

    def __len__(self) -> int:
        return len(self.kind)

    def of(self, kind: str) -> np.ndarray:
        """Which are of a kind and were answered."""
        return np.asarray((self.kind == KINDS.index(kind)) & ~np.isnan(self.measured_ns))

    @property
    def probes(self) -> str | None:
        """The kind that tells most of the network: that with least of the host in it.  None: no answer."""
        return next((kind for kind in KINDS if bool(self.of(kind).any())), None)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind in KINDS if bool(self.of(kind).any()))

    def bins(self, from_ns: float, least_ns: float = 1.0) -> Bins | None:
        """From the run's beginning to the last that was measured."""
        if not len(self) or np.isnan(self.sim_ns).all():
            return None
        first_ns, last_ns = float(np.nanmin(self.sim_ns)), float(np.nanmax(self.sim_ns))
        return Bins(min(from_ns, first_ns), last_ns, least_ns=least_ns)


def samples_of(table: pa.Table, gateways: Sequence[str]) -> Samples:
    src, src_names = codes(table, "src")
    dst, dst_names = codes(table, "dst")
    kind, kinds = codes(table, "kind")
    ok = flags(table, "ok", False)
    if not gateways:  # of a record that does not say who they are
        gateways = sorted(name for name in {*src_names, *dst_names} if name.startswith("gw-"))
    place = {name: number for number, name in enumerate(gateways)}
    far, near = _renamed(dst, dst_names, place), _renamed(src, src_names, place)
    nodes = tuple(dict.fromkeys([*src_names, *dst_names]))
    number = {name: i for i, name in enumerate(nodes)}
    other = np.where(far >= 0, _renamed(src, src_names, number), _renamed(dst, dst_names, number))
    measured = column(table, "measured_ns")
    return Samples(
        tuple(gateways),
        _renamed(kind, kinds, {name: i for i, name in enumerate(KINDS)}),
        np.where(far >= 0, far, near),
        other,
        nodes,
        ok,
        flags(table, "sound", True),
        column(table, "sim_ns"),
        column(table, "sent_mono_ns"),
        np.where(ok, measured, np.nan),
        column(table, "propagation_ns"),
        column(table, "remainder_ns"),
        column(table, "hops"),
    )


def _renamed(code: np.ndarray, names: Sequence[str], place: dict[str, int]) -> Ints:
    table = np.array([place.get(name, -1) for name in names] + [-1], np.int64)
    return np.asarray(table[code])  # -1 takes the last
