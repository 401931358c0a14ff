"""What is wrong with a scenario: where, and in a sentence.  A location is the path of keys and indices in the
file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..shown import shown
from ..toml_lines import Location


@dataclass(frozen=True)
class Problem:
    location: Location
    message: str


def twice(names: Sequence[str], at: Location, what: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield Problem((*at, i), f"the {what} {shown(name)} is named twice: remove one")
        seen.add(name)
