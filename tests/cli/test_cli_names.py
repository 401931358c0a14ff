"""Satellites of a file go by their names and numbers in a running mesh, beside sat-<plane>-<slot>."""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sgp4.api import WGS72, Satrec
from sgp4.exporter import export_tle
from test_cli_faults import RING
from test_cli_inside import Kept

pytestmark = [pytest.mark.netns, pytest.mark.beside]

N = 12
NAMES = ["ISS (ZARYA)", *(f"MYSAT-{i}" for i in range(1, N - 1)), "MYSAT-1"]  # the last: one too many


def ring() -> list[str]:
    """A plane of 12 in 1200 km, in order; numbers from 70000."""
    found = []
    for i, name in enumerate(NAMES):
        satrec = Satrec()
        satrec.sgp4init(
            WGS72, "i", 70000 + i, 28064.0, 0.0, 0.0, 0.0, 0.0001, 0.0, math.radians(60),
            2 * math.pi * i / N, 0.0574, 1.0,
        )  # fmt: skip
        satrec.classification, satrec.intldesg = "U", "26001A"
        satrec.elnum, satrec.revnum, satrec.ephtype = 1, 1, 0
        found.append("\n".join([name, *export_tle(satrec)]))
    return found


def write(folder: Path, entries: list[str]) -> None:
    (folder / "ring.tle").write_text("\n".join(entries) + "\n")
    text = RING % f'tle = "ring.tle", shape = [1, {N}]'
    (folder / "ring.toml").write_text(text.replace("satellites = 0", 'satellites = ["mysat-3"]'))


@pytest.fixture(scope="module", params=["wired", "fabric"])
def mesh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    kept = Kept(tmp_path_factory.mktemp("named"))
    write(kept.folder, ring())
    started = kept("run", "ring.toml", "--keep", "--duration", "1s", "--detach", "--plane", request.param)
    assert started.returncode == 0, started.stderr
    kept.run_id = started.stdout.split()[-1]
    yield kept
    assert kept.ask("down").returncode == 0


def test_programs_find_a_satellite_by_its_name_and_its_number(mesh: Kept) -> None:
    names = ["mysat-5", "norad-70005", "sat-0-5", "iss-zarya"]
    asked = "; ".join(f"getent ahostsv4 {name} | head -1" for name in names)
    found = mesh.ask("exec", "MYSAT-2", "--", "sh", "-c", asked)
    addresses = [line.split()[0] for line in found.stdout.splitlines()]
    assert addresses[0] == addresses[1] == addresses[2] != addresses[3]
    back = mesh.ask("exec", "70002", "--", "getent", "hosts", addresses[0])
    assert back.stdout.split() == [addresses[0], "sat-0-5"]  # its own name, by files and by DNS alike
    by_dns = f"import socket; print(socket.gethostbyaddr('{addresses[0]}')[0])"
    assert mesh.ask("exec", "norad-70002", "--", sys.executable, "-c", by_dns).stdout == "sat-0-5\n"


@pytest.mark.parametrize("named", ["python", "the shown one"])
def test_the_example_client_where_another_python_is_first(mesh: Kept, tmp_path: Path, named: str) -> None:
    """As the documents show it, it works; by the python on PATH, which lacks grpc, it says which to take."""
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    other.chmod(0o755)
    client = Path(__file__).parents[2] / "docs/examples/client.py"
    (shown,) = re.findall(r"^ +orbitmesh (exec .*)$", client.read_text(), re.M)
    words = shown.replace("gw-london", "mysat-4").replace("sat-3-7", "mysat-3").split()
    assert words[:3] == ["exec", "mysat-4", "--"]
    python, *arguments = words[3:]
    assert python == ".venv/bin/python"
    python = sys.executable if named != "python" else "python"
    argv = [python, str(client), *arguments[1:], "--order", "16", "--tokens", "2"]
    done = mesh.ask("exec", "mysat-4", "--", *argv, before=("env", f"PATH={tmp_path}:{os.environ['PATH']}"))
    if named == "python":
        assert (done.returncode, done.stdout) == (1, "")
        assert "lacks grpc: call it with the python that orbitmesh is installed in" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert "matmul of order 16: trace" in done.stdout
        assert done.stdout.count("network and gRPC") == 2


