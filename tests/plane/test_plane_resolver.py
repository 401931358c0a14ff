"""Answers to questions for names: right ones, at once, and to anything that comes."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from names_wire import AAAA, PTR, TXT, A, Reply, question, read_reply

from orbitmesh.emulator.plane.addressing import IPV6_PREFIX
from orbitmesh.emulator.plane.kernel.names import hosts_lines, hosts_text, nsswitch_text
from orbitmesh.emulator.plane.resolver import messages, table

KNOWN = table.Table(
    table.table_text(
        hosts_lines(["gw-paris", "sat-0-0", "sat-10-0"], ["172.16.0.1", "10.0.0.1", "10.0.10.1"])
    )
)


def ask(name: str, kind: int, **more: int) -> Reply:
    said = messages.answer(question(name, kind, **more), KNOWN)
    assert said is not None
    return read_reply(said)


@pytest.mark.parametrize("name", ["sat-0-0", "SAT-0-0", "sat-0-0."])
def test_a_node_has_its_address_however_it_is_written(name: str) -> None:
    assert ask(name, A) == Reply(7, "NOERROR", name.rstrip("."), [bytes([10, 0, 0, 1])])


@pytest.mark.parametrize("kind", [AAAA, TXT, 65])
def test_of_a_node_there_is_nothing_else_and_that_is_no_error(kind: int) -> None:
    # "no such name" would take the address away again from who asks for both at once
    assert ask("sat-0-0", kind) == Reply(7, "NOERROR", "sat-0-0", [])


@pytest.mark.parametrize(
    "name", ["example.com", "sat-0-1", "at-0-0", "sat-0-0.example.com", "_grpc_config.sat-0-0", "a\nb", ""]
)
@pytest.mark.parametrize("kind", [A, AAAA])
def test_whoever_else_is_unknown(name: str, kind: int) -> None:
    assert ask(name, kind).code == "NXDOMAIN"


def test_localhost_is_the_node_itself() -> None:
    assert ask("localhost", A).records == [bytes([127, 0, 0, 1])]


def test_addresses_have_names() -> None:
    found = [b"\x07sat-0-0\0"]
    assert ask("1.0.0.10.in-addr.arpa", PTR).records == found
    digits = (IPV6_PREFIX + bytes([10, 0, 0, 1])).hex()
    assert ask(".".join(digits[::-1]) + ".ip6.arpa", PTR).records == found
    for nobody in ("2.0.0.10.in-addr.arpa", "0.0.10.in-addr.arpa", "x.0.0.10.in-addr.arpa", "1.ip6.arpa"):
        assert ask(nobody, PTR).code == "NXDOMAIN"


def test_what_is_no_question_for_a_name_is_refused_by_the_right_code() -> None:
    assert ask("sat-0-0", A, family=3).code == "REFUSED"
    assert ask("sat-0-0", A, flags=5 << 11).code == "NOTIMP"
    good = question("sat-0-0", A)
    for bad in (good[:-1], good[:12], good[:4] + b"\0\2" + good[6:], good[:12] + b"\xc0\x0c\0\1\0\1"):
        said = messages.answer(bad, KNOWN)
        assert said is not None
        assert read_reply(said).code == "FORMERR"
    assert messages.answer(good[:11], KNOWN) is None
    assert messages.answer(good[:2] + b"\x80" + good[3:], KNOWN) is None  # an answer is not answered


def test_who_offers_to_take_longer_answers_is_offered_the_same() -> None:
    said = messages.answer(question("sat-0-0", A, edns=True), KNOWN)
    assert said is not None
    assert said.endswith(struct.pack("!xHHIH", 41, 512, 0, 0))
    assert read_reply(said).records == [bytes([10, 0, 0, 1])]


def mangled() -> Iterator[bytes]:
    """Questions with bytes turned, cut and doubled; the same each time."""
    rng = random.Random(11)
    seeds = [question("sat-0-0", A), question("1.0.0.10.in-addr.arpa", PTR), question("x" * 63, A, edns=True)]
    for _ in range(20_000):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 63, 64, 0xC0, 0xFF, rng.randrange(256)])
        cut = rng.randrange(len(data) + 1)
        yield bytes(data[:cut] + data[rng.randrange(len(data)) :]) if rng.random() < 0.3 else bytes(data)


def test_anything_is_answered_soundly_or_not_at_all() -> None:
    for query in mangled():
        said = messages.answer(query, KNOWN)
        if said is not None:
            assert len(said) <= len(query) + 64
            assert read_reply(said).number == int.from_bytes(query[:2], "big")


@given(st.binary(max_size=600))
def test_any_bytes_do_no_harm(query: bytes) -> None:
    messages.answer(query, KNOWN)


def test_files_beside_it_say_the_same() -> None:
    assert hosts_text("10.0.0.1 sat-0-0", "127.0.0.1 vm\n").splitlines() == [
        "127.0.0.1 localhost", "10.0.0.1 sat-0-0", "# from this machine", "127.0.0.1 vm",
    ]  # fmt: skip
    machine = "passwd: files\nhosts:  mymachines resolve [!UNAVAIL=return] dns\n# hosts: x\n"
    assert nsswitch_text(machine) == "passwd: files\n# hosts: x\nhosts: files dns\n"
