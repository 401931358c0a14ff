"""Where a gateway's customers are sent: one satellite for each class, and no connection that is not used."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

import pytest

from orbitmesh.nodes.load import sender
from orbitmesh.nodes.load.arrivals import requests
from orbitmesh.wire.load import Lengths, LoadSpec
from orbitmesh.wire.spec import NodeSpec

LOADS = tuple(
    LoadSpec(name, "gw-a", 1, 1.0, Lengths("fixed", 10), Lengths("fixed", 10)) for name in ("chat", "code")
)
SPEC = NodeSpec(
    "gw-a", "gateway", "10.0.0.9", 1, peers={f"sat-0-{i}": f"10.0.0.{i}" for i in range(3)}, loads=LOADS
)


class Channel:
    """In a real one's place: open until it is closed."""

    open: ClassVar[set[str]] = set()

    def __init__(self, group: Any, address: str) -> None:
        self.address = address
        self.open.add(address)

    async def close(self) -> None:
        self.open.discard(self.address)


def test_each_class_has_its_satellite_and_the_others_connections_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sender, "PeerChannel", Channel)
    Channel.open.clear()

    async def told(*orders: tuple[str | None, dict[str, str | None]]) -> tuple[Any, set[str]]:
        async with asyncio.TaskGroup() as group:
            customers = sender.CustomerSender(SPEC, group, None)  # type: ignore[arg-type]
            for order in orders:
                customers.assign(*order, {}, {})
        return customers._satellites, set(Channel.open)

    nearest = {"chat": "sat-0-0", "code": "sat-0-0"}
    assert asyncio.run(told(("sat-0-0", {}))) == (nearest, {"10.0.0.0"})
    Channel.open.clear()
    apart = ("sat-0-0", {"chat": "sat-0-1", "code": None})
    assert asyncio.run(told(apart)) == ({"chat": "sat-0-1", "code": None}, {"10.0.0.1"})
    Channel.open.clear()
    assert asyncio.run(told(apart, ("sat-0-2", {"chat": "sat-0-1"}))) == (
        {"chat": "sat-0-1", "code": "sat-0-2"}, {"10.0.0.1", "10.0.0.2"},
    )  # fmt: skip
    with pytest.raises(ExceptionGroup):
        asyncio.run(told((None, {"chat": "sat-9-9"})))


def test_who_is_refused_is_lost_with_the_reason_and_who_has_no_way_without_one() -> None:
    class Outbox:
        told: ClassVar[list[Any]] = []

        def answer(self, answer: Any) -> None:
            self.told.append(answer)

    async def asked() -> None:
        async with asyncio.TaskGroup() as group:
            customers = sender.CustomerSender(SPEC, group, Outbox())  # type: ignore[arg-type]
            in_an_hour = {"code": time.monotonic_ns() + 3600 * 10**9}
            customers.assign("sat-0-0", {"chat": None, "code": None}, {"chat": "too warm"}, in_an_hour)
            for load in LOADS:
                await customers._ask(load, next(iter(requests(load))), 0)

    asyncio.run(asked())
    chat, code = Outbox.told
    assert (chat.error, chat.refused, chat.dst) == ("too warm", True, "")
    assert (code.error, code.refused, code.dst) == ("unassigned", False, "")
    assert chat.retry_ns == -1
    assert 3500 * 10**9 < code.retry_ns <= 3600 * 10**9


def test_a_load_too_fast_for_the_machine_is_sent_late_within_bounds_and_hears_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A million a second: nothing else had a turn before, not even what was to be sent."""
    fast = LoadSpec("chat", "gw-a", 1, 1e6, Lengths("fixed", 10), Lengths("fixed", 10))
    monkeypatch.setattr(sender, "MOST_UNDER_WAY", 64)
    most, told = 0, []

    class Never(sender.CustomerSender):
        async def _answer(self, came: Any, satellite: str | None) -> Any:
            nonlocal most
            most = max(most, len(self._under_way))
            await asyncio.Event().wait()

    class Outbox:
        def answer(self, answer: Any) -> None:
            told.append(answer)

    async def asked() -> None:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            customers = Never(SPEC, group, Outbox())  # type: ignore[arg-type]
            asking = group.create_task(customers._ask_all(fast, time.monotonic_ns()))
            while len(customers._under_way) < 64:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            customers.cut_off()
            await asking
            raise asyncio.CancelledError  # what never ends is given up

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(asked())
    assert most == 64
    assert len(told) == 64
