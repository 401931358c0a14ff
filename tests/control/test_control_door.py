"""The door to a run: who may come in, what is answered, and what a broken request gets."""

from __future__ import annotations

import errno
import json
import os
import queue
import secrets
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_control_trust import STATUS

from orbitmesh.emulator.control import places
from orbitmesh.emulator.control.client import Client, find_runs
from orbitmesh.emulator.control.server import ControlServer
from orbitmesh.emulator.errors import FailureError, InputError, RunError

pytestmark = pytest.mark.usefixtures("own_place")


def refuse(request):
    raise RunError("the mesh is on fire")


def fail(error: BaseException) -> None:
    raise error  # in a thread: the test fails with it


def path_of(run_id: str) -> str:
    (run,) = [run for run in places.announced() if run.run_id == run_id]
    return str(run.folder / run_id)


@pytest.fixture
def run_id(tmp_path: Path) -> Iterator[str]:
    run_id = f"test-{secrets.token_hex(4)}"
    namespaces = [os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in ("net", "mnt")]
    server = ControlServer(
        run_id,
        {
            "status": lambda request: (STATUS, ()),
            "enter": lambda request: ({}, namespaces),
            "path": lambda request: (
                {"path": [request.text("source"), request.text("destination")], "hops": 1, "delay_ns": 5},
                (),
            ),
            "down": refuse,
            "capture": lambda request: ({"fd": request.file(), "peer": request.text_or_none("peer")}, ()),
        },
        fail,
    )
    yield run_id
    server.close()
    for fd in namespaces:
        os.close(fd)


def test_a_client_asks_and_is_answered(run_id: str, tmp_path: Path):
    with Client.connect(run_id) as client:
        assert client.status() == STATUS
        assert client.path("a", "b") == {"path": ["a", "b"], "hops": 1, "delay_ns": 5}
        net, mnt = client.enter("sat-0-0")
        for fd, name in ((net, "net"), (mnt, "mnt")):
            assert os.fstat(fd).st_ino == Path(f"/proc/self/ns/{name}").stat().st_ino
        os.close(net)
        os.close(mnt)


def test_what_a_client_hands_over_is_closed_and_what_it_asked_for_ends_with_it(tmp_path: Path):
    run_id = f"test-{secrets.token_hex(4)}"
    asked: list[tuple[str, str | None, str]] = []
    ended = threading.Event()
    fds: list[int] = []

    def capture(request):
        fds.extend(request.fds)
        asked.append((request["node"], request["peer"], str(Path(f"/proc/self/fd/{fds[0]}").readlink())))
        os.write(fds[0], b"a packet")
        request.at_end.append(ended.set)
        return {}, ()

    server = ControlServer(run_id, {"capture": capture, "status": lambda request: (STATUS, ())}, fail)
    try:
        with (tmp_path / "file").open("wb") as file, Client.connect(run_id) as client:
            client.capture("sat-0-0", None, file.fileno())
            assert asked == [("sat-0-0", None, str(tmp_path / "file"))]
            client.status()  # answered after the descriptor was closed
            assert len(fds) == 1
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fds[0])
            assert not ended.is_set()
        assert ended.wait(10)
        assert (tmp_path / "file").read_bytes() == b"a packet"
    finally:
        server.close()


def test_an_error_of_the_run_is_the_clients_error(run_id: str):
    with Client.connect(run_id) as client, pytest.raises(FailureError, match="on fire"):
        client.down()


def test_runs_are_found_and_vanish_with_their_server():
    run_id = f"test-{secrets.token_hex(4)}"
    server = ControlServer(run_id, {"status": lambda request: (STATUS, ())}, fail)
    assert run_id in find_runs()
    with pytest.raises(FailureError, match="under way"):
        ControlServer(run_id, {}, fail)
    with Client.connect(run_id) as client:
        client.status()  # so that the server has taken the connection
        server.close()
        assert client.socket.recv(1) == b""
    assert run_id not in find_runs()
    with pytest.raises(InputError, match="no run"):
        Client.connect(run_id)


