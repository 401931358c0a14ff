"""Who may import whom: the rooms at the top of the tree."""

from __future__ import annotations

import ast
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
        wrong = [name for name in imported(path) if name.startswith(others)]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


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
