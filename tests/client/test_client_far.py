"""A run that is called from elsewhere: over TLS, by those who prove themselves, and by nobody else."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from typer.testing import CliRunner, Result

from orbitmesh.client import Mesh, NotAllowed, NotReached
from orbitmesh.control.v1 import control_pb2 as pb
from orbitmesh.emulator import Emulation
from orbitmesh.emulator.cli.main import app
from orbitmesh.emulator.control.api.listening import Listening, host_and_port
from orbitmesh.emulator.errors import FailureError, InputError

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import Certificates, ControlStub, fake_mesh, refused, server_pid, until

LASER = "sat-0-0:sat-0-1"


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, papers: Certificates) -> Iterator[Emulation]:
    listen = Listening.open("127.0.0.1:0", certificate=papers.cert, key=papers.key, token=papers.token)
    with fake_mesh(tmp_path_factory.mktemp("run") / "toy", listen=listen) as run:
        assert f"{run.listens}" == f"the control API is called at {listen.address}, over TLS, with a token"
        yield run


def address(run: Emulation) -> str:
    assert run._doors.listen is not None
    return run._doors.listen.address


@pytest.fixture(scope="module")
def mesh(run: Emulation, papers: Certificates) -> Iterator[Mesh]:
    with Mesh.connect(at=address(run), token_file=papers.token, ca_file=papers.ca) as mesh:
        yield mesh


def test_it_is_the_same_mesh_from_there(run: Emulation, mesh: Mesh) -> None:
    assert mesh.status().run_id == run.run_id
    assert mesh.fail(LASER).interventions[0].what == LASER
    with Mesh.connect(run.run_id) as here:
        assert here.interventions() == mesh.interventions()
    assert next(mesh.epochs()).link("sat-0-0", "sat-0-1") is None
    mesh.restore()
    os.kill(server_pid(run), signal.SIGKILL)
    assert mesh.status().run_id == run.run_id  # on the same port


def test_who_does_not_prove_himself_is_refused(run: Emulation, papers: Certificates, tmp_path: Path) -> None:
    with Mesh.connect(at=address(run), token="x" * 64, ca_file=papers.ca) as mesh:
        for call in (mesh.status, mesh.nodes, lambda: mesh.start("gw-lima", "true"), mesh.end):
            with pytest.raises(NotAllowed, match="this needs the token that the run was started with"):
                call()
    ca = papers.ca.read_bytes()
    with grpc.secure_channel(address(run), grpc.ssl_channel_credentials(ca)) as channel:
        assert (
            refused(lambda: ControlStub(channel).Status(pb.StatusRequest()))[0]
            is grpc.StatusCode.UNAUTHENTICATED
        )
        health = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert refused(lambda: health(b""))[0] is grpc.StatusCode.UNAUTHENTICATED
    with grpc.insecure_channel(address(run)) as channel:
        assert (
            refused(lambda: ControlStub(channel).Status(pb.StatusRequest()))[0] is grpc.StatusCode.UNAVAILABLE
        )
    for token in ("", "two words" * 4, "line\n" * 8, "é" * 32):
        with pytest.raises(InputError, match="the token is no single word of ASCII characters"):
            Mesh.connect(at=address(run), token=token, ca_file=papers.ca)
    others = Certificates(tmp_path)
    with (
        Mesh.connect(at=address(run), token_file=papers.token, ca_file=others.ca) as mesh,
        pytest.raises(
            NotReached, match=r"a certificate that the CA \(--ca, ca_file\) signed.*CERTIFICATE_VERIFY_FAILED"
        ),
    ):
        mesh.status()


def test_strangers_write_nothing_on_the_terminal_of_the_run(
    run: Emulation, mesh: Mesh, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = address(run).rsplit(":", 1)
    mesh.status()
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        stranger.settimeout(30)
        while stranger.recv(4096):
            pass
    assert mesh.status().run_id == run.run_id
    assert "Handshake" not in capfd.readouterr().err


def test_a_certificate_does_in_place_of_a_token(papers: Certificates, tmp_path: Path) -> None:
    listen = Listening.open("127.0.0.1:0", certificate=papers.cert, key=papers.key, client_ca=papers.ca)
    cert, key = papers.of("ada")
    other = Certificates(tmp_path)
    with fake_mesh(tmp_path / "toy", listen=listen) as run:
        with Mesh.connect(at=address(run), ca_file=papers.ca, certificate_file=cert, key_file=key) as mesh:
            assert mesh.status().run_id == run.run_id
        wrong = {"certificate_file": other.cert, "key_file": other.key}
        with Mesh.connect(at=address(run), ca_file=papers.ca, **wrong) as mesh, pytest.raises(NotReached):
            mesh.status()


def _secret(folder: Path, text: str = secrets.token_hex(32), mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.touch()
    path.chmod(mode)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda p, t: {"token": None},
            "whoever reaches it could run programs here: give --tls-cert and --tls-key",
        ),
        (lambda p, t: {"certificate": None}, "give --tls-cert and --tls-key"),
        (lambda p, t: {"token": _secret(t, mode=0o644)}, r"can be read by others \(mode 644\): chmod 600"),
        (lambda p, t: {"token": _secret(t, "short")}, "one word of at least 16 characters"),
        (lambda p, t: {"token": _secret(t, "two words that are long enough")}, "holds no token"),
        (lambda p, t: {"token": t / "missing"}, "cannot read .*missing: No such file"),
        (lambda p, t: {"certificate": p.token}, "holds no certificate in PEM"),
        (lambda p, t: {"key": p.of("other")[1]}, "is not the key of --tls-cert"),
        (lambda p, t: {"key": _secret(t, "x")}, "is not the key of --tls-cert"),
        (lambda p, t: {"address": "nowhere"}, "--listen: 'nowhere' is no address: write HOST:PORT"),
        (lambda p, t: {"address": "localhost:70000"}, "is no address"),
        (lambda p, t: {"address": "no such host:1"}, "is no address"),
        (lambda p, t: {"address": "::1:7400"}, r"is no address: write HOST:PORT, as .* or \[::1\]:7400"),
        (lambda p, t: {"address": "[::1:7400"}, "is no address"),
        (lambda p, t: {"address": "unix:/tmp/x:1"}, "is no address"),
        (lambda p, t: {"address": "a\x1b[31m:1"}, "is no address"),
        (lambda p, t: {"address": "host.invalid:1"}, "host.invalid is no address of this machine"),
    ],
)
def test_listening_without_proof_or_with_what_is_none_is_refused(
    papers: Certificates, tmp_path: Path, change: Callable[..., dict[str, Any]], words: str
) -> None:
    usual = {"address": "127.0.0.1:0", "certificate": papers.cert, "key": papers.key, "token": papers.token}
    with pytest.raises(InputError, match=words):
        Listening.open(**(usual | change(papers, tmp_path)))


def test_a_port_in_use_is_named(papers: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FailureError, match=f"--listen: port {port} of 127.0.0.1 is in use: take another"):
            Listening.open(f"127.0.0.1:{port}", certificate=papers.cert, key=papers.key, token=papers.token)
    assert host_and_port("[::1]:74", "") == ("::1", 74)


# ---- the command line

FAULTS = [["faults", "-o", "json"], ["faults", "-o", "csv"]]


@pytest.fixture
def orbitmesh(run: Emulation, papers: Certificates, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("SUDO_USER", "ada")

    def called(*words: str, far: bool = False) -> Result:
        there = ["--at", address(run), "--token-file", str(papers.token), "--ca", str(papers.ca)]
        monkeypatch.delenv("ORBITMESH_RUN", raising=False)
        if not far:
            monkeypatch.setenv("ORBITMESH_RUN", run.run_id)
        return CliRunner().invoke(app, [*(there if far else []), *words])

    return called


@pytest.mark.parametrize(
    "lines",
    [
        [["fail", LASER, "--for", "1h"], ["faults"], *FAULTS, ["restore", LASER]],
        [["set", LASER, "--rate", "3Mbit/s", "--delay", "5ms", "--loss", "2%"], *FAULTS, ["restore", LASER]],
        [["fail", "sat-0-0:sat-3-3"], ["restore", "--all"], ["restore", "--all"], ["faults"]],
        [["pause"], ["step", "1s"], ["speed", "2"], ["speed", "1"], ["resume"]],
        [["fail", "gw-lma"], ["restore", "x"], ["step", "1s"], ["speed", "1e9"], ["set", LASER]],
        [["ping", "gw-lima", "nobody"], ["trace", "nobody", "gw-lima"], ["ping", "gw-lima", "sat-0-0"]],
        [["exec", "gw-lima", "--", "true"], ["exec", "nobody", "--", "true"]],
        [["status", "-o", "csv"], ["status", "-o", "json"], ["status"]],
    ],
    ids=lambda lines: lines[0][0] + "-" + str(len(lines)),
)  # fmt: skip
def test_verbs_print_the_same_of_a_mesh_here_and_elsewhere(orbitmesh: Any, lines: list[list[str]]) -> None:
    here = [_shape(orbitmesh(*words)) for words in lines]
    there = [_shape(orbitmesh(*words, far=True)) for words in lines]
    assert there == here


def _shape(done: Result) -> tuple[int, str, str]:
    """Without what is another thing each time: digits, and the blanks that columns take for them."""
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    text = [done.exit_code, done.stdout, done.stderr]
    return tuple(re.sub(r" +", " ", re.sub(r"[0-9]+", "0", str(each))) for each in text)  # type: ignore[return-value]


def test_events_are_watched_from_elsewhere(run: Emulation, papers: Certificates) -> None:
    command = [sys.executable, "-m", "orbitmesh.emulator.cli"]
    environment = {
        **os.environ, "ORBITMESH_AT": address(run), "ORBITMESH_TOKEN_FILE": str(papers.token),
        "ORBITMESH_CA": str(papers.ca),
    }  # fmt: skip
    watching = subprocess.Popen(
        [*command, "watch", "-o", "json", "-c", "2"], stdout=subprocess.PIPE, text=True, env=environment
    )

    def told() -> bool:
        run.fail("gw-lima", lasts_ns=10**8)
        return watching.poll() is not None

    until(told, "two events")
    lines, _ = watching.communicate()
    assert watching.returncode == 0
    assert ["event" in json.loads(line) for line in lines.splitlines()] == [True, True]
    done = subprocess.run([*command, "scenarios"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, (
        done.stderr
    )  # what is for this machine is not kept from it by the environment


def test_what_makes_no_sense_from_elsewhere_is_refused(orbitmesh: Any, run: Emulation) -> None:
    done = orbitmesh("plan", "demo", far=True)
    assert "plan is for this machine alone; elsewhere go status, watch" in str(done.exception)
    done = orbitmesh("status", "--run", "another-1", far=True)
    assert done.exit_code == 2
    assert f"runs {run.run_id}, not another-1" in done.stderr
    done = orbitmesh("exec", "--privileged", "gw-lima", "--", "true", far=True)
    assert "are for a mesh on this machine" in done.stderr
    done = CliRunner().invoke(app, ["run", "demo", "--tls-cert", "x"])
    assert "certificates and a token are for --listen" in done.stderr
    done = CliRunner().invoke(app, ["run", "demo", "--links", "fake", "--listen", "127.0.0.1:0"])
    assert "whoever reaches it could run programs here" in done.stderr
