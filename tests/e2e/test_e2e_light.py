"""A link backend that delivers early: the run says so, and fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e_lab import TOY, toy
from typer.testing import CliRunner

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.epoch import LinkKind, Links
from orbitmesh.emulator.errors import FasterThanLight
from orbitmesh.emulator.plane import shaping
from orbitmesh.emulator.plane.backend import LinkParameters

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.timeout(120)]

LONG_NS = 60 * 10**9  # the fault ends the run, not its duration


def _deliver_early(monkeypatch: pytest.MonkeyPatch, kinds: set[LinkKind], share: float) -> None:
    """From now on the links of some kinds take that much less than the epoch says."""
    as_it_should_be = shaping.parameters

    def parameters(links: Links, *more: Any, **course: Any) -> LinkParameters:
        right = as_it_should_be(links, *more, **course)
        wrong = np.isin(links.kind, [kind.value for kind in kinds])
        return replace(right, delay_ns=np.where(wrong, right.delay_ns * (1 - share), right.delay_ns))

    monkeypatch.setattr(shaping, "parameters", parameters)


def _check_summary(out: Path) -> None:
    summary = json.loads((out / "summary.json").read_text())
    assert summary["ended"] == "failed"
    assert "light" in summary["reason"]
    assert summary["light"]["too_fast"] > 0
    assert summary["light"]["least_margin_ns"] < 0
    assert summary["trusted"] is False


def test_early_lasers_fail_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    _deliver_early(monkeypatch, {LinkKind.LASER}, 0.05)
    arguments = ["run", str(TOY), "--out", str(tmp_path / "run"), "--duration", f"{LONG_NS // 10**9} s"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1, done.output
    assert "faster than light" in done.output
    assert "Traceback" not in done.output
    _check_summary(tmp_path / "run")


def test_early_ground_links_raise_from_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nothing_left: Callable[[], None]
) -> None:
    _deliver_early(monkeypatch, {LinkKind.GROUND}, 0.1)
    mesh = Emulation(toy(), duration_ns=LONG_NS, out=tmp_path / "run")
    with pytest.raises(FasterThanLight, match=r"from sat-\S+ to gw-\S+ took .* light needs at least"), mesh:
        mesh.wait()
    assert mesh.summary["ended"] == "failed"
    _check_summary(tmp_path / "run")
