"""The control API on a real network: programs in nodes, captures, and what becomes of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_lab import quiet, until

from orbitmesh.client import AsyncMesh, InputError, Mesh, NotReached, OrbitmeshError, UnknownName
from orbitmesh.emulator import Emulation

sys.path.insert(0, str(Path(__file__).parents[1] / "control"))
from api_lab import server_pid

pytestmark = [pytest.mark.netns, pytest.mark.beside]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    out = tmp_path_factory.mktemp("run") / "toy"
    with Emulation(quiet(run={"duration": "10 min"}), plane="fabric", out=out) as run:
        yield run


@pytest.fixture(scope="module")
def mesh(run: Emulation) -> Iterator[Mesh]:
    with Mesh.connect(run.run_id) as mesh:
        yield mesh


def is_there(mark: str) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "cmdline").read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def test_a_program_has_its_input_output_errors_and_status(mesh: Mesh) -> None:
    done = mesh.run("gw-london", "sh", "-c", "cat; echo $WORD $http_proxy >&2; exit 7", input=b"hello",
                    environment={"WORD": "well"})  # fmt: skip
    assert (done.exit_status, done.output, done.error_output) == (7, b"hello", b"well\n")
    assert mesh.run("gw-london", "ping", "-c", "1", "gw-tokyo").exit_status == 0
    assert mesh.run("gw-london", "no-such-program").exit_status == 127
    large = os.urandom(3 << 20)
    assert mesh.run("gw-lima", "cat", input=large).output == large


def test_a_program_has_a_terminal_where_it_is_wanted(mesh: Mesh) -> None:
    with mesh.start("gw-london", "sh", "-c", "stty size; trap 'stty size; exit 5' WINCH; echo on; "
                    "while :; do sleep 0.05; done", terminal=(33, 99)) as program:  # fmt: skip
        said = b""
        for _, data in program.output():
            said += data
            if said.endswith(b"on\r\n"):
                program.resize(44, 111)
        assert said.replace(b"\r", b"").split(b"\n") == [b"33 99", b"on", b"44 111", b""]
        assert program.exit_status == 5
    with mesh.start("gw-london", "sleep", "100.75", terminal=(24, 80)) as program:
        until(lambda: is_there("100.75"), "it runs")
        program.write(b"\x03")  # as Ctrl-C
        assert program.completed().exit_status == 130


def test_signals_are_passed_on_and_a_caller_that_goes_ends_its_program(run: Emulation, mesh: Mesh) -> None:
    with mesh.start("gw-london", "sleep", "100.25") as program:
        program.signal(signal.SIGTERM)
        assert program.completed().exit_status == 143
    with mesh.start("gw-london", "sleep", "200.25"):
        until(lambda: is_there("200.25"), "it runs")
    until(lambda: not is_there("200.25"), "it ends with its call")
    program = mesh.start("gw-london", "sleep", "300.25")
    until(lambda: is_there("300.25"), "it runs")
    os.kill(server_pid(run), signal.SIGKILL)
    with pytest.raises(NotReached):
        program.completed()
    until(lambda: not is_there("300.25"), "it ends with the process that had it")
    assert mesh.status().run_id == run.run_id


def test_what_cannot_be_run_is_told_in_words(mesh: Mesh) -> None:
    cases: list[tuple[type[OrbitmeshError], str, dict[str, object]]] = [
        (UnknownName, "did you mean 'gw-london'", {"node": "gw-londn"}),
        (InputError, "nothing to run in gw-london", {"argv": ()}),
        (InputError, "a terminal of 0 rows and 5 columns cannot be", {"terminal": (0, 5)}),
        (InputError, "working_directory: /no/such: No such file", {"working_directory": "/no/such"}),
        (InputError, r"are 150,\d+ bytes: at most 131,072", {"argv": ("true", "x" * 150_000)}),
    ]
    for kind, words, changed in cases:
        asked = {"node": "gw-london", "argv": ("true",)} | changed
        with pytest.raises(kind, match=words):
            mesh.start(asked.pop("node"), *asked.pop("argv"), **asked)  # type: ignore[arg-type, misc]
    with mesh.start("gw-london", "sleep", "9") as program:
        program.signal(signal.SIGKILL)
        with pytest.raises(InputError, match="signal 9 is not passed on: SIGINT 2"):
            program.completed()


def test_a_capture_is_started_fetched_and_followed_with_asyncio(run: Emulation, tmp_path: Path) -> None:
    """By AsyncMesh, while the program that makes the packets runs by the same one."""

    async def drive() -> None:
        async with AsyncMesh.connect(run.run_id) as mesh:
            capture = await mesh.capture("gw-tokyo")
            done = await mesh.run("gw-london", "ping", "-c", "2", "-i", "0.2", "gw-tokyo")
            assert done.exit_status == 0
            assert pings_in(await capture.fetch(), tmp_path) == (2, 2)
            with pytest.raises(UnknownName, match=f"there is no capture {capture.number}"):
                await capture.fetch()
            began_s = time.monotonic()
            a_hop = await mesh.capture("gw-tokyo", await neighbour(mesh), lasts_s=1.0, most_bytes=1 << 20)
            await mesh.run("gw-london", "ping", "-c", "1", "gw-tokyo")
            pieces = [piece async for piece in a_hop.follow()]
            assert time.monotonic() - began_s > 1.0
            assert pings_in(b"".join(pieces), tmp_path) == (0, 1)  # what goes there is the answer
            with pytest.raises(UnknownName, match="no node"):
                await mesh.capture("gw-tokyoo")
            with pytest.raises(InputError, match="have no link now"):
                await mesh.capture("sat-0-0", "sat-3-3")

    async def neighbour(mesh: AsyncMesh) -> str:
        return (await mesh.path("gw-tokyo", "gw-london")).nodes[1]

    asyncio.run(asyncio.wait_for(drive(), 60))


def pings_in(pcapng: bytes, folder: Path) -> tuple[int, int]:
    """Requests and answers."""
    (folder / "some.pcapng").write_bytes(pcapng)
    read = subprocess.run(["tcpdump", "-nr", folder / "some.pcapng"], capture_output=True, text=True)
    assert not read.returncode, read.stderr
    return read.stdout.count("ICMP echo request"), read.stdout.count("ICMP echo reply")


def test_a_capture_is_started_and_fetched(mesh: Mesh, tmp_path: Path) -> None:
    capture = mesh.capture("gw-tokyo")
    assert mesh.run("gw-london", "ping", "-c", "2", "-i", "0.2", "gw-tokyo").exit_status == 0
    file = tmp_path / "tokyo.pcapng"
    assert capture.save(file) == file.stat().st_size > 200
    read = subprocess.run(["tcpdump", "-nr", file], capture_output=True, text=True)
    assert read.stdout.count("ICMP echo request") == 2, read.stderr
    with pytest.raises(UnknownName, match=f"there is no capture {capture.number}"):
        capture.fetch()
    began_s = time.monotonic()
    short = mesh.capture("gw-tokyo", lasts_s=0.5)
    assert b"".join(short.follow())[:4] == b"\n\r\r\n"
    assert time.monotonic() - began_s > 0.5
    with pytest.raises(InputError, match="have no link now"):
        mesh.capture("sat-0-0", "sat-3-3")
