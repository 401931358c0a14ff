"""Who may import whom: the rooms at the top of the tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported(path: Path) -> Iterator[str]:
    """Absolute names of what a file imports, wherever in it; a relative import stays in its own room."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# What a node does by the clock, the run computes too: models without sockets, clocks or state of a process.
_PURE = ("load.arrivals", "serving.batcher", "serving.blocks", "serving.limits", "serving.power",
         "serving.prefixes", "serving.published", "serving.replay", "serving.request",
         "serving.step_time")  # fmt: skip
MODELS = tuple(f"orbitmesh.nodes.{name}" for name in _PURE)
EFFECTS = ("asyncio", "socket", "time", "os", "threading", "grpc", "subprocess")


def test_the_models_of_the_nodes_that_the_run_computes_too_have_no_effects() -> None:
    for name in MODELS:
        path = ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
        wrong = [used for used in imported(path) if used.split(".")[0] in EFFECTS]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    ("room", "others"),
    [
        ("nodes", ("orbitmesh.emulator",)),
        ("emulator", ("orbitmesh.nodes",)),
        ("wire", ("orbitmesh.emulator", "orbitmesh.nodes")),
    ],
)
def test_what_runs_in_a_node_and_what_runs_the_mesh_know_only_the_wire(
    room: str, others: tuple[str, ...]
) -> None:
    paths = sorted((ROOT / room).rglob("*.py"))
    assert paths
    for path in paths:
        wrong = [name for name in imported(path) if name.startswith(others) and not name.startswith(MODELS)]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_scipy_is_imported_by_what_needs_it_when_it_does() -> None:
    """It takes a quarter of a second of each process of a run; few runs need anything of it."""
    for path in sorted((ROOT / "emulator").rglob("*.py")):
        body = ast.parse(path.read_text()).body
        names = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
        names += [node.module or "" for node in body if isinstance(node, ast.ImportFrom)]
        assert not any(name.startswith("scipy") for name in names), f"{path.relative_to(ROOT)} imports scipy"


def test_the_recorder_loads_neither_the_scenario_nor_what_computes_an_epoch() -> None:
    """A fifth of a second of each run's beginning: what numbers in an epoch mean stands beside the epoch."""
    loaded = "import sys, orbitmesh.emulator.record.process; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True)
    rooms = {f"orbitmesh.emulator.{room}" for room in ("scenario", "orbit", "platform", "links", "routing")}
    assert not {"pydantic", "scipy", *rooms} & set(found.stdout.split())


def test_no_module_of_the_run_imports_one_that_imports_it() -> None:
    """Also where the import is for types only: such a pair is one module in two files."""
    folder = ROOT / "emulator/run"
    names = {path.stem for path in folder.glob("*.py")}
    uses: dict[str, set[str]] = {}
    for path in folder.glob("*.py"):
        found = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)]
        uses[path.stem] = {n.module for n in found if n.level == 1 and n.module in names}
    while leaves := {name for name, used in uses.items() if not used & uses.keys()}:
        uses = {name: used for name, used in uses.items() if name not in leaves}
    assert not uses, f"import circles among {sorted(uses)}"


MAP = (ROOT / "docs/design/rooms.md").read_text()
ROOMS = re.findall(r"^\| `(emulator(?:/\w+)+)/` \|", MAP, flags=re.MULTILINE)
# names and figures that a scenario's file is checked against stand with what goes by them
CHECKED_AGAINST = {f"emulator/{room}" for room in ("answers", "placement", "platform", "training")}


def modules(path: Path) -> Iterator[Path]:
    """What a file imports of the emulator, wherever in it: files or folders, without their suffix."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
            yield from (Path(*parts[1:]) for parts in names if parts[:2] == ["orbitmesh", "emulator"])
        elif isinstance(node, ast.ImportFrom):
            of = [] if node.module is None else node.module.split(".")
            if node.level:
                base = path.relative_to(ROOT).parents[node.level - 1].joinpath(*of)
            elif of[:2] == ["orbitmesh", "emulator"]:
                base = Path(*of[1:])
            else:
                continue
            yield from (base / alias.name for alias in node.names)


def room_of(module: Path) -> str | None:
    """None: what all rooms share, and what stands beside the emulator."""
    return next((str(each) for each in module.parents if str(each) in ROOMS), None)


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_uses_one_that_stands_higher_in_the_map(room: str) -> None:
    higher = {each for each in ROOMS[: ROOMS.index(room)] if not room.startswith(f"{each}/")}
    if room == "emulator/scenario":
        higher -= CHECKED_AGAINST
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in sorted((ROOT / room).glob("*.py"))
        for module in modules(path)
        if {str(module), room_of(module)} & higher
    ]
    assert not wrong, wrong
