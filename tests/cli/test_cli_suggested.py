"""Commands that a message suggests can be pasted into a shell as they stand."""

from __future__ import annotations

import shlex
from typing import cast

import pytest

from orbitmesh.emulator.cli.inside import planned_path
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.errors import FailureError


class _NoWay:
    def path(self, a: str, b: str) -> dict[str, None]:
        return {"path": None}


def test_names_with_blanks_are_quoted() -> None:
    with pytest.raises(FailureError) as told:
        planned_path(cast(Client, _NoWay()), "ISS (ZARYA)", "gw-london")
    _, command = str(told.value).split("to see when there is one: ")
    assert shlex.split(command)[-2:] == ["--pair", "ISS (ZARYA):gw-london"]
