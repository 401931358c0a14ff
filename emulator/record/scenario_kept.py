"""The scenario in a run's record: run.json has its content, and files beside it the elements that it read.

So a record says where everything was, wherever it is taken, long after the scenario's file was changed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ElementsError, InputError
from ..reading import ELEMENTS, open_regular, read_bytes
from ..safe_files import Folder
from ..scenario import Scenario, scenario_hash
from ..shown import plain
from .files import RUN
from .writer import write_whole

_KEPT_ELEMENTS = replace(ELEMENTS, is_ours=True)
_KINDS = ("tle", "omm")
_NAME = re.compile(r"elements-\d{1,4}\.(tle|omm)", re.ASCII)


def is_kept(name: str) -> bool:
    """Whether a file of a run's folder is one of these."""
    return _NAME.fullmatch(name) is not None


def keep_elements(folder: Folder, scenario: Scenario) -> None:
    """HostError where the disk refuses."""
    for row, shell in enumerate(scenario.constellation.shells):
        for kind in _KINDS:
            path = getattr(shell, kind)
            if path is not None:
                write_whole(folder, f"elements-{row}.{kind}", read_bytes(scenario.base / path, ELEMENTS))


def scenario_of(path: Path, run: dict[str, Any]) -> Scenario:
    """What a run's folder was of; InputError, in a sentence, where the record does not say or is damaged.

    ``run``: what run.json holds.  Nothing outside of the folder is read.
    """
    if not run:
        raise InputError(f"{RUN}, which holds the scenario, cannot be read")
    if "content" not in run:
        raise InputError("this record does not hold its scenario: it is of an older version of orbitmesh")
    content, told = run["content"], run.get("scenario")
    try:
        shells = [*content["constellation"]["shells"]]
        for row, shell in enumerate(shells):
            own = {kind: f"elements-{row}.{kind}" for kind in _KINDS if shell.get(kind) is not None}
            shells[row] = shell | own
            for name in own.values():
                open_regular(path / name, _KEPT_ELEMENTS).close()  # a link of another user's is not followed
        content = content | {"constellation": content["constellation"] | {"shells": shells}}
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = plain(f"{where}: {first['msg']}")
        raise InputError(f"its scenario is not one that this version reads: {said}") from None
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"its scenario is damaged: {RUN} holds what is none") from None
    except (ElementsError, OSError) as error:
        raise _missing(error) from None
    scenario._base = path.absolute()  # anchored where path is, so that the folder may be moved
    try:
        found = scenario_hash(scenario)
    except (InputError, OSError) as error:
        raise _missing(error) from None
    if not isinstance(told, dict) or found != told.get("sha256"):
        raise InputError(f"its scenario is not the one that ran: the hash in {RUN} is another")
    return scenario


def _missing(error: Exception) -> InputError:
    return InputError(f"the orbital elements that it was made from are missing: {plain(str(error))}")
