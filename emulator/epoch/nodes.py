"""Who is in a mesh: satellites, then gateways, by index and by name.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..arrays import Int32
from ..known_names import KnownAs
from ..node_names import NodeIndex, NodeNames


@dataclass(frozen=True, eq=False)
class Nodes:
    """Who is in the mesh.

    ``shell``, ``plane`` and ``slot`` are (n_satellites,) int32; planes number on across shells.
    ``names`` may be a ``NodeNames``, which writes none of them down; ``index`` is its inverse.
    ``known_as`` are names that satellites have from a file beside their own.
    """

    names: Sequence[str]
    n_satellites: int
    shell: Int32
    plane: Int32
    slot: Int32
    known_as: KnownAs = field(default_factory=KnownAs, repr=False)
    index: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = self.names
        index = (
            NodeIndex(named) if isinstance(named, NodeNames) else {name: i for i, name in enumerate(named)}
        )
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        return len(self.names)

    def named(self, name: str) -> int:
        """Index of the node that is meant by a name, its own or a file's, or -1; InputError: by many."""
        own = self.index.get(name, -1)
        return own if own >= 0 else self.known_as.one(name)

    def own_name(self, name: str) -> str:
        """A node's own name by any of its names; what is no node's is given back."""
        found = self.named(name)
        return self.names[found] if found >= 0 else name

    @property
    def n_gateways(self) -> int:
        return len(self.names) - self.n_satellites

    def is_gateway(self, node: int) -> bool:
        return node >= self.n_satellites
