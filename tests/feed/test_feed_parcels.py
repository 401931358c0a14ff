"""Large arrays between processes: one copy, that nobody can write to, gone with who has it last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from orbitmesh.emulator.feed.parcels import Parcel, receive, send


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    one, other = Pipe()
    with one, other:
        yield one, other


def shared_files() -> int:
    return sum(str(fd).startswith("/memfd:orbitmesh-epoch") for fd in descriptors())


def descriptors() -> list[Path]:
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of this listing
            found.append(fd.readlink())
    return found


def mapped() -> int:
    return Path("/proc/self/maps").read_text().count("memfd:orbitmesh-epoch")


@pytest.mark.parametrize("n", [10, 1_000_000])
def test_what_is_packed_arrives(n: int, ends: tuple[Connection, Connection]) -> None:
    sent = {"a": np.arange(n), "b": np.arange(n, dtype=np.uint8), "none": np.empty(0), "text": "epoch"}
    parcel = Parcel.pack(sent)
    send(ends[0], "epoch", parcel, 7)
    ends[0].send(("more", 1))  # a descriptor on the way does not mix up what follows
    verb, got, seven = receive(ends[1])
    assert (verb, seven) == ("epoch", 7)
    found = got.open()
    assert receive(ends[1]) == ("more", 1)
    got.close()
    parcel.close()
    for name, value in sent.items():
        np.testing.assert_array_equal(found[name], value)
    if n > 10:
        assert not found["a"].flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            found["a"][0] = 1


def test_it_can_be_handed_on_as_it_came_and_leaves_nothing(ends: tuple[Connection, Connection]) -> None:
    parcel = Parcel.pack(np.arange(1_000_000))
    send(ends[0], "epoch", parcel)
    parcel.close()
    _, second = receive(ends[1])
    send(ends[1], "epoch", second)
    second.close()
    _, third = receive(ends[0])
    found = third.open()
    third.close()
    third.close()
    assert found.sum() == 499_999_500_000
    assert (shared_files(), mapped()) == (1, 1)  # a mapping of Python's keeps a descriptor too
    part = found[5:7]
    del found
    assert part.tolist() == [5, 6]
    del part
    assert (shared_files(), mapped()) == (0, 0)
