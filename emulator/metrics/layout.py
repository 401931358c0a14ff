"""By which labels a mesh is told: of a bounded number, however many shells and planes it has.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..epoch import Int32
from ..record.totals import MOST_GATEWAYS, OTHERS, labels

MOST_SHELLS, MOST_PLANES = 32, 64


class Labels:
    """A label for each name: its own for the first so many, one for all others together."""

    def __init__(self, most: int, names: Sequence[str] = ()) -> None:
        self._most = most
        self._own = dict.fromkeys(names[:most])

    def of(self, name: str) -> str:
        if name not in self._own:
            if len(self._own) >= self._most:
                return OTHERS
            self._own[name] = None
        return name

    def known(self) -> list[str]:
        return list(self._own)


@dataclass(frozen=True, eq=False)
class Layout:
    """``shell`` and ``plane``, (n_satellites,) int32 each: rows of the labels.  Planes of a mesh of more than
    ``MOST_PLANES`` go by so many groups of neighbouring ones, as 0-15; a group may reach over two shells."""

    shells: tuple[str, ...]
    planes: tuple[str, ...]
    gateways: Sequence[str]
    shell: Int32 = field(repr=False)
    plane: Int32 = field(repr=False)
    true_plane: Int32 = field(repr=False)
    true_shell: Int32 = field(repr=False)

    @property
    def n_satellites(self) -> int:
        return len(self.shell)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """As a run tells it (``Client.layout``)."""
        names, satellites = [name for name, _ in told["shells"]], [n for _, n in told["shells"]]
        label = labels(names, MOST_SHELLS)
        shells = tuple(dict.fromkeys(label))
        row = np.array([shells.index(each) for each in label], np.int32)
        slots = np.repeat(*np.array(told["planes"], np.int64).reshape(-1, 2).T)
        group = -(-len(slots) // MOST_PLANES) or 1
        first = range(0, len(slots), group)
        planes = tuple(str(p) if group == 1 else f"{p}-{min(p + group, len(slots)) - 1}" for p in first)
        plane = np.repeat(np.arange(len(slots), dtype=np.int32), slots)
        return cls(
            shells, planes, tuple(told["gateways"]), np.repeat(row, satellites), plane // np.int32(group),
            plane, np.repeat(np.arange(len(names), dtype=np.int32), satellites),
        )  # fmt: skip

    def gateway_labels(self) -> list[str]:
        return labels(self.gateways, MOST_GATEWAYS)