@pytest.mark.parametrize(
    "request_line",
    [
        b"\n",
        b"[]\n",
        b"{}\n",
        b'{"verb": "reboot"}\n',
        b'{"verb": ["x"]}\n',
        b"\xff\xfe\n",
        b"x" * 4096 + b"\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_a_broken_request_gets_an_answer_and_the_server_lives(run_id: str, request_line: bytes):
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    raw.settimeout(5)
    raw.connect(path_of(run_id))
    raw.sendall(request_line)
    assert json.loads(raw.recv(4096))["exit_status"] == 2
    raw.close()
    with Client.connect(run_id) as client:
        assert client.status()


@pytest.mark.parametrize(
    ("request_line", "said"),
    [
        (b"x\n", "this is no line of JSON with an object in it (JSONDecodeError)"),
        (b"[]\n", "this is no line of JSON with an object in it (a list)"),
        (b"{}\n", "the request lacks 'verb': give it a text"),
        (b'{"verb": 1}\n', "the request's 'verb' is 1: give it a text"),
        (b'{"verb": "reboot"}\n', "'reboot' is no verb: there are capture, down, enter, path, status"),
        (b'{"verb": "path", "source": "a"}\n', "the request lacks 'destination': give it a text"),
        (b'{"verb": "path", "source": ["a"]}\n', "the request's 'source' is ['a']: give it a text"),
        (b'{"verb": "capture"}\n', "the request came with 0 descriptors: send that of the one file"),
    ],
)
def test_a_malformed_request_is_told_which_field(run_id: str, request_line: bytes, said: str):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
        raw.settimeout(5)
        raw.connect(path_of(run_id))
        raw.sendall(request_line)
        assert json.loads(raw.recv(4096)) == {"error": said, "exit_status": 2}


def test_many_clients_at_once(run_id: str):
    answers = []

    def ask() -> None:
        with Client.connect(run_id) as client:
            answers.extend(client.status()["elapsed_ns"] for _ in range(20))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1_500_000_000] * 160


def test_a_door_that_has_fallen_shut_is_told():
    told: queue.Queue[BaseException] = queue.Queue()
    server = ControlServer(f"test-{secrets.token_hex(4)}", {}, told.put)
    try:
        server._socket.shutdown(socket.SHUT_RDWR)  # nobody said close()
        assert "the control socket takes no more callers" in str(told.get(timeout=10))
    finally:
        server.close()
    assert told.empty()


def test_a_caller_for_whom_there_is_no_room_shuts_the_door_to_nobody_else(monkeypatch: pytest.MonkeyPatch):
    accept, refused = socket.socket.accept, []

    def full(self: socket.socket):
        if not refused:
            refused.append(self)
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", full)
    run_id = f"test-{secrets.token_hex(4)}"
    server = ControlServer(run_id, {"status": lambda request: (STATUS, ())}, fail)
    try:
        with Client.connect(run_id) as client:
            assert client.status() == STATUS
        assert refused
    finally:
        server.close()


def test_what_was_asked_by_who_has_gone_is_not_done_and_what_is_waited_for_is() -> None:
    """A run that was stopped finds requests whose callers were told that nothing came of them."""
    run_id = f"test-{secrets.token_hex(4)}"
    asked: list[str] = []
    goes_on, over = threading.Event(), threading.Event()

    class Stopped(ControlServer):
        def _let_in(self) -> None:
            assert goes_on.wait(20)
            super()._let_in()

        def _serve(self, client: socket.socket) -> None:
            super()._serve(client)
            over.set()

    def note(request):
        asked.append(request.text("node"))
        return {}, ()

    server = Stopped(run_id, {"note": note}, fail)
    try:
        for name, is_gone in (("gone", True), ("waits", False)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
                caller.connect(path_of(run_id))
                caller.sendall(json.dumps({"verb": "note", "node": name}).encode() + b"\n")
                caller.shutdown(socket.SHUT_WR)  # no more of it comes, and the answer is wanted
                if not is_gone:
                    assert json.loads(caller.recv(4096)) == {}
            goes_on.set()
            assert over.wait(20)
        assert asked == ["waits"]
    finally:
        goes_on.set()
        server.close()
