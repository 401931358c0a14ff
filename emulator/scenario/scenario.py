"""A scenario: read from a file, checked, and able to say where in the file something stands."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from pydantic import PrivateAttr, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ..errors import ScenarioError
from ..reading import SCENARIO, parse_toml, read_text, what_instead
from ..shown import plain
from ..suggest import nearest
from ..toml_lines import Location, key_lines, key_of, line_of
from .check import problems
from .model import Content
from .problem import Problem
from .sentences import first_error, problems_said, syntax_error

SHIPPED_FOLDER = Path(__file__).parent / "shipped"


class Scenario(Content):
    _path: Path | None = PrivateAttr(None)
    _base: Path = PrivateAttr(default_factory=Path.cwd)
    _text: str = PrivateAttr("")

    @property
    def path(self) -> Path | None:
        """The file it came from; None for one made in Python."""
        return self._path

    @property
    def base(self) -> Path:
        """The folder that relative element files count from."""
        return self._base

    @classmethod
    def load(cls, name_or_path: str | Path) -> Scenario:
        """A shipped scenario by name, or one from a file.  ScenarioError names file, line and key."""
        return load(name_or_path)

    def error(self, message: str, *location: str | int) -> ScenarioError:
        """An error about the entry at ``location`` (keys and indices as in the file), with file and line."""
        lines = key_lines(self._text)
        return ScenarioError(
            message, path=self._path, line=line_of(lines, location), key=key_of(location) or None
        )

    @model_validator(mode="after")
    def _check(self) -> Scenario:
        found = problems(self)
        if found:
            raise PydanticCustomError("orbitmesh", "{text}", {"text": found[0].message, "problems": found})
        return self


@dataclass(frozen=True)
class ShippedScenario:
    name: str
    title: str
    path: Path


def shipped() -> list[ShippedScenario]:
    """The scenarios that come with orbitmesh, by name."""
    found = []
    for path in sorted(SHIPPED_FOLDER.glob("*.toml")):
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        found.append(ShippedScenario(name=path.stem, title=str(raw.get("title", "")), path=path))
    return found


def load(name_or_path: str | Path) -> Scenario:
    """A shipped scenario by name (a string), or one from a file.

    ``./demo`` is a file, ``demo`` the shipped scenario.  ScenarioError names
    file, line and key.
    """
    by_name = {path.stem: path for path in SHIPPED_FOLDER.glob("*.toml")}
    path = by_name.get(name_or_path, Path(name_or_path)) if isinstance(name_or_path, str) else name_or_path
    try:
        text = read_text(path, SCENARIO)
    except FileNotFoundError:
        names = [scenario.name for scenario in shipped()]
        near = nearest(str(name_or_path), names)
        meant = "" if near is None else f"did you mean {near!r}? "
        raise ScenarioError(
            f"there is no such file, and no scenario of that name is shipped: {meant}"
            f"orbitmesh scenarios lists them ({', '.join(names)})",
            path=path,
        ) from None
    return loads(text, path=path)


def loads(text: str, *, path: Path | None = None, base: Path | None = None) -> Scenario:
    """A scenario from TOML text; ``path`` is named in errors, and its folder is the base of element files."""
    try:
        raw = parse_toml(text, SCENARIO, path)
    except tomllib.TOMLDecodeError as error:
        raise syntax_error(error, text, path) from None
    try:
        scenario = Scenario.model_validate(raw)
    except ValidationError as error:
        raise first_error(problems_said(error.errors(), text), text, path) from None
    scenario._path, scenario._text = path, text
    if base is not None or path is not None:
        folder = base if base is not None else Path(path or ".").parent
        scenario._base = folder.resolve()
    missing = _missing_files(scenario)
    if missing:
        raise first_error(missing, text, path)
    return scenario


def _missing_files(scenario: Scenario) -> list[Problem]:
    found = []
    named: list[tuple[Location, str | None]] = [
        *(
            (("constellation", "shells", i, key), getattr(shell, key))
            for i, shell in enumerate(scenario.constellation.shells)
            for key in ("tle", "omm")
        ),
        *((("customers", i, "trace"), each.trace) for i, each in enumerate(scenario.customers)),
    ]
    for at, file in named:
        if file is not None:
            try:
                other = what_instead(scenario.base / file)
            except (OSError, ValueError):  # none there, no permission; a name that no file can have
                message = f"there is no file {plain(str(scenario.base / file))}: correct the name"
            else:
                if other is None:
                    continue
                message = f"{plain(str(scenario.base / file))} is {other}: name a file"
            message += "; a relative path counts from the scenario's folder"
            found.append(Problem(at, message))
    return found
