"""What callers may do to the control API that nobody would do on purpose, and what others then still have."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from api_lab import called, fake_mesh, refused, server_pid, starter_pid, until

from orbitmesh.control.v1 import control_pb2 as pb
from orbitmesh.emulator import Emulation
from orbitmesh.emulator.control.api import exec_call, settings
from orbitmesh.emulator.control.api.captures import Captures
from orbitmesh.emulator.control.api.starting import Starting
from orbitmesh.emulator.epoch import Nodes
from orbitmesh.emulator.errors import FailureError, RunEnded

CODE = grpc.StatusCode
DAY_NS = 86_400 * 10**9


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with fake_mesh(tmp_path_factory.mktemp("run") / "toy") as mesh:
        yield mesh


@pytest.fixture(scope="module")
def api(mesh: Emulation) -> Iterator[Any]:
    with called(mesh) as stub:
        stub.Status(pb.StatusRequest(), timeout=60)
        yield stub


def contacts(api: Any, **more: int) -> Any:
    request = pb.ContactsRequest(a="sat-0-0", b="sat-0-1", kind=pb.CONTACT_KIND_SIGHT, **more)
    return api.Contacts(request, timeout=60)


def forks(mesh: Emulation) -> set[int]:
    starter = starter_pid(mesh)
    children = Path(f"/proc/{starter}/task/{starter}/children").read_text().split()
    return {int(each) for each in children} - {server_pid(mesh)}


def test_questions_of_contacts_are_limited_and_end_with_who_asks(mesh: Emulation, api: Any):
    calls = [contacts(api, begin_sim_ns=0, duration_ns=366 * DAY_NS) for _ in range(8)]
    until(lambda: len(forks(mesh)) == 8, "all are being answered")
    for pid in forks(mesh):
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    code, words = refused(lambda: list(contacts(api, begin_sim_ns=0, duration_ns=10**9)))
    assert (code, words) == (
        CODE.RESOURCE_EXHAUSTED,
        "8 ask for contacts already, which are as many as can: ask again when one has its answer",
    )
    for each in calls:
        each.cancel()
    until(lambda: not forks(mesh), "their processes have gone too")
    assert list(contacts(api, begin_sim_ns=0, duration_ns=10**9)) is not None


@pytest.mark.parametrize("begin_sim_ns", [2**63 - 1, 2**62])
def test_contacts_of_no_time_are_refused_in_words(api: Any, begin_sim_ns: int):
    code, words = refused(lambda: list(contacts(api, begin_sim_ns=begin_sim_ns, duration_ns=10**9)))
    assert code == CODE.INVALID_ARGUMENT
    assert words.startswith(f"begin_sim_ns is {begin_sim_ns}: write at most")


@pytest.mark.parametrize(
    ("start", "said"),
    [
        ({"argv": ["a\0b"]}, "argv has a character 0"),
        ({"argv": ["true"], "working_directory": "/tmp\0"}, "working_directory has a character 0"),
        ({"argv": ["true"], "environment": {"A": "\0"}}, "environment has a character 0"),
        ({"argv": ["true"], "environment": {"A=B": "c"}}, "environment: 'A=B' is no variable's name"),
        ({"argv": ["true"], "environment": {"": "c"}}, "environment: '' is no variable's name"),
    ],
)
def test_what_no_program_can_be_given_is_refused_in_words(api: Any, start: dict[str, Any], said: str):
    request = pb.ExecRequest(start=pb.ExecStart(node="sat-0-0", **start))
    code, words = refused(lambda: list(api.Exec(iter([request]), timeout=20)))
    assert code == CODE.INVALID_ARGUMENT
    assert words.startswith(said)


def test_more_than_the_run_takes_at_once_is_refused_in_words(api: Any):
    code, words = refused(lambda: api.Path(pb.PathRequest(source="x" * 2_000_000, destination="gw-lima")))
    assert code == CODE.INVALID_ARGUMENT
    assert words.startswith("the request 'path' is 2,000,")


# ---- its parts


def test_who_serves_cannot_change_what_the_starter_reads() -> None:
    fd = settings.written(settings.ApiSettings("a-run", Nodes.__new__(Nodes)))
    try:
        for change in (lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 0)):
            with pytest.raises(PermissionError):
                change()
    finally:
        os.close(fd)


class _Doors:
    """To a run whose captures are three megabytes."""

    def new(self) -> _Doors:
        return self

    def capture(self, node: str, peer: str | None, fd: int) -> None:
        for piece in (b"a", b"b", b"c"):
            os.write(fd, piece * (1 << 20))

    def __exit__(self) -> None:
        pass


def test_a_capture_that_two_fetch_is_whole_for_both(tmp_path: Path) -> None:
    async def test() -> None:
        captures = Captures(_Doors())  # type: ignore[arg-type]
        number = (await captures.start(pb.StartCaptureRequest(node="sat-0-0"))).capture_number
        request = pb.FetchCaptureRequest(capture_number=number)
        slow = captures.fetch(request)
        first = (await anext(slow)).pcapng
        whole = b"".join([each.pcapng async for each in captures.fetch(request)])
        assert len(whole) == 3 << 20
        # whose number is that of the capture's file, which has gone
        with contextlib.ExitStack() as others:
            for i in range(8):
                others.enter_context((tmp_path / str(i)).open("wb+"))
            assert first + b"".join([each.pcapng async for each in slow]) == whole
        assert len(captures) == 0

    asyncio.run(asyncio.wait_for(test(), 30))


def exec_with(starter: Any) -> None:
    """An Exec call, by a starter that is given its end of the socket."""

    async def test() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            starting = Starting(ours.detach())
            asking = asyncio.create_task(_exec(starting))
            try:
                await asyncio.to_thread(starter, theirs)
                await asking
            finally:
                asyncio.get_running_loop().remove_reader(starting._socket)
                starting._socket.close()

    asyncio.run(asyncio.wait_for(test(), 30))


async def _exec(starting: Starting) -> None:
    async def requests() -> AsyncIterator[Any]:
        yield pb.ExecRequest(start=pb.ExecStart(node="sat-0-0", argv=["true"]))

    async def write(response: Any) -> None:
        pytest.fail("nothing has started")

    await exec_call.Programs(starting).exec(requests(), write)


def lose(theirs: socket.socket) -> None:
    _, fds, _, _ = socket.recv_fds(theirs, 1 << 16, 8)
    for fd in fds:
        os.close(fd)


def lose_and_go(theirs: socket.socket) -> None:
    lose(theirs)
    theirs.close()


def test_a_program_that_is_lost_is_no_end_of_the_run() -> None:
    with pytest.raises(FailureError, match="the program was lost before it had answered") as caught:
        exec_with(lose)
    assert not isinstance(caught.value, RunEnded)
    with pytest.raises(RunEnded):
        exec_with(lose_and_go)


def test_a_starter_that_stands_still_holds_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_call, "_START_S", 0.2)
    with pytest.raises(FailureError, match="has not been started for"):
        exec_with(lambda theirs: None)
