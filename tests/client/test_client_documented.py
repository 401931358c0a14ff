"""The page on driving a mesh by a program, block by block; one of them in another language."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.control.api.listening import Listening

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import fake_mesh, socket_of

ROOT = Path(__file__).parents[2]
MODULES = ("@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1")


def block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", (ROOT / "docs/how-to/control.md").read_text(), re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the page's own certificate and token."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl (./mesh test installs it)")
    folder = tmp_path_factory.mktemp("papers")
    done = subprocess.run(["sh", "-e"], input=block("sh"), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    listen = Listening.open(
        "127.0.0.1:0", certificate=folder / "cert.pem", key=folder / "key.pem", token=folder / "token"
    )
    with fake_mesh(tmp_path_factory.mktemp("run") / "toy", listen=listen) as run:
        yield run


def test_the_python_of_the_page(run: Emulation) -> None:
    program = block("python").replace("Mesh.connect()", f"Mesh.connect({run.run_id!r})")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "ms one way" in done.stdout
    assert "in force: ['sat-" in done.stdout


def test_the_verbs_of_the_page(run: Emulation, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert run._doors.listen is not None
    for line in block("console").replace("127.0.0.1:7400", run._doors.listen.address).splitlines():
        done = CliRunner().invoke(app, shlex.split(line.removeprefix("$ orbitmesh ")))
        assert done.exit_code == 0, (line, done.output)


def node_modules() -> Path:
    """Installed once, beside what ./mesh sets up."""
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            pytest.skip(f"needs {name} (./mesh test installs it)")
    folder = Path(sys.prefix, "node-client")
    if not (folder / "node_modules/@grpc/proto-loader").is_dir():
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        done = subprocess.run([*command, *MODULES], capture_output=True, text=True, timeout=100)
        if done.returncode:
            pytest.skip(f"needs @grpc/grpc-js from npm, which did not install: {done.stderr[-200:]}")
    return folder / "node_modules"


def test_the_node_of_the_page_from_the_proto(run: Emulation, tmp_path: Path) -> None:
    modules = node_modules()
    (tmp_path / "client.js").write_text(block("js"))
    done = subprocess.run(
        ["node", tmp_path / "client.js", ROOT / "proto", socket_of(run)],
        capture_output=True, text=True, timeout=60, env={**os.environ, "NODE_PATH": str(modules)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    path, first, second = done.stdout.splitlines()
    assert path.startswith("gw-london > sat-")
    assert path.endswith(" ms one way")
    assert (first.split()[0], second.split()[0]) == ("state", "diff")
    assert int(second.split()[1]) == int(first.split()[1]) + 1
