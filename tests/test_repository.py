"""What every change must keep: style, types, scripts, documents."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from orbitmesh.emulator.cli.main import VERBS
from orbitmesh.emulator.scenario import Scenario

ROOT = Path(__file__).parents[1]
SCRIPTS = ("mesh", "vagrant/provision.sh", ".ci/run")
PACKAGES = ("emulator", "nodes", "wire", "tests")


#: What stands at the top; what a command left there by mistake does not.
AT_THE_TOP = {
    ".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "docs", "emulator", "mesh",
    "nodes", "proto", "pyproject.toml", "setup.py", "tests", "vagrant", "wire",
}  # fmt: skip


def tracked() -> list[Path]:
    """Files of the project: those that git knows or would add."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("needs the git checkout (this is a bare copy)")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )


def tool(name: str) -> str:
    """A program of the environment the tests run in, or of the system."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def test_ruff_finds_nothing() -> None:
    done = run(tool("ruff"), "check", "--no-cache", ".")
    assert done.returncode == 0, done.stdout


def test_the_code_is_formatted() -> None:
    done = run(tool("ruff"), "format", "--no-cache", "--check", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(600)  # of a fresh clone it has looked at nothing yet, and others share the processors
@pytest.mark.patient
def test_mypy_finds_nothing() -> None:
    # mypy wants the folders as the packages are named: orbitmesh.emulator is emulator/.  They stay in the
    # environment, with what it found: it looks again only at what has changed.
    place = Path(sys.prefix) / "mypy-of-tests"
    named = place / "orbitmesh"
    shutil.rmtree(named, ignore_errors=True)
    named.mkdir(parents=True)
    for folder in (
        "emulator",
        "nodes",
        "wire",
        *(f"proto/orbitmesh/{p.name}" for p in (ROOT / "proto/orbitmesh").iterdir()),
    ):
        (named / Path(folder).name).symlink_to(ROOT / folder)
    done = run(
        tool("mypy"), f"--cache-dir={place / 'cache'}", "--config-file=pyproject.toml",
        "-p", "orbitmesh.emulator", "-p", "orbitmesh.nodes", "-p", "orbitmesh.wire",
        MYPYPATH=str(place),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_executable_and_bash_can_read_it(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    done = run("bash", "-n", ROOT / script)
    assert done.returncode == 0, done.stderr


def test_shellcheck_finds_nothing() -> None:
    done = run(tool("shellcheck"), *SCRIPTS)
    assert done.returncode == 0, done.stdout


# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    r"\bmn +-c\b(?!`)": "deletes other people's interfaces",
    r"/root/|/home/[a-z]": "a path of somebody's machine",
    r"\b(TODO|FIXME|XXX)\b": "an open end",
    r"^(<{7}|>{7}) ": "a merge that was not finished",
    r"\bbreakpoint\(\)|\bpdb\.set_trace\b": "a debugger",
}


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_nothing_forbidden(pattern: str) -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in (".png", ".parquet", ".gz"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if re.search(pattern, line) and "never" not in line.lower():
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not found, f"{FORBIDDEN[pattern]}:\n" + "\n".join(found)


def test_nothing_else_stands_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} == AT_THE_TOP


def test_no_generated_or_large_files_are_tracked() -> None:
    for path in tracked():
        assert not re.search(r"_pb2(_grpc)?\.pyi?$|\.pyc$|orbitmesh-(engine|traffic)$", path.name), path
        assert path.stat().st_size < 1_000_000, f"{path} is larger than 1 MB"


def test_test_modules_have_names_of_their_own() -> None:
    """There are no packages under tests/, so two modules of one name would shadow each other."""
    seen: dict[str, Path] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.name != "conftest.py":
            assert path.name not in seen, f"{path} and {seen[path.name]}"
            seen[path.name] = path


# ---- documents


def documents() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def sections() -> Iterator[tuple[type[BaseModel], str, str]]:
    """Every key of the scenario file: its model, its alias, its attribute."""
    seen: set[type[BaseModel]] = set()
    waiting: list[type[BaseModel]] = [Scenario]
    while waiting:
        model = waiting.pop()
        if model in seen:
            continue
        seen.add(model)
        for name, field in model.model_fields.items():
            below = list(models_in(field.annotation))
            waiting.extend(below)
            if not (model is Scenario and below):  # a section of its own; its heading is looked for below
                yield model, field.alias or name, name


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models_in(argument)


HEADINGS = {
    "Scenario": "At the top",
    "Constellation": "[constellation]",
    "Shell": "[[constellation.shells]]",
    "Plane": "planes",
    "Formation": "formation",
    "Lasers": "[lasers]",
    "Terminal": "[lasers.terminal]",
    "Ground": "[ground]",
    "Station": "[[ground.stations]]",
    "Routing": "[routing]",
    "Compute": "[compute]",
    "Probes": "[compute.probes]",
    "Task": "[[compute.tasks]]",
    "Platform": "[platform]",
    "ShellPlatform": "[platform]",
    "Serving": "[serving]",
    "Customers": "[[customers]]",
    "Fault": "[[faults]]",
    "Tokens": "prompt and output",
    "TargetTable": "target",
    "Training": "[training]",
    "Background": "[background]",
    "Engine": "[engine]",
    "Run": "[run]",
}


def documented_keys() -> dict[str, set[str]]:
    text = (ROOT / "docs/scenario.md").read_text()
    found = {}
    for part in re.split(r"^#{2,3} ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        found[heading.strip()] = set(re.findall(r"^\| `([a-z0-9-]+)` \|", body, flags=re.MULTILINE))
    return found


def test_the_document_of_the_scenario_has_every_key_and_no_other() -> None:
    documented = documented_keys()
    wanted: dict[str, set[str]] = {}
    for model, alias, _ in sections():
        wanted.setdefault(HEADINGS[model.__name__], set()).add(alias)
    for heading, keys in wanted.items():
        assert documented[heading] == keys, heading


def test_links_between_documents_lead_somewhere() -> None:
    for path in documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            linked = (path.parent / name).resolve() if name else path
            assert linked.exists(), f"{path.relative_to(ROOT)}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.+)$", linked.read_text(), flags=re.MULTILINE)
                assert anchor in {h.lower().replace(" ", "-") for h in headings}, f"{path}: {target}"


def test_the_readme_knows_every_verb() -> None:
    text = (ROOT / "README.md").read_text()
    for name, *_ in VERBS:
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", text), name


def test_the_map_of_rooms_is_the_tree() -> None:
    text = (ROOT / "docs/design/rooms.md").read_text()
    told = set(re.findall(r"^\| `(emulator/[\w/]*)` \|", text, flags=re.MULTILINE))
    code = {path.relative_to(ROOT).parent for path in tracked() if path.suffix in (".py", ".c")}
    rooms = {
        f"{folder.as_posix()}/"
        for folder in code
        if folder.parts[:1] == ("emulator",) and folder.name != "src"
    }
    assert told == rooms, "docs/design/rooms.md: a line for each folder of emulator/"


def test_paths_that_documents_name_are_there() -> None:
    for path in documents():
        for name in re.findall(
            r"`((?:emulator|nodes|wire|proto|tests|vagrant|docs)/[\w./-]+)`", path.read_text()
        ):
            if path.name != "CHANGELOG.md":  # that one tells of what was, too
                # an example is a project of its own
                found = (ROOT / name).exists() or (path.parent / name).exists()
                assert found, f"{path.relative_to(ROOT)}: {name}"


def test_no_file_of_code_has_become_many() -> None:
    """Some 400 lines are a subject; what is well beyond has taken in another."""
    for path in tracked():
        if path.suffix in (".py", ".c", ".h") and "_pb2" not in path.name:
            n_lines = len(path.read_text().splitlines())
            assert n_lines <= 500, f"{path.relative_to(ROOT)} has {n_lines} lines: part it by subject"
