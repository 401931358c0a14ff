"""Who is believed to be a run: what another user plants, what says nothing, and what says nonsense."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orbitmesh.emulator.control import client, places
from orbitmesh.emulator.control.client import Client, find_runs
from orbitmesh.emulator.control.server import ControlServer
from orbitmesh.emulator.errors import FailureError, InputError

NOBODY = 65534
STATUS = {
    "run_id": "fake-1", "scenario": "toy", "out": "/nowhere", "plane": "fabric", "backend": "fabric",
    "elapsed_ns": 1_500_000_000, "duration_ns": None, "satellites": 3, "gateways": 2, "hosts": 5,
    "nodes_ready": 5, "lasers": 2, "ground_links": 2, "ticks": 2, "late_ticks": 0, "dead_nodes": {},
    "engine_lateness_p50_ns": None, "digest": {},
}  # fmt: skip

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only place of the caller's runs; others can get there."""
    tmp_path = Path(tempfile.mkdtemp(prefix="orbitmesh-test-"))
    tmp_path.chmod(0o755)
    monkeypatch.setattr(places, "_own_places", lambda: [tmp_path / "runs"])
    monkeypatch.setattr(
        places, "_places", lambda: [(tmp_path / "runs", 0 if os.geteuid() == 0 else os.getuid())]
    )
    yield tmp_path / "runs"
    shutil.rmtree(tmp_path)


def as_nobody(work: Callable[[], Any]) -> str:
    """What ``work`` returns in a process of another user, as text."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(write_fd, str(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write_fd)
    with os.fdopen(read_fd) as file:
        said = file.read()
    assert os.waitpid(pid, 0)[1] == 0
    return said


def listen(path: Path, *, backlog: int = 8) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(backlog)
    return listener


@pytest.fixture
def fake(place: Path) -> Iterator[Callable[[bytes], None]]:
    """A listener in the caller's own place that answers all that it is asked with the same bytes."""
    place.mkdir()
    listener = listen(place / "fake-1")

    def answer_with(said: bytes) -> None:
        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(4096):
                        connection.sendall(said)

        threading.Thread(target=serve, daemon=True).start()

    yield answer_with
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


# ---- what another user plants


@as_root
def test_a_folder_of_another_user_is_no_place(place: Path) -> None:
    place.mkdir()
    listener = listen(place / "planted-1")
    with listener:
        assert find_runs() == ["planted-1"]
        os.chown(place, NOBODY, NOBODY)
        assert find_runs() == []
        os.chown(place, 0, 0)
        for mode in (0o775, 0o757, 0o1777):
            place.chmod(mode)
            assert find_runs() == [], "others can write it"
        place.chmod(0o755)
        (place.parent / "elsewhere").mkdir()
        place.rename(place.parent / "moved")
        place.symlink_to(place.parent / "moved")
        assert find_runs() == [], "a link is no place"


@as_root
def test_a_socket_of_another_user_is_no_run(place: Path) -> None:
    place.mkdir()
    with listen(place / "planted-1"):
        os.chown(place / "planted-1", NOBODY, NOBODY)
        assert find_runs() == []
        with pytest.raises(InputError, match="no run 'planted-1' is under way"):
            Client.connect("planted-1")


@as_root
def test_the_kernel_is_asked_who_listens_before_anything_is_read(place: Path) -> None:
    """A listener of another user's, even where the file is root's: it would hand over its own namespaces."""
    place.mkdir()
    place.chmod(0o777)
    ready_read, ready_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setuid(NOBODY)
            listener = listen(place / "planted-1")
            os.write(ready_write, b"x")
            connection, _ = listener.accept()
            fds = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt")]
            socket.send_fds(connection, [b"{}\n"], fds)
            time.sleep(60)
        finally:
            os._exit(1)
    try:
        os.read(ready_read, 1)
        place.chmod(0o755)
        os.chown(place / "planted-1", 0, 0)
        with pytest.raises(FailureError, match=f"user {NOBODY} listens in the place of run planted-1"):
            Client.connect("planted-1")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@as_root
def test_abstract_sockets_of_any_name_break_nothing(place: Path) -> None:
    names = [b"\0orbitmesh/a\nb", b"\0orbitmesh/\xff\xfe", b"\0orbitmesh/demo-1"]
    sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in names]
    for each, name in zip(sockets, names, strict=True):
        each.bind(name)
        each.listen()
    try:
        assert find_runs() == []
        with pytest.raises(FailureError, match="no mesh is running here"):
            Client.connect()
    finally:
        for each in sockets:
            each.close()


def test_names_that_are_no_runs_are_passed_over(place: Path) -> None:
    place.mkdir()
    names = [b"a\nb", b"\xff\xfe", b".hidden", "ä-1".encode(), b"x" * 100, b"a b"]
    folder = os.open(place, os.O_RDONLY)
    listeners = []
    for name in names:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(os.fsencode(f"/proc/self/fd/{folder}/") + name[:80])
        listener.listen()
        if len(name) > 80:
            (place / name[:80].decode()).rename(place / name.decode())
        listeners.append(listener)
    (place / "file-1").write_text("")
    os.mkfifo(place / "fifo-1")
    (place / "link-1").symlink_to(place / ".hidden")
    os.close(folder)
    assert find_runs() == []
    for listener in listeners:
        listener.close()


