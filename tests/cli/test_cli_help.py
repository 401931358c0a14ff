"""Every verb explains itself, and quickly: nothing heavy is imported for it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator.cli.main import VERBS, app

runner = CliRunner()


@pytest.mark.parametrize("verb", [name for name, *_ in VERBS])
def test_a_verb_has_help_with_an_example(verb: str) -> None:
    result = runner.invoke(app, [verb, "--help"], prog_name="orbitmesh", env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert re.search(rf"Example: (sudo )?orbitmesh {verb}\b", result.output), result.output


def test_the_verbs_are_listed() -> None:
    result = runner.invoke(app, ["--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    for name, *_ in VERBS:
        assert re.search(rf"\b{name}\b", result.output), name


def test_no_verb_at_all_shows_help() -> None:
    assert "Usage" in runner.invoke(app, []).output


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_waits_for_no_heavy_library(arguments: list[str]) -> None:
    program = (
        "import sys, atexit\n"
        "heavy = {'scipy', 'numpy', 'mininet', 'grpc', 'pyroute2', 'pyarrow', 'sgp4', 'erfa', 'scapy'}\n"
        "atexit.register(lambda: print('heavy:', *sorted(heavy & set(sys.modules))))\n"
        "from orbitmesh.emulator.cli.main import main\n"
        f"sys.argv = ['orbitmesh', *{arguments!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy:"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["plan"],
        ["run", "demo", "--nonsense"],
        ["run", "demo", "--clock", "sundial"],
        ["exec", "gw-a"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    result = runner.invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert "Usage" in result.output
    assert result.stdout == ""
