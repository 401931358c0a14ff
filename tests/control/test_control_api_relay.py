"""From the run's sockets to the server's own: who has room there, and when it ends."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_lab import until

from orbitmesh.emulator.control.api import relay as relay_module
from orbitmesh.emulator.control.api.doors import Doors
from orbitmesh.emulator.control.api.relay import Relay
from orbitmesh.emulator.errors import TooManyAtOnce


@pytest.fixture
def inner(tmp_path: Path) -> Iterator[str]:
    """Of a server that says again what it hears."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "in"))
        server.listen(16)

        def answer(caller: socket.socket) -> None:
            with caller:
                while data := caller.recv(4096):
                    caller.sendall(data)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield str(tmp_path / "in")
        server.shutdown(socket.SHUT_RDWR)


def is_answered(caller: socket.socket) -> bool:
    caller.settimeout(30)
    try:
        caller.sendall(b"hello")
        return caller.recv(16) == b"hello"
    except OSError:
        return False


def test_who_calls_from_elsewhere_takes_no_room_from_those_who_call_here(
    inner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "MOST_CONNECTIONS", 4)
    (tmp_path / "far").symlink_to(inner)
    relay = Relay()
    with contextlib.ExitStack() as held:
        local, far = held.enter_context(socket.socket(socket.AF_UNIX)), held.enter_context(socket.socket())
        local.bind(str(tmp_path / "local"))
        far.bind(("127.0.0.1", 0))
        for each in (local, far):
            each.listen(16)
        relay.serve(local, inner)
        relay.serve(far, str(tmp_path / "far"))
        strangers = [held.enter_context(socket.create_connection(far.getsockname())) for _ in range(4)]
        assert all(map(is_answered, strangers))
        assert not is_answered(held.enter_context(socket.create_connection(far.getsockname())))
        owner = held.enter_context(socket.socket(socket.AF_UNIX))
        owner.connect(str(tmp_path / "local"))
        assert is_answered(owner)
        assert not relay.close_if_idle(0.0)
        strangers.pop().close()

        def has_room() -> bool:
            with socket.create_connection(far.getsockname()) as again:
                return is_answered(again)

        until(has_room, "one that has gone leaves its place")


def test_one_address_elsewhere_cannot_take_all_places(
    inner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "MOST_OF_ADDRESS", 3)
    relay = Relay()
    with contextlib.ExitStack() as held:
        far = held.enter_context(socket.socket())
        far.bind(("0.0.0.0", 0))
        far.listen(16)
        relay.serve(far, inner)
        place = ("127.0.0.1", far.getsockname()[1])

        def called(source: str) -> socket.socket:
            return held.enter_context(socket.create_connection(place, source_address=(source, 0)))

        strangers = [called("127.0.0.1") for _ in range(3)]
        assert all(map(is_answered, strangers))
        assert not is_answered(called("127.0.0.1"))
        assert is_answered(called("127.0.0.2"))
        strangers.pop().close()
        until(lambda: is_answered(called("127.0.0.1")), "one that has gone leaves its place")


def test_an_address_is_that_of_a_network_where_one_caller_has_a_whole_one() -> None:
    of = relay_module._address
    assert of(socket.AF_INET, ("192.0.2.1", 5)) == of(socket.AF_INET6, ("::ffff:192.0.2.1", 7, 0, 0))
    assert of(socket.AF_INET, ("192.0.2.1", 5)) != of(socket.AF_INET, ("192.0.2.2", 5))
    assert of(socket.AF_INET6, ("2001:db8::1", 5, 0, 0)) == of(socket.AF_INET6, ("2001:db8::2", 5, 0, 0))
    assert of(socket.AF_INET6, ("2001:db8::1", 5, 0, 0)) != of(socket.AF_INET6, ("2001:db8:0:1::1", 5, 0, 0))
    assert of(socket.AF_INET6, ("fe80::1%lo", 5, 0, 1)) == of(socket.AF_INET6, ("fe80::2", 5, 0, 1))
    assert of(socket.AF_UNIX, "") is None


def test_who_calls_when_it_ends_waits_at_the_socket_of_the_run(inner: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as caller:
        listening.bind(str(tmp_path / "local"))
        listening.listen(16)
        relay = Relay()
        relay.serve(listening, inner)
        until(lambda: relay.close_if_idle(0.0), "it is idle")
        caller.connect(str(tmp_path / "local"))
        caller.sendall(b"hello")
        caller.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.recv(16)
        again = Relay()  # of the next process
        again.serve(listening, inner)
        caller.settimeout(30)
        assert caller.recv(16) == b"hello"
        assert not again.close_if_idle(0.0)


def test_what_takes_long_takes_no_thread_of_others_and_keeps_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio

    from orbitmesh.emulator.control.api import doors as doors_module

    monkeypatch.setattr(doors_module, "_MOST_APART", 3)
    held = threading.Event()

    async def test() -> None:
        doors = Doors(contextlib.nullcontext)  # type: ignore[arg-type]
        calls = [asyncio.create_task(doors.ask_apart(lambda _: held.wait(30))) for _ in range(3)]
        await asyncio.sleep(0.05)
        with pytest.raises(TooManyAtOnce, match="3 calls"):
            await doors.ask_apart(lambda _: None)
        for each in calls:
            each.cancel()  # who asked has gone; what was asked goes on
        await asyncio.wait(calls)
        assert doors.is_busy
        held.set()
        deadline_s = time.monotonic() + 30
        while doors.is_busy:
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.01)
        assert await doors.ask_apart(lambda _: 7) == 7
        doors.close()

    asyncio.run(test())
