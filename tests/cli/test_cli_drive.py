"""Each block of docs/how-to/drive.md, in order, on the mesh that it starts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from background_lab import Background

# a whole demo of 74 nodes: beside other meshes it keeps two processors from all of them
pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

PAGE = Path(__file__).parents[2] / "docs/how-to/drive.md"


def test_every_block_of_how_to_drive_works(tmp_path: Path) -> None:
    pytest.importorskip("scapy", reason="needs scapy (pip install 'orbitmesh[probe]')")
    mesh = Background(tmp_path)
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
                done = mesh(*words[1:])
                assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
                if words[1] == "run":
                    mesh.run_id = done.stdout.strip()
                called.append(words[1])
    finally:
        if "down" not in called and mesh.run_id:
            mesh("down")
    assert {"run", "list", "cli", "contacts", "passes", "plan", "probe", "down", "gw-london", "link"} <= {
        *called
    }
