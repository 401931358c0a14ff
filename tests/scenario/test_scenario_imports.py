"""The modules of a scenario stand one above the other: none imports, at any place, one that imports it."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import orbitmesh.emulator.scenario as scenario

FOLDER = Path(scenario.__file__).parent


def test_there_is_no_import_circle() -> None:
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    graph: dict[str, set[str]] = {}
    for name in names:
        tree = ast.parse((FOLDER / f"{name}.py").read_text())
        graph[name] = {
            node.module.partition(".")[0]
            for node in ast.walk(tree)  # also inside functions and under TYPE_CHECKING
            if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module
        } & names
    TopologicalSorter(graph).prepare()  # CycleError names the circle
    assert "model" in graph["check"]
