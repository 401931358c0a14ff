"""Names that satellites bring from a file, beside ``sat-<plane>-<slot>``: who is meant, and host names.

One rule.  A node's own name goes first, always.  Then a satellite's name in the
file, whatever its case, and its catalogue number, bare or as ``norad-25544``;
then the host name made of its name: lower case, all but letters and digits
hyphens.  A name that several have is refused where it is used, and is no host's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from .errors import InputError
from .node_names import NodeNames
from .shown import plain, shown

_NUMBER = re.compile(r"(?:norad-)?0*([1-9]\d{0,8})", re.ASCII | re.IGNORECASE)
# programs take a bare number, and 0x7f, for an address; the others are spoken for
_NO_HOST = re.compile(r"0x[0-9a-f]*|\d*|norad-\d+|localhost|.{64,}", re.ASCII)
_MOST_CHOICES = 4


@dataclass(frozen=True)
class FileName:
    """What a file calls a satellite: its name, or nothing, and its catalogue number, or None."""

    label: str
    catalog: int | None

    def __str__(self) -> str:
        number = [] if self.catalog is None else [str(self.catalog)]
        return ", ".join([plain(self.label), *number] if self.label else [f"norad-{n}" for n in number])

    @property
    def short(self) -> str:
        return plain(self.label) or f"norad-{self.catalog}"


@dataclass(frozen=True, eq=False)
class KnownAs:
    """Of some nodes, by index; ``own`` are the names of all, which none of these takes over."""

    own: NodeNames | None = None
    by_node: Mapping[int, FileName] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.by_node)

    def find(self, name: str) -> tuple[int, ...]:
        """All nodes that are meant by a name; nothing of own names."""
        number = _NUMBER.fullmatch(name)
        found = set(self._by_label.get(_folded(name), []))
        if number is not None and (node := self._by_catalog.get(int(number[1]))) is not None:
            found.add(node)
        return tuple(sorted(found or self._by_host.get(name.lower(), [])))

    def one(self, name: str) -> int:
        """The node that is meant, or -1; InputError where it may be several."""
        found = self.find(name)
        if len(found) <= 1:
            return found[0] if found else -1
        choices = [self.said(node) for node in found[:_MOST_CHOICES]]
        more = f" and {len(found) - _MOST_CHOICES} more" if len(found) > _MOST_CHOICES else ""
        raise InputError(
            f"{shown(name)} may be {len(found)} satellites: {', '.join(choices)}{more}; "
            "write the node's own name, sat-<plane>-<slot>, or the catalogue number"
        )

    def said(self, node: int, *, short: bool = False) -> str:
        """``sat-0-1 (MYSAT-1, 25544)``; where it has no other name, its own."""
        assert self.own is not None
        known = self.by_node.get(node)
        if known is None:
            return self.own[node]
        return f"{self.own[node]} ({known.short if short else known})"

    def host_names(self, node: int) -> tuple[str, ...]:
        """By which programs in the mesh find it too."""
        known = self.by_node.get(node)
        if known is None:
            return ()
        host = _host(known.label)
        names = [host] if host and self._by_host[host] == [node] and not self._is_own(host) else []
        return (*names, *([] if known.catalog is None else [f"norad-{known.catalog}"]))

    def to_dict(self) -> dict[str, dict[str, object]]:
        """By the node's own name; for JSON."""
        if self.own is None:
            return {}
        return {
            self.own[node]: {
                "name": known.label or None,
                "catalog_number": known.catalog,
                "host_names": list(self.host_names(node)),
            }
            for node, known in self.by_node.items()
        }

    def hidden(self) -> list[str]:
        """A sentence where a file's name is another node's own, so that it cannot be used."""
        others = [
            (known.label, node)
            for node, known in self.by_node.items()
            if self._is_own(name := _folded(known.label)) and self.own is not None and self.own[node] != name
        ]
        if not others:
            return []
        label, node = others[0]
        return [
            f"{len(others)} satellite{'s' if len(others) > 1 else ''} of a file "
            f"{'have names' if len(others) > 1 else 'has a name'} that another node has: "
            f"{shown(label)} is that node's own, and the file's is {self.said(node)}; "
            "use its own name or its catalogue number"
        ]

    def _is_own(self, name: str) -> bool:
        return self.own is not None and self.own.find(name) >= 0

    @cached_property
    def _by_label(self) -> dict[str, list[int]]:
        return self._gathered(_folded)

    @cached_property
    def _by_host(self) -> dict[str, list[int]]:
        return self._gathered(_host)

    @cached_property
    def _by_catalog(self) -> dict[int, int]:
        return {known.catalog: node for node, known in self.by_node.items() if known.catalog is not None}

    def _gathered(self, made: Callable[[str], str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for node, known in self.by_node.items():
            if name := made(known.label):
                found.setdefault(name, []).append(node)
        return found


def _folded(label: str) -> str:
    return " ".join(label.split()).casefold()


def _host(label: str) -> str:
    """A host name made of a label; empty where none can be."""
    name = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    return "" if _NO_HOST.fullmatch(name) else name
