"""Names of scenarios and ids of runs: one rule for what becomes a folder, a socket and a word.

ASCII letters, digits, '.', '_' and '-'; the first a letter or a digit.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime

from .shown import shown

# A run's socket is reached as /proc/self/fd/<number>/<run id>, and a socket's path holds 107 bytes:
# 22 for what stands before (18 where ".api" stands behind), 22 for the date and the token behind the name.
MOST_NAME_CHARACTERS = 60
MOST_RUN_ID_CHARACTERS = 84

ROOTS_PLACE = "/run/orbitmesh"  # where root's runs announce themselves, a folder a user

LOG_NAME = "run.log"  # what a run in the background says, in its folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def name_problem(name: str) -> str | None:
    """What is wrong with a scenario's name, in a sentence; None where nothing is."""
    if _NAME.fullmatch(name) is None:
        return (
            f"{shown(name)} is not a name: write letters (a-z, A-Z), digits, '.', '_' and '-', "
            "the first a letter or a digit, as in 'my-run'"
        )
    if len(name) > MOST_NAME_CHARACTERS:
        return f"{shown(name)} has {len(name)} characters: write at most {MOST_NAME_CHARACTERS}"
    return None


def checked_name(name: str) -> str:
    """The name; ValueError with the sentence where it is none."""
    if (problem := name_problem(name)) is not None:
        raise ValueError(problem)
    return name


def make_run_id(scenario_name: str, now_utc: datetime) -> str:
    return f"{scenario_name}-{now_utc:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def is_run_id(text: str) -> bool:
    return len(text) <= MOST_RUN_ID_CHARACTERS and _NAME.fullmatch(text) is not None
