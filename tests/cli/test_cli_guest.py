"""``orbitmesh guest``: what it takes, and what it says before anything boots."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli import guest, run
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.errors import InputError

runner = CliRunner()


@pytest.mark.parametrize("verb", ["", "run", "exec", "test"])
def test_it_has_help_with_an_example(verb: str) -> None:
    arguments = ["guest", *([verb] if verb else []), "--help"]
    result = runner.invoke(app, arguments, prog_name="orbitmesh", env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert re.search(rf"Example: orbitmesh guest {verb}", result.output), result.output


def test_it_takes_what_run_takes() -> None:
    """But to stay in the background, or to be called: its kernel ends with it and has no way out."""
    outside, inside = (inspect.signature(verb).parameters for verb in (run.run, guest.run))
    called = {"listen", "token_file", "tls_cert", "tls_key", "client_ca", "metrics", "web"}
    behind = {"keep", "detach", "lifeline"}
    assert set(outside) - behind - called == set(inside) - {"memory", "kernel", "timeout"}
    for name in set(outside) & set(inside):
        assert outside[name] == inside[name]


@pytest.mark.parametrize(("text", "n_bytes"), [("512M", 512 << 20), ("2G", 2 << 30), ("1 GiB", 1 << 30)])
def test_memory(text: str, n_bytes: int) -> None:
    assert guest.memory_bytes(text) == n_bytes


@pytest.mark.parametrize("text", ["", "512", "1.5G", "2T", "-1G", "lots"])
def test_memory_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match=r"--memory: .* write 512M or 2G"):
        guest.memory_bytes(text)


def said_by(*arguments: str | Path, status: int, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "orbitmesh.emulator.cli", "guest", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, env={"PATH": "/nowhere", **environment},
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line.removeprefix("orbitmesh: ")


def test_a_missing_package_names_itself() -> None:
    said = said_by("exec", "--", "true", status=1)
    assert "apt-get install user-mode-linux" in said
    assert "provision.sh --guest" in said


def test_what_is_wrong_is_told_before_anything_boots(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    assert "no-such-scenario" in said_by("run", "no-such-scenario", status=2)
    assert "is not empty" in said_by("run", "demo", "--out", tmp_path / "full", status=2)
    assert "--write: " in said_by("exec", "--write", tmp_path / "none", "--", "true", status=2)
    assert "--timeout: '5' has no unit" in said_by("exec", "--timeout", "5", "--", "true", status=2)


def test_a_folder_that_was_made_in_vain_is_removed(tmp_path: Path) -> None:
    said_by("run", "demo", "--out", tmp_path / "out", status=1)
    assert not (tmp_path / "out").exists()


def test_a_guest_in_a_guest() -> None:
    assert "guest kernel already" in said_by("exec", "--", "true", status=1, ORBITMESH_GUEST="1")
