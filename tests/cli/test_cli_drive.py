"""Each block of docs/how-to/drive.md, in order, on the mesh that it starts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from background_lab import Background

from orbitmesh.emulator.scenario.scenario import SHIPPED_FOLDER

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.timeout(240)]

PAGE = Path(__file__).parents[2] / "docs/how-to/drive.md"


def quiet_demo() -> str:
    """The demo's mesh with a process in eight satellites, no customers, and hardly anything that is measured.

    Two processors are full of the 74 nodes that do all that, and the page looks at none of it.
    """
    text = (SHIPPED_FOLDER / "demo.toml").read_text()
    for table in (r"\[\[customers\]\]", r"\[\[compute\.tasks\]\]", r"\[serving\]"):
        text, n = re.subn(rf"^{table}.*\n(?:[^\[\n].*\n)*", "", text, flags=re.MULTILINE)
        assert n > 0, table
    for key, value in (('satellites = "all"', "satellites = 8"), ('interval = "2 s"', 'interval = "60 s"')):
        assert text.count(key) == 1, key
        text = text.replace(key, value)
    return text


def test_every_block_of_how_to_drive_works(tmp_path: Path) -> None:
    pytest.importorskip("scapy", reason="needs scapy (pip install 'orbitmesh[probe]')")
    mesh = Background(tmp_path)
    (tmp_path / "quiet.toml").write_text(quiet_demo())
    called: list[str] = []
    try:
        for kind, block in re.findall(r"```(console|text)\n(.*?)```", PAGE.read_text(), re.DOTALL):
            if kind == "text":
                lines = [line.removeprefix("mininet> ") for line in block.splitlines()]
                assert all(line.startswith("mininet> ") for line in block.splitlines())
                (tmp_path / "lines").write_text("\n".join(lines) + "\n")
                done = mesh("cli", "lines")
                assert done.returncode == 0, done.stdout + done.stderr
                called += [line.split()[0] for line in lines]
                continue
            for line in block.splitlines():
                words = shlex.split(line.removeprefix("$ ").removeprefix("sudo "))
                assert words[0] == "orbitmesh", line
                is_run = words[:3] == ["orbitmesh", "run", "demo"]
                done = mesh(*(["run", "./quiet.toml", *words[3:]] if is_run else words[1:]))
                assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
                if words[1] == "run":
                    mesh.run_id = done.stdout.strip()
                called.append(words[1])
    finally:
        if "down" not in called and mesh.run_id:
            mesh.end()
    assert {"run", "list", "cli", "contacts", "passes", "plan", "probe", "down", "gw-london", "link"} <= {
        *called
    }
