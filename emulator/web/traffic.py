"""What links carried between two looks at their counters.  Pure."""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from orbitmesh.web.v1 import web_pb2 as pb

from ..epoch import NS_PER_S, Epoch, Float64, Int64
from .messages import f32

_KEPT = 4  # epochs: an answer may be of the one before


@dataclass(frozen=True, eq=False)
class _Rows:
    key: Int64
    links_number: int
    rate_bps: Float64  # (n, 2), emulated
    sim_ns: int


class Traffic:
    def __init__(self, rate_scale: float) -> None:
        self._rate_scale = rate_scale
        self._epochs: OrderedDict[int, _Rows] = OrderedDict()
        self._before: tuple[int, Int64, Int64] | None = None  # when, keys, columns

    def forget(self) -> None:
        """What was counted last: it was long ago."""
        self._before = None

    def epoch(self, epoch: Epoch, rows: Int64 | None, links_number: int) -> None:
        """Another has come into force, of whose links these rows are told."""
        links, some = epoch.links, slice(None) if rows is None else rows
        rates = np.column_stack([links.rate_ab_bps[some], links.rate_ba_bps[some]]) * self._rate_scale
        self._epochs[epoch.number] = _Rows(
            links.key()[some], links_number, np.asarray(rates, np.float64), epoch.sim_ns
        )
        while len(self._epochs) > _KEPT:
            self._epochs.popitem(last=False)

    def take(self, answer: Mapping[str, Any]) -> Any:
        """A Traffic, from what the door tells; None for the first, and where links are others by now."""
        rows = self._epochs.get(answer["epoch_number"])
        columns = np.frombuffer(base64.b64decode(answer["columns"]), "<i8").reshape(-1, 4)
        if rows is None or len(columns) != len(rows.key):
            return None
        before, self._before = self._before, (answer["mono_ns"], rows.key, columns)
        newest = next(reversed(self._epochs.values()))
        if before is None or newest.links_number != rows.links_number:
            return None
        since_ns, key, earlier = before
        apart_s = (answer["mono_ns"] - since_ns) / NS_PER_S
        if not apart_s > 0:
            return None
        more = np.full((len(rows.key), 4), np.nan)
        _, now, then = np.intersect1d(rows.key, key, assume_unique=True, return_indices=True)
        more[now] = columns[now] - earlier[then]
        more[(more < 0).any(axis=1)] = np.nan  # its counters began anew
        bps = 8 * more[:, :2] / apart_s
        with np.errstate(divide="ignore", invalid="ignore"):
            use = np.where(rows.rate_bps > 0, bps / rows.rate_bps, np.nan)
        return pb.Traffic(
            sim_ns=newest.sim_ns,
            links_number=rows.links_number,
            use_ab_ratio_f32le=f32(np.minimum(use[:, 0], 1)),
            use_ba_ratio_f32le=f32(np.minimum(use[:, 1], 1)),
            carried_bps=float(np.nansum(bps)),
            packets_per_s=float(np.nansum(more[:, 2]) / apart_s),
            lost_per_s=float(np.nansum(more[:, 3]) / apart_s),
        )
