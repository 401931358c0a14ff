"""Policies by name: those that come with it, and those of packages that are installed beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from ..errors import RunError
from ..shown import plain, shown
from ..suggest import suggest
from .policies import POLICIES
from .view import Policy

GROUP = "orbitmesh.placement"
BUILT_IN = tuple(POLICIES)
_NEED_PLATFORMS = ("sunlit", "coolest")

Made = TypeVar("Made")


@dataclass(frozen=True)
class Named:
    """``origin``: what a plug-in's entry point says; empty for one of our own."""

    name: str
    policy: Policy
    origin: str = ""

    @property
    def said(self) -> str:
        return f"the placement plug-in {shown(self.name)} ({self.origin})"


def _plugins() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for each in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        there = found.setdefault(each.name, [])
        if each.value not in {point.value for point in there}:  # a package may be seen twice on the path
            there.append(each)
    return found


def problem(name: str, *, has_platforms: bool) -> str | None:
    """What is wrong with a policy's name; its plug-in is not loaded for it."""
    if name in POLICIES:
        if name in _NEED_PLATFORMS and not has_platforms:
            return (
                f"{shown(name)} goes by sunlight and heat, which the scenario does not have: add [platform]"
            )
        return None
    plugins = _plugins()
    if name not in plugins:
        hint = suggest(name, [*POLICIES, *plugins], "policies")
        return f"there is no placement policy {shown(name)}: {hint}"
    if len(plugins[name]) > 1:
        both = " and ".join(point.value for point in plugins[name])
        return f"two plug-ins are named {shown(name)} ({both}): remove one of their packages"
    return None


def load(name: str) -> Named:
    """Of a name that ``problem`` finds nothing wrong with.  RunError where its plug-in does not load."""
    if name in POLICIES:
        return Named(name, POLICIES[name]())
    points = _plugins().get(name)
    if not points:
        raise RunError(f"there is no placement policy {shown(name)} any more: is its package installed?")
    point = points[0]
    said = f"the placement plug-in {shown(name)} ({point.value})"
    made = guarded(said, "cannot be loaded", lambda: point.load()())
    if not callable(getattr(made, "place", None)):
        raise RunError(
            f"{said} has no method 'place': its entry point must name a class or function that makes one"
        )
    return Named(name, made, point.value)


def guarded(said: str, what: str, call: Callable[[], Made]) -> Made:
    """Of others' code: whatever it raises becomes a sentence that names it."""
    try:
        return call()
    except (Exception, SystemExit) as error:
        why = plain(" ".join(str(error).split()))
        told = f"{type(error).__name__}: {why}" if why else type(error).__name__
        raise RunError(f"{said} {what}: {told}; mend it, or take another policy") from error
