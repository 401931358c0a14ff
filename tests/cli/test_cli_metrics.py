"""``orbitmesh metrics``, and ``run --metrics``: beside a mesh whose links carry nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from background_lab import CLI

from orbitmesh.emulator.cli.literal import _with_values
from orbitmesh.emulator.cli.run import run as run_verb
from orbitmesh.emulator.control.api.listening import listening

sys.path.append(str(Path(__file__).parents[1] / "control"))
sys.path.append(str(Path(__file__).parents[1] / "e2e"))
from api_lab import Certificates, fake_mesh, until
from e2e_lab import TOY


def text_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *words], capture_output=True, text=True, timeout=60)


def test_the_port_may_be_left_out() -> None:
    assert run_verb.__annotations__["metrics"]
    ours = {"--metrics"}
    assert _with_values(["--metrics"], ours) == ["--metrics", "9464"]
    assert _with_values(["--metrics", "demo"], ours) == ["--metrics", "9464", "demo"]
    assert _with_values(["--metrics", "0", "demo"], ours) == ["--metrics", "0", "demo"]
    assert _with_values(["demo", "--", "--metrics"], ours) == ["demo", "--", "--metrics"]
    assert _with_values(["--metrics", "--seed", "7"], set()) == ["--metrics", "--seed", "7"]


def test_the_board_and_the_scrape_configuration_are_printed_for_nobody_in_particular() -> None:
    board = call("metrics", "--grafana")
    assert board.returncode == 0
    assert json.loads(board.stdout)["title"] == "orbitmesh"
    config = call("metrics", "--prometheus", "--port", "1234")
    assert 'targets: ["127.0.0.1:1234"]' in config.stdout


def test_a_run_tells_where_its_metrics_are_and_ends_them_with_itself(tmp_path: Path) -> None:
    words = [
        "run",
        str(TOY),
        "--links",
        "fake",
        "--metrics",
        "0",
        "--duration",
        "60s",
        "--out",
        str(tmp_path / "r"),
    ]
    run = subprocess.Popen([*CLI, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    try:
        url = next(found[1] for line in run.stderr if (found := re.search(r"metrics: (http://\S+)", line)))
        until(lambda: 'orbitmesh_lasers{kind="in plane",shell="delta"} 48.0' in text_of(url), "lasers")
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=30)
    with pytest.raises(OSError, match=r"refused|reset"):
        text_of(url)


def test_a_port_in_use_is_told_before_anything_is_built(tmp_path: Path) -> None:
    with listening("127.0.0.1", 0, "--port") as tcp:
        port = str(tcp.getsockname()[1])
        done = call("run", str(TOY), "--links", "fake", "--metrics", port, "--out", str(tmp_path / "r"))
    assert done.returncode == 1
    assert f"--metrics: port {port} of 127.0.0.1 is in use: take another" in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_metrics_process_that_is_killed_leaves_the_mesh_and_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tcp = listening("127.0.0.1", 0, "--metrics")
    with fake_mesh(tmp_path / "r", metrics=tcp) as mesh:
        assert mesh._doors.metrics is not None
        first = url = str(mesh.listens).removeprefix("metrics: ")
        until(lambda: f'run="{mesh.run_id}"' in text_of(url), "a status")
        killed = mesh._doors.metrics.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        verb = subprocess.Popen(
            [*CLI, "metrics", "--run", mesh.run_id, "--port", "0"], stderr=subprocess.PIPE, text=True
        )
        assert verb.stderr is not None
        said = verb.stderr.readline()
        url = re.search(r"http://\S+", said)[0]  # type: ignore[index]
        until(lambda: "orbitmesh_ticks_total" in text_of(url), "a status")
        mesh.fail("sat-0-0")
        until(lambda: "orbitmesh_interventions 1.0" in text_of(url), "an intervention")
        until(lambda: 'orbitmesh_events_total{event="laser lost"} 0.0' not in text_of(url), "lasers lost")
        until(lambda: f'run="{mesh.run_id}"' in text_of(first), "the same address again")
        assert mesh._doors.metrics.pid not in (None, killed)
        assert not mesh.ended
    # its end with the run is no death
    assert [r.message for r in caplog.records if "died" in r.message] == [
        "the process of the metrics died (signal 9 (SIGKILL)); the mesh goes on, and it is started again"
    ]
    assert verb.wait(30) == 0  # it ends with the run
    verb.stderr.close()


def test_what_makes_no_sense_is_refused_in_a_sentence(tmp_path: Path) -> None:
    ours = Certificates(tmp_path)
    with fake_mesh(tmp_path / "r") as mesh:
        run = ("metrics", "--run", mesh.run_id)
        for words, said in (
            (("--listen", "0.0.0.0:9464"), "whoever reaches it could read the mesh: give --tls-cert"),
            (("--tls-cert", str(ours.cert)), "certificates and a token are for --listen"),
            (("--port", "99999"), "less than or equal to 65535"),
        ):
            done = call(*run, *words)
            assert done.returncode == 2, done.stderr
            assert said in done.stderr
            assert "Traceback" not in done.stderr


def test_of_a_mesh_elsewhere_the_same_counters_come_by_the_control_api(tmp_path: Path) -> None:
    from orbitmesh.emulator.control.api.listening import Listening

    ours = Certificates(tmp_path)
    door = Listening.open("127.0.0.1:0", certificate=ours.cert, key=ours.key, token=ours.token)
    with fake_mesh(tmp_path / "r", listen=door):
        at = ("--at", door.address.replace("127.0.0.1", "localhost"))
        words = [*CLI, *at, "--ca", str(ours.ca), "--token-file", str(ours.token), "metrics", "--port", "0"]
        verb = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert verb.stderr is not None
        url = re.search(r"http://\S+", verb.stderr.readline())[0]  # type: ignore[index]
        until(
            lambda: "orbitmesh_gateway_way" in text_of(url) or "orbitmesh_ticks_total" in text_of(url),
            "status",
        )
        until(lambda: "orbitmesh_lasers{" in text_of(url), "an epoch, by shell and plane")
    assert verb.wait(30) in (0, 1)
    verb.stderr.close()
