"""What the pytest plugin costs: a run that does not use it, and one until its first test has a mesh.

    sudo .venv/bin/python tests/bench/bench_pytest_plugin.py [--python PATH] [--turns 7]

By turns: pytest of one empty test without the plugin (-p no:orbitmesh), with it, and with a test that has a
session mesh of pocket; from the process's start to the first test's begin.  --python: of another environment,
such as one with the wheel, in which pytest rewrites the assertions of the plugin's package.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFTEST = """
import time

def pytest_runtest_call(item):
    print("begins at", time.monotonic_ns(), flush=True)
"""
WITHOUT, WITH, MESH = "without the plugin", "with it", "with a mesh of pocket"
CASES = {
    WITHOUT: ["-p", "no:orbitmesh", "test_empty.py"],
    WITH: ["test_empty.py"],
    MESH: ["test_mesh.py"],
}


def until_first_test_s(python: str, folder: Path, arguments: list[str]) -> float:
    began_ns = time.monotonic_ns()
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "-s", *arguments],
        cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return (int(done.stdout.partition("begins at ")[2].split()[0]) - began_ns) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--turns", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orbitmesh-bench-") as name:
        folder = Path(name)
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_empty.py").write_text("def test_empty():\n    pass\n")
        (folder / "test_mesh.py").write_text("def test_mesh(mesh):\n    pass\n")
        for arguments in CASES.values():
            until_first_test_s(asked.python, folder, arguments)  # what is compiled once
        taken: dict[str, list[float]] = {case: [] for case in CASES}
        for _ in range(asked.turns):
            for case, arguments in CASES.items():
                taken[case].append(until_first_test_s(asked.python, folder, arguments))
    p50 = {case: statistics.median(each) for case, each in taken.items()}
    for case, each in taken.items():
        print(f"{case:24} p50 {p50[case]:6.3f} s   least {min(each):6.3f}   most {max(each):6.3f}")
    print(f"the plugin, unused       {1e3 * (p50[WITH] - p50[WITHOUT]):6.1f} ms")
    print(f"a session mesh of pocket {p50[MESH] - p50[WITH]:6.3f} s until the first test")


if __name__ == "__main__":
    main()
