"""What a test asks of its mesh: by its marker, else by the ini file, else by the command line.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..suggest import suggest

SCOPES = ("session", "module")
LINKS = ("auto", "engine", "netem", "fake")
PLANES = ("wired", "fabric", "auto")
CLOCKS = ("real", "paced", "stepped")
_CHOICES = {"links": LINKS, "plane": PLANES, "clock": CLOCKS}
#: What the others are written as.
_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "duration": ((str, int), 'a time, as "60 s"'),
    "seed": (int, "a whole number"),
    "gateway": (str, "the name of one"),
    "satellite": (str, "the name of one"),
}
#: Keywords of ``@pytest.mark.orbitmesh`` that make a mesh; tests of which one differs have different meshes.
OF_THE_MESH = ("scenario", "duration", "plane", "links", "clock", "seed")
#: Those that say what of it a test means.
OF_THE_TEST = ("gateway", "satellite")


class NotUnderstood(ValueError):
    """A marker, or a line of the ini file, that makes no sense; the text says what to write."""


@dataclass(frozen=True)
class Asked:
    """``scenario`` is a file (looked for in ``folder``), the name of a shipped one, or a Scenario."""

    scenario: Any
    duration: str | None = None
    plane: str | None = None
    links: str = "auto"
    clock: str = "real"
    seed: int | None = None
    folder: str = field(default="", compare=False)

    @property
    def key(self) -> tuple[Any, ...]:
        """Tests with equal ones share a mesh."""
        named = self.scenario if isinstance(self.scenario, str) else id(self.scenario)
        return (named, self.duration, self.plane, self.links, self.clock, self.seed)

    @property
    def name(self) -> str:
        return str(getattr(self.scenario, "name", self.scenario))


def asked(marked: Mapping[str, Any], by_ini: Mapping[str, str], folder: str) -> Asked:
    """From a marker's keywords, and what the ini file or the command line say where it is silent."""
    known = (*OF_THE_MESH, *OF_THE_TEST)
    for key in marked:
        if key not in known:
            raise NotUnderstood(
                f"@pytest.mark.orbitmesh does not know {key!r}: {suggest(key, known, 'it takes')}"
            )
    told = {key: value for key, value in by_ini.items() if value} | {
        key: value for key, value in marked.items() if key in OF_THE_MESH and value is not None
    }
    for key, value in {**told, **marked}.items():
        _check(key, value)
    return Asked(**told, folder=folder)


def _check(key: str, value: Any) -> None:
    if value is None:
        return  # as if it were not written
    choices = _CHOICES.get(key)
    if choices is not None and value not in choices:
        raise NotUnderstood(f"{key} = {value!r}: write one of {', '.join(choices)}")
    kind, written = _KINDS.get(key, (object, ""))
    if not isinstance(value, kind) or (written and isinstance(value, bool)):
        raise NotUnderstood(f"{key} = {value!r}: write {written}")


def scope(text: str) -> str:
    if text not in SCOPES:
        raise NotUnderstood(f"orbitmesh_scope = {text}: write {' or '.join(SCOPES)}")
    return text
