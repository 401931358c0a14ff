"""``orbitmesh web``: what it says where it cannot serve, and a record that it serves."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from orbitmesh.emulator import Emulation
from orbitmesh.emulator.web import files

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from e2e_lab import toy

ORBITMESH = [sys.executable, "-P", "-m", "orbitmesh.emulator.cli"]


def refused(*words: str) -> str:
    done = subprocess.run([*ORBITMESH, "web", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_is_no_run_is_refused_in_a_sentence(tmp_path: Path) -> None:
    assert "holds no run (no run.json in it)" in refused(f"{tmp_path}/x")
    assert "is no run's id" in refused("a b")


def test_a_record_is_served_until_ctrl_c(tmp_path: Path) -> None:
    if not (files.DIST / "index.html").is_file():
        pytest.skip("needs the page (./mesh web builds it)")
    out = tmp_path / "run"
    with Emulation(toy(), links="fake", out=out, clock="stepped") as mesh:
        mesh.step(2)
    served = subprocess.Popen([*ORBITMESH, "web", str(out), "--port", "0"], stderr=subprocess.PIPE, text=True)
    with served:
        assert served.stderr is not None
        said = "".join(served.stderr.readline() for _ in range(2))
        found = re.search(r"(http://127\.0\.0\.1:\d+)/#token=[\w-]{43}$", said.strip())
        assert found, said
        with urllib.request.urlopen(f"{found[1]}/", timeout=20) as answer:
            assert b"<html" in answer.read()
        taken = refused(str(out), "--port", found[1].rpartition(":")[2])
        assert re.search(r"port \d+ of 127.0.0.1 is in use: take another, or 0", taken)
        served.send_signal(signal.SIGINT)
        assert served.wait(30) in (0, 130)
        assert "Traceback" not in served.stderr.read()