def test_what_is_no_name_is_refused(mesh: Kept) -> None:
    refused = mesh.ask("exec", "MYSAT-1", "--", "true")
    assert refused.returncode == 2
    assert (
        "'MYSAT-1' may be 2 satellites: sat-0-1 (MYSAT-1, 70001), sat-0-11 (MYSAT-1, 70011); "
        in refused.stderr
    )
    refused = mesh.ask("ping", "MYSAT-2", "MYSAT-33")
    assert refused.returncode == 2
    assert "there is no node 'MYSAT-33': did you mean 'MYSAT-3'?" in refused.stderr
    nobody = mesh.ask("exec", "sat-0-2", "--", "getent", "hosts", "mysat-1")
    assert nobody.returncode == 2, "two have that name, and it would be one's"


def test_ping_trace_and_status_say_both_names(mesh: Kept) -> None:
    ping = mesh.ask("ping", "iss (zarya)", "70002", "-c", "1")
    assert ping.returncode == 0, ping.stderr
    assert ping.stdout.splitlines()[:2] == ["sat-0-0 is ISS (ZARYA), 70000", "sat-0-2 is MYSAT-2, 70002"]
    trace = mesh.ask("trace", "ISS (ZARYA)", "MYSAT-2")
    assert trace.returncode == 0, trace.stderr
    assert trace.stdout.count("sat-0-2 (MYSAT-2, 70002)") == 2  # planned and measured
    as_json = json.loads(mesh.ask("trace", "sat-0-0", "norad-70002", "-o", "json").stdout)
    assert (as_json["src"], as_json["dst"]) == ("sat-0-0", "sat-0-2")
    assert as_json["planned_path"] == as_json["measured_path"] == ["sat-0-0", "sat-0-1", "sat-0-2"]
    assert as_json["known_as"]["sat-0-1"] == "MYSAT-1, 70001"
    status = mesh.ask("status")
    assert "satellites of files: sat-0-0 is ISS (ZARYA), 70000; sat-0-1 is MYSAT-1, 70001" in status.stdout
    assert json.loads(mesh.ask("status", "-o", "json").stdout)["known_as"]["sat-0-7"] == "MYSAT-7, 70007"


def test_the_record_names_them(mesh: Kept) -> None:
    run = json.loads((mesh.folder / "runs" / mesh.run_id / "run.json").read_text())
    assert run["known_as"]["sat-0-0"] == {
        "name": "ISS (ZARYA)", "catalog_number": 70000, "host_names": ["iss-zarya", "norad-70000"],
    }  # fmt: skip
    (arrangement,) = run["arrangements"]
    assert (arrangement["order"], arrangement["is_poor"]) == ("file", False)
    assert run["schedule"]["satellites"] == 1
    assert list(run["addresses"]) == ["sat-0-3"] or len(run["addresses"]) == N  # that host of the fabric's


def test_plan_names_them_and_says_how_they_are_arranged(tmp_path: Path) -> None:
    entries = ring()
    random.Random(1).shuffle(entries)
    first = entries.index(ring()[0])
    write(tmp_path, [*entries[first:], *entries[:first]])

    def plan(*arguments: str) -> subprocess.CompletedProcess[str]:
        return Kept(tmp_path)(
            "plan", "ring.toml", "--pair", "iss (zarya):70002", "--duration", "100ms", *arguments
        )

    shown = plan()
    assert shown.returncode == 0, shown.stderr
    path = "sat-0-0 (ISS (ZARYA))>sat-0-1 (MYSAT-1)>sat-0-2 (MYSAT-2)"
    assert path in " ".join(shown.stdout.split())
    assert (
        "satellites of files: shell-1: planes and slots found, since the file is not sorted" in shown.stderr
    )
    (row,) = json.loads(plan("-o", "json").stdout)
    assert (row["path"], row["known_as"]) == ("sat-0-0>sat-0-1>sat-0-2", "ISS (ZARYA)>MYSAT-1>MYSAT-2")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text((tmp_path / "ring.toml").read_text().replace("mysat-3", "mysat-99"))
    refused = Kept(tmp_path)("plan", "wrong.toml", "--pair", "sat-0-0:sat-0-1")
    assert refused.returncode == 2
    assert "there is no satellite 'mysat-99'" in refused.stderr
