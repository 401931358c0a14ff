"""Which tokens share a message, by a reader that has its turns when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orbitmesh.nodes.serving.batcher import Step
from orbitmesh.nodes.serving.request import Request
from orbitmesh.nodes.serving.stream import Stream

Message = tuple[int, int, int]


def step(end_ns: int) -> Step:
    return Step(end_ns - 10, end_ns, 10, 0, 1, [], [], [], [])


@contextmanager
def read(output_tokens: int, message_tokens: int) -> Iterator[tuple[Stream, list[Message], asyncio.Runner]]:
    """A stream, what its reader has had of it, and whoever gives it turns."""
    had: list[Message] = []

    async def begin() -> tuple[Stream, asyncio.Task[None]]:
        stream = Stream(Request(100, output_tokens, 0), message_tokens)

        async def reading() -> None:
            async for message in stream:
                had.append(message)

        return stream, asyncio.create_task(reading())

    with asyncio.Runner() as runner:
        stream, reader = runner.run(begin())
        yield stream, had, runner
        runner.run(asyncio.wait_for(reader, 10))


def turns(runner: asyncio.Runner) -> None:
    """As many as it takes until nobody has anything to do."""

    async def idle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    runner.run(idle())


def test_each_token_has_a_message_of_its_own_where_the_reader_keeps_up() -> None:
    with read(20, 1) as (stream, had, runner):
        for i in range(20):
            turns(runner)
            assert len(had) == i
            stream.got(step(100 + i))
    assert had == [(i, 1, 100 + i) for i in range(20)]


def test_what_came_while_the_reader_had_no_turn_is_one_message_with_the_last_ones_instant() -> None:
    with read(6, 1) as (stream, had, runner):
        for count in (1, 3, 2):
            turns(runner)
            for _ in range(count):
                stream.got(step(100 * (stream._made + 1)))
    assert had == [(0, 1, 100), (1, 3, 400), (4, 2, 600)]


@pytest.mark.parametrize(
    ("output_tokens", "counts"), [(10, [1, 4, 4, 1]), (9, [1, 4, 4]), (3, [1, 2]), (1, [1])]
)
def test_the_first_waits_for_no_others_and_the_rest_for_as_many_as_the_scenario_says(
    output_tokens: int, counts: list[int]
) -> None:
    with read(output_tokens, 4) as (stream, had, runner):
        for i in range(output_tokens):
            turns(runner)
            stream.got(step(i))
    assert [count for _, count, _ in had] == counts
