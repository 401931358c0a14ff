"""docs/how-to/test-latency-with-pytest.md: its blocks are of the example that is run, or run here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from orbitmesh.emulator.testing import plugin

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "how-to/test-latency-with-pytest.md").read_text()
EXAMPLE = DOCS / "examples/latency-tests"
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
ALONE = [block for block in BLOCKS if "from orbitmesh" in block]


def test_each_block_is_part_of_the_example_or_stands_alone() -> None:
    code = [path.read_text() for path in sorted(EXAMPLE.rglob("*.py"))]
    assert len(BLOCKS) == 6
    for block in BLOCKS:
        assert block in ALONE or any(block.strip() in text for text in code), block


@pytest.mark.parametrize("block", ALONE, ids=range(len(ALONE)))
def test_blocks_that_stand_alone_run(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(compile(block, "block", "exec"), found)
    assert "path" in found or 0 < float(str(found["physical_ms"])) < 200


def test_every_fixture_and_option_is_in_the_guide() -> None:
    names = [
        name
        for name, value in vars(plugin).items()
        if type(value).__name__ == "FixtureFunctionDefinition" and not name.startswith("_")
    ]
    assert len(names) == 10
    for name in names:
        assert f"| `{name}` |" in GUIDE
    text = Path(plugin.__file__).read_text()
    for option in re.findall(r"\"(--orbitmesh[a-z-]*|orbitmesh_[a-z]+)\"", text):
        assert option in GUIDE or option == "--orbitmesh-guest-memory", option


def test_the_readme_s_test_is_one(tmp_path: Path) -> None:
    """Its fixtures are there, and its marker is understood."""
    block = re.findall(r"```python\n(@pytest.*?)```", (DOCS.parent / "README.md").read_text(), re.DOTALL)[0]
    (tmp_path / "test_it.py").write_text(f"import pytest\n{block}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--setup-plan", "-q", "--strict-markers", "test_it.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_the_nearest_satellite_answers_within_40_ms (fixtures used: " in done.stdout
