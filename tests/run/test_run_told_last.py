"""`down` returns with the run's control socket: by then all must be written that says how the run ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator import Emulation, Scenario


def test_who_waits_for_the_end_is_told_when_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    mesh = Emulation(Scenario.load("pocket"), out=tmp_path / "run", links="fake", duration_ns=200_000_000)

    def noting(owner: Any, method: str) -> None:
        as_it_is = getattr(owner, method)

        def noted(*given: Any) -> Any:
            result = as_it_is(*given)
            steps.append(method)
            return result

        monkeypatch.setattr(owner, method, noted)

    with mesh:
        noting(mesh, "_end_as_it_ended")
        noting(mesh._doors.control, "close")
    assert steps == ["_end_as_it_ended", "close"]
    assert not (mesh.out / "ending.json").exists()