@as_root
def test_another_user_sees_roots_run_and_is_not_let_in(place: Path) -> None:
    server = ControlServer("toy-1", {"status": lambda request: ({}, ())}, pytest.fail)
    try:
        assert stat.S_IMODE(place.stat().st_mode) == 0o755
        assert stat.S_IMODE((place / "toy-1").stat().st_mode) == 0o600

        def look() -> str:
            places._places = lambda: [(place, 0)]
            assert find_runs() == ["toy-1"]
            for call in (lambda: Client.connect("toy-1"), lambda: Client.connect()):
                with pytest.raises(
                    FailureError, match=r"^the mesh toy-1 belongs to root: call orbitmesh with"
                ):
                    call()
            raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                raw.connect(str(place / "toy-1"))
            except PermissionError:
                return "refused"
            return "let in"

        assert as_nobody(look) == "refused"
        # and were the socket open to all, the server looks who calls
        (place / "toy-1").chmod(0o666)

        def call() -> bytes:
            raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            raw.settimeout(5)
            raw.connect(str(place / "toy-1"))
            try:
                raw.sendall(b'{"verb": "status"}\n')
                return raw.recv(100)
            except OSError:
                return b""

        assert as_nobody(call) == "b''"
    finally:
        server.close()
    assert list(place.iterdir()) == []


# ---- what a killed run leaves


def test_what_a_killed_run_leaves_is_recognised_and_removed(place: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from orbitmesh.emulator.control import places\n"
        f"places._own_places = lambda: [Path({str(place)!r})]\n"
        "places.Entry('killed-1'); print('there', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    assert find_runs() == ["killed-1"]
    with pytest.raises(FailureError, match="'killed-1' is under way"):
        ControlServer("killed-1", {}, pytest.fail)
    process.kill()
    process.wait()
    process.stdout.close()
    (place / "other-file").write_text("")
    assert find_runs() == []
    assert [path.name for path in place.iterdir()] == ["other-file"]


def test_one_that_has_just_announced_itself_is_not_removed(place: Path) -> None:
    place.mkdir()
    (place / "young-1.process").write_text(f"{os.getpid()} {places._started(os.getpid())}\n")
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # does not listen yet
    bound.bind(str(place / "young-1"))
    assert find_runs() == ["young-1"]
    assert (place / "young-1").exists()
    bound.close()


# ---- what says nothing, and what says nonsense


def test_a_listener_that_never_accepts_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CONNECT_S", 0.3)
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    place.mkdir()
    with listen(place / "deaf-1", backlog=0):
        (place / "deaf-1.process").write_text(f"{os.getpid()} {places._started(os.getpid())}")
        first = Client.connect("deaf-1")  # the queue has room for one
        began_s = time.monotonic()
        assert find_runs() == ["deaf-1"]
        with pytest.raises(FailureError, match=r"run deaf-1 has not answered for"):
            first.status()
        with pytest.raises(FailureError, match="run deaf-1 has taken no call for"):
            Client.connect("deaf-1")
        assert time.monotonic() - began_s < 10
        first.socket.close()


def test_who_wants_to_have_a_look_waits_for_one_limit(place: Path) -> None:
    place.mkdir()
    with listen(place / "deaf-1"):
        (place / "deaf-1.process").write_text(f"{os.getpid()} {places._started(os.getpid())}")
        began_s = time.monotonic()
        with (
            Client.connect(limit_s=0.3) as asking,
            pytest.raises(
                FailureError, match=r"^run deaf-1 has not answered for 0\.\d+ s: is the machine overloaded"
            ),
        ):
            asking.status()
        assert 0.2 < time.monotonic() - began_s < client.ANSWER_S
    assert client.LOOK_S <= 3


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"\xff\xfe\n", "sent what is no answer"),
        (b"[1]\n", "sent what is no answer"),
        (b"[" * 200_000 + b"\n", "sent what is no answer"),
        (b"x" * 300_000, "sent what is no answer"),
        (b"{}\n", "did not say its run_id, scenario, out, plane"),
        (json.dumps(STATUS | {"out": 5}).encode() + b"\n", "says of its out 5, which it cannot be"),
        (json.dumps(STATUS | {"digest": None}).encode() + b"\n", "says of its digest None, which"),
        (b'{"error": 5}\n', "5"),
        (b"", "ended before it answered"),
    ],
)
def test_nonsense_gets_a_sentence(
    fake: Callable[[bytes], None], monkeypatch: pytest.MonkeyPatch, said: bytes, sentence: str
) -> None:
    monkeypatch.setattr(client.messages, "MOST_ANSWER_BYTES", 250_000)
    fake(said)
    with Client.connect("fake-1") as asking, pytest.raises(FailureError, match=sentence):
        asking.status()


def test_descriptors_that_are_no_namespaces_are_refused(place: Path) -> None:
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with (place.parent / "file").open("w") as file:
        server = ControlServer(
            "toy-1", {"enter": lambda request: ({}, [file.fileno(), file.fileno()])}, pytest.fail
        )
        try:
            with (
                Client.connect("toy-1") as asking,
                pytest.raises(FailureError, match="did not hand over the namespaces of sat-0-0"),
            ):
                asking.enter("sat-0-0")
        finally:
            server.close()
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208


def test_a_drop_at_a_time_is_no_way_to_hold_a_client(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_S", 0.5)
    place.mkdir()
    with listen(place / "slow-1") as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                for byte in json.dumps({"a": "b" * 100}).encode():
                    try:
                        connection.send(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=drip)
        thread.start()
        with Client.connect("slow-1") as asking, pytest.raises(FailureError, match="has not answered for"):
            asking.status()
        thread.join()


@pytest.mark.parametrize("wrong", ["a b", "../0/x", "a\nb", "x" * 200, "é"])
def test_an_id_that_is_none_is_refused_in_words(place: Path, wrong: str) -> None:
    with pytest.raises(InputError, match="is no run's id") as caught:
        Client.connect(wrong)
    assert len(str(caught.value)) < 150
