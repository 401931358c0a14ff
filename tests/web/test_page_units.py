"""What of the page needs no browser: units, sorting, filtering, its state; in TypeScript, by Node's own."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "emulator/web/page"
TESTS = Path(__file__).parent / "page"


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """In which node and what the page is built with are found; the page is built, so that they are there."""
    made = subprocess.run([sys.executable, str(PAGE / "build.py")], capture_output=True, text=True)
    build = runpy.run_path(str(PAGE / "build.py"))
    if made.returncode == build["NO_NODE"]:
        pytest.skip(made.stderr.strip())
    assert made.returncode == 0, made.stdout + made.stderr
    modules = PAGE / "node_modules"
    path = os.pathsep.join([str(build["node_folder"]()), str(modules / ".bin"), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "NODE_PATH": str(modules)}


def _run(argv: list[str], environment: dict[str, str]) -> str:
    ran = subprocess.run(argv, env=environment, cwd=PAGE, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_pages_own_tests_pass(environment: dict[str, str], tmp_path: Path) -> None:
    sources = sorted(map(str, TESTS.glob("*.test.ts")))
    how = ["--bundle", "--platform=node", "--format=esm", "--out-extension:.js=.mjs", "--log-level=warning"]
    _run(["esbuild", *sources, *how, f"--outdir={tmp_path}"], environment)
    files = sorted(map(str, tmp_path.glob("*.test.mjs")))
    assert len(files) == len(sources) > 0
    said = _run(["node", "--test", *files], environment)
    passed = re.search(r"^(?:# |ℹ )pass (\d+)$", said, re.MULTILINE)
    assert passed is not None, said
    assert int(passed[1]) > 20


def test_the_page_and_its_tests_are_typed(environment: dict[str, str]) -> None:
    for project in (PAGE, TESTS):
        _run(["tsc", "--noEmit", "-p", str(project)], environment)


def _luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2 has it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_text_stands_out_from_its_ground_in_the_dark_and_in_the_light() -> None:
    sheet = (PAGE / "src/layout/styles/colours.css").read_text()
    dark, light = (
        dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", part)) for part in sheet.split("@media")
    )
    texts = ("text", "text-quiet", "accent", "good", "warn", "bad")
    pairs = [(text, ground) for text in texts for ground in ("ground", "panel", "raised")]
    pairs += [("on-accent", "accent"), ("danger-text", "danger")]
    for colours in (dark, dark | light):
        for text, ground in pairs:
            low, high = sorted(_luminance(colours[name]) for name in (text, ground))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (
                f"{text} {colours[text]} on {ground} {colours[ground]}"
            )


def test_nothing_on_the_page_is_ever_markup() -> None:
    """Names come from scenarios and nodes: what would read them as markup is not used at all."""
    markup = re.compile(
        r"(inner|outer|insertAdjacent)HTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\("
        r"|new Function\("
    )
    found = [
        f"{path.relative_to(PAGE)}: {match[0]}"
        for path in sorted((PAGE / "src").rglob("*.ts"))
        for match in markup.finditer(path.read_text())
    ]
    assert not found
