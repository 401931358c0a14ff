"""The verbs that look into a running mesh: one that was kept, without gateways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from forked_command import orbitmesh
from test_cli_faults import RING

pytestmark = [pytest.mark.netns, pytest.mark.beside]


class Kept:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id = ""

    def __call__(self, *arguments: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        if not before:
            return orbitmesh(arguments, cwd=self.folder, environment=os.environ)
        return subprocess.run(
            [*before, sys.executable, "-m", "orbitmesh.emulator.cli", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def ask(
        self, verb: str, *arguments: str, before: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        return self(verb, "--run", self.run_id, *arguments, before=before)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    kept = Kept(tmp_path_factory.mktemp("kept"))
    (kept.folder / "ring.toml").write_text(RING % 'code = "D:1200:60:12/1/0"')
    started = kept("run", "ring.toml", "--duration", "200ms", "--keep")
    assert started.returncode == 0, started.stderr
    assert "orbitmesh ping sat-0-0 sat-0-11" in started.stderr
    (run,) = (kept.folder / "runs").iterdir()
    kept.run_id = run.name
    yield kept
    ended = kept.ask("down")
    assert ended.returncode == 0, ended.stderr
    assert kept("clean", kept.run_id).returncode == 0
    assert not run.exists()


def test_ping_gives_all_digits_to_programs(mesh: Kept) -> None:
    said = mesh.ask("ping", "sat-0-0", "sat-0-6", "-c", "2", "-o", "csv").stdout.splitlines()
    assert said[0] == "seq,measured_rtt_ns,physical_rtt_ns"
    assert [line.split(",")[0] for line in said[1:]] == ["1", "2"]
    for line in said[1:]:
        measured_ms, physical_ms = (int(ns) / 1e6 for ns in line.split(",")[1:])
        assert physical_ms > 100, "ping itself says those in whole milliseconds"
        # the link moves on while the echo flies; half a millisecond is what rounding could hide
        assert physical_ms - 0.05 < measured_ms
        assert measured_ms != round(measured_ms)


def test_ping_and_trace_of_a_node_by_itself(mesh: Kept) -> None:
    ping = json.loads(mesh.ask("ping", "sat-0-3", "sat-0-3", "-c", "1", "-o", "json").stdout)
    assert (ping["path"], ping["received"]) == (["sat-0-3"], 1)
    trace = mesh.ask("trace", "sat-0-3", "sat-0-3", "-o", "json")
    assert trace.returncode == 0
    assert json.loads(trace.stdout)["measured_path"] == ["sat-0-3"]
    assert json.loads(trace.stdout)["physical_rtt_ns"] == 0
    assert "physics: 0.000 ms there and back\n" in mesh.ask("trace", "sat-0-3", "sat-0-3").stdout


def test_trace_shows_the_hops(mesh: Kept) -> None:
    done = mesh.ask("trace", "sat-0-1", "sat-0-3", "-o", "csv")
    assert done.stderr == ""
    lines = [line.split(",") for line in done.stdout.splitlines()]
    assert lines[0] == ["hop", "planned", "measured", "address", "rtt_ns"]
    assert [line[:3] for line in lines[1:]] == [["1", "sat-0-2", "sat-0-2"], ["2", "sat-0-3", "sat-0-3"]]


def test_exec_ends_as_the_program_does(mesh: Kept) -> None:
    for program, status in (("exit 7", 7), ("kill -TERM $$", 143)):
        assert mesh.ask("exec", "sat-0-0", "--", "sh", "-c", program).returncode == status
    empty = mesh.ask("exec", "sat-0-0", "--", "")
    assert (empty.returncode, empty.stderr) == (
        2,
        "orbitmesh: the name of the program is empty: write the program behind --\n",
    )
    missing = mesh.ask("exec", "sat-0-0", "--", "no-such-program")
    assert missing.returncode == 127
    assert "no-such-program" in missing.stderr


@pytest.mark.parametrize("verb", [["exec", "sta-0-0", "--", "true"], ["ping", "sat-0-0", "sta-0-0"]])
def test_a_node_that_is_not_there(mesh: Kept, verb: list[str]) -> None:
    done = mesh.ask(*verb)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "orbitmesh: there is no node 'sta-0-0': did you mean 'sat-0-0'?\n"


def test_a_running_run_is_reported_and_not_removed(mesh: Kept) -> None:
    report = json.loads(mesh("report", mesh.run_id, "-o", "json").stdout)
    assert (report["ended"], report["finished"]) == ("running", False)
    clean = mesh("clean", mesh.run_id)
    assert clean.returncode == 2
    assert f"run {mesh.run_id} is under way; end it first: orbitmesh down" in clean.stderr


def test_another_user_is_told_whose_it_is(mesh: Kept) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    done = mesh("status", "--run", mesh.run_id, before=nobody)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"orbitmesh: the mesh {mesh.run_id} belongs to root: call orbitmesh with sudo\n"


def test_exec_gives_a_containers_capabilities(mesh: Kept) -> None:
    def effective(*options: str) -> int:
        program = ("exec", *options, "sat-0-0", "--", "cat", "/proc/self/status")
        lines = dict(line.split(":", 1) for line in mesh.ask(*program).stdout.splitlines())
        masks = {int(lines[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")}
        assert len(masks) == 1
        return masks.pop()

    # chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_admin,
    # net_raw, sys_chroot, audit_write, setfcap
    assert effective() & ~0xA00435FB == 0
    assert effective() >> 12 & 1
    assert effective("--privileged") >> 21 & 1, "with CAP_SYS_ADMIN"
    assert mesh.ask("exec", "sat-0-0", "--", "ip", "tuntap", "add", "probe0", "mode", "tun").returncode == 0
    assert mesh.ask("exec", "sat-0-0", "--", "ip", "tuntap", "del", "probe0", "mode", "tun").returncode == 0
    machine = str(os.getpid())
    assert machine not in mesh.ask("exec", "sat-0-0", "--", "ls", "/proc").stdout.split()
    assert machine in mesh.ask("exec", "--privileged", "sat-0-0", "--", "ls", "/proc").stdout.split()
    for program in ("nsenter --net=/proc/1/ns/net true", "mount -t tmpfs none /mnt"):
        assert mesh.ask("exec", "sat-0-0", "--", *program.split()).returncode != 0


def test_no_door_of_a_run_is_inside(mesh: Kept) -> None:
    """By it a program would end the mesh, or look into other nodes: a run believes whoever is root."""
    assert Path("/run/orbitmesh/0", mesh.run_id).is_socket()
    found = mesh.ask(
        "exec",
        "sat-0-0",
        "--",
        "sh",
        "-c",
        "ls -A /run/orbitmesh; umount /run/orbitmesh; ls -A /run/orbitmesh",
    )
    assert found.stdout == ""
    inside = mesh.ask(
        "exec", "sat-0-0", "--", sys.executable, "-m", "orbitmesh.emulator.cli", "down", "--run", mesh.run_id
    )
    assert (inside.returncode, inside.stdout) == (2, "")
    assert f"no run '{mesh.run_id}' is under way" in inside.stderr
    assert mesh.ask("status").returncode == 0


def test_a_working_directory_that_is_gone_is_named(mesh: Kept, tmp_path: Path) -> None:
    (folder := tmp_path / "gone").mkdir()
    program = [sys.executable, "-P", "-m", "orbitmesh.emulator.cli", "exec", "--run", mesh.run_id]
    for option in ([], ["--privileged"]):
        done = subprocess.run(
            ["sh", "-c", 'rmdir ../gone; exec "$@"', "sh", *program, *option, "sat-0-0", "--", "true"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(
            "orbitmesh: the working directory: No such file or directory: it was removed: change to another"
        )
        folder.mkdir()


def test_exec_takes_proxies_out_of_the_environment(mesh: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://nowhere:1")
    monkeypatch.setenv("NO_PROXY", "x")
    monkeypatch.setenv("ORBITMESH_RUN", mesh.run_id)
    assert "proxy" not in mesh("exec", "sat-0-0", "--", "env").stdout.lower()
    kept = mesh("exec", "--keep-proxy", "sat-0-0", "--", "env").stdout
    assert "http_proxy=http://nowhere:1" in kept
    assert "NO_PROXY=x" in kept
