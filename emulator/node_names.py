"""Names of a million nodes that are not written down: made and read as they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

_SATELLITE = re.compile(r"sat-(0|[1-9]\d{0,8})-(0|[1-9]\d{0,8})", re.ASCII)


class NodeNames(Sequence[str]):
    """``sat-<plane>-<slot>`` for each satellite, then the names given; a slice is a view.

    ``plane`` and ``slot`` are (n_satellites,) int32, by plane, then slot, the
    slots of a plane counted from 0.  Equal to any sequence of the same names.
    """

    __slots__ = ("_others", "_plane", "_rows", "_slot")

    def __init__(
        self,
        plane: NDArray[np.int32],
        slot: NDArray[np.int32],
        others: Sequence[str] = (),
        rows: range | None = None,
    ) -> None:
        self._plane, self._slot, self._others = plane, slot, tuple(others)
        self._rows = range(len(plane) + len(self._others)) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> NodeNames: ...
    def __getitem__(self, index: int | slice) -> str | NodeNames:
        if isinstance(index, slice):
            return NodeNames(self._plane, self._slot, self._others, self._rows[index])
        row = self._rows[index]
        n = len(self._plane)
        return self._others[row - n] if row >= n else f"sat-{self._plane[row]}-{self._slot[row]}"

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, name: object) -> bool:
        return self.find(name) >= 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))  # as that of the tuple it is equal to

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"({shown}, … {len(self)} names)" if len(self) > 3 else f"({shown})"

    def index(self, value: str, start: int = 0, stop: int | None = None) -> int:
        found = self.find(value)
        if found < 0 or found not in range(*slice(start, stop).indices(len(self))):
            raise ValueError(f"{value!r} is not among the names")
        return found

    def find(self, name: object) -> int:
        """The name's index, or -1."""
        if not isinstance(name, str):
            return -1
        row = self._row(name)
        return self._rows.index(row) if row in self._rows else -1

    def _row(self, name: str) -> int:
        match = _SATELLITE.fullmatch(name)
        if match is not None:
            plane, slot = int(match[1]), int(match[2])
            row = int(np.searchsorted(self._plane, np.int32(plane))) + slot
            if row < len(self._plane) and self._plane[row] == plane and self._slot[row] == slot:
                return row
        # not a satellite's: the few others
        return len(self._plane) + self._others.index(name) if name in self._others else -1


class NodeIndex(Mapping[str, int]):
    """Index of a node by its name."""

    __slots__ = ("_names",)

    def __init__(self, names: NodeNames) -> None:
        self._names = names

    def __getitem__(self, name: str) -> int:
        found = self._names.find(name)
        if found < 0:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
