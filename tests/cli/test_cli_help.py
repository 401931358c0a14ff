"""Every verb explains itself, and quickly: nothing heavy is imported for it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from orbitmesh.emulator.cli.literal import LiteralCommand, LiteralGroup
from orbitmesh.emulator.cli.main import VERBS, app

runner = CliRunner()
ORBITMESH = [sys.executable, "-m", "orbitmesh.emulator.cli"]


@pytest.mark.parametrize("verb", [name for name, *_ in VERBS])
def test_a_verb_has_help_with_an_example(verb: str) -> None:
    result = runner.invoke(app, [verb, "--help"], prog_name="orbitmesh", env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert re.search(rf"Example: (sudo )?orbitmesh {verb}\b", result.output), result.output


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))


ALL = dict(_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_loses_nothing_that_stands_in_brackets(path: tuple[str, ...]) -> None:
    result = runner.invoke(app, [*path, "--help"], prog_name="orbitmesh", env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    command = ALL[path]
    holders = [command, *(option for option in command.params if not getattr(option, "hidden", False))]
    texts = [getattr(holder, name, None) for holder in holders for name in ("help", "epilog")]
    shown = " ".join(result.output.split())
    for words in re.findall(r"\[[^\]]*\]", " ".join(text or "" for text in texts)):
        assert words in shown, f"{words} is not shown"


def test_words_in_brackets_are_no_markup() -> None:
    toy = typer.Typer(cls=LiteralGroup, rich_markup_mode="rich", help="All [of it].")

    @toy.command("go", cls=LiteralCommand, epilog="As go [fast].")
    def go(far: Annotated[str, typer.Option(help="How far. [default: to the end]")] = "") -> None:
        """Go [away]."""

    toy.command("stay", cls=LiteralCommand)(lambda: None)
    shown = runner.invoke(toy, ["--help"]).output + runner.invoke(toy, ["go", "--help"]).output
    for words in ("All [of it].", "As go [fast].", "[default: to the end]", "Go [away]."):
        assert words in shown, words
    assert shown.count("Go [away].") == 2  # in the list and on its own


def test_ctrl_c_before_the_verbs_are_loaded_ends_it_without_a_word() -> None:
    """Whenever it comes: as soon as the command's own code runs."""
    slow = "import signal, sys, time\nfrom orbitmesh.emulator.cli import __main__ as command\n"
    slow += "class Slow:\n def find_spec(self, name, *_):\n"
    slow += "  if name.endswith('cli.main'): print('loading', flush=True); time.sleep(30)\n"
    slow += "sys.meta_path.insert(0, Slow())\ncommand.start()"
    with subprocess.Popen(
        [sys.executable, "-c", slow], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)
    assert (process.returncode, *said) == (-signal.SIGINT, "", "")


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


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed(shell: str) -> None:
    shown = subprocess.run(
        [*ORBITMESH, "--show-completion", shell], capture_output=True, text=True, timeout=60
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "_ORBITMESH_COMPLETE" in shown.stdout
    assert "orbitmesh" in shown.stdout


def test_bash_completes_a_verb() -> None:
    asked = {"_ORBITMESH_COMPLETE": "complete_bash", "COMP_WORDS": "orbitmesh ca", "COMP_CWORD": "1"}
    shown = subprocess.run(ORBITMESH, env={**os.environ, **asked}, capture_output=True, text=True, timeout=60)
    assert shown.stdout.split() == ["calibrate", "capture"]


@pytest.mark.parametrize(
    "asked",
    [
        {"TERMINAL_WIDTH": "abc"},
        {"TERMINAL_WIDTH": "99999999"},
        {"COLUMNS": "9" * 26},
        {"COLUMNS": "²"},
    ],
)
def test_a_terminal_of_no_size_has_help_all_the_same(asked: dict[str, str]) -> None:
    shown = subprocess.run(
        [*ORBITMESH, "exec", "--help"],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Run a program inside a node" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 200


@pytest.mark.parametrize("asked", [{}, {"COMP_WORDS": "orbitmesh ", "COMP_CWORD": "x"}])
def test_completion_without_its_words_is_refused_in_a_sentence(asked: dict[str, str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("COMP_")}
    done = subprocess.run(
        [*ORBITMESH, "scenarios"],
        env={**env, "_ORBITMESH_COMPLETE": "complete_bash", **asked},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "orbitmesh: bash asks for completions without COMP_WORDS and COMP_CWORD: unset _ORBITMESH_COMPLETE\n"
    )
