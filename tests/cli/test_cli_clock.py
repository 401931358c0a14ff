"""``pause``, ``resume``, ``step``, ``speed``: what they ask of a mesh, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from orbitmesh.emulator.cli import clock
from orbitmesh.emulator.control.client import Client
from orbitmesh.emulator.errors import InputError


class Asked:
    """A mesh that says what it was asked."""

    def __init__(self, paused: bool = False, speed_ratio: float = 1.0) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._answer = {"elapsed_ns": 12_402_000_000, "paused": paused, "speed_ratio": speed_ratio}

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getattr__(self, verb: str) -> Any:
        def ask(*values: object, by: str) -> dict[str, Any]:
            assert by
            self.asked.append((verb, *values))
            return self._answer

        return ask


@pytest.mark.parametrize(
    ("call", "asked", "mesh", "said"),
    [
        (clock.pause, ("pause",), Asked(paused=True), "at 12.402 s of the run, paused"),
        (clock.resume, ("resume",), Asked(), "at 12.402 s of the run, and going on"),
        (lambda: clock.step("10s"), ("step", 10**10), Asked(paused=True), "at 12.402 s of the run, paused"),
        (
            lambda: clock.speed("20"), ("speed", 20.0), Asked(speed_ratio=20),
            "at 12.402 s of the run, 20 times as fast",
        ),
        (
            lambda: clock.speed("0.5"), ("speed", 0.5), Asked(paused=True, speed_ratio=0.5),
            "at 12.402 s of the run, paused (0.5 times as fast once resumed)",
        ),
    ],
)  # fmt: skip
def test_each_asks_for_what_it_says(
    call: Any, asked: object, mesh: Asked, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(Client, "connect", lambda run=None: mesh)
    call()
    assert mesh.asked == [asked]
    assert capsys.readouterr().err.strip() == said


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: clock.step("10"), "has no unit"),
        (lambda: clock.step("0s"), "no time at all"),
        (lambda: clock.speed("fast"), "is no number: write how many times as fast, as 20"),
    ],
)
def test_what_makes_no_sense_is_said_before_anybody_is_asked(
    call: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "connect", lambda run=None: pytest.fail("it was asked"))
    with pytest.raises(InputError, match=said):
        call()


def test_a_status_says_how_time_goes() -> None:
    assert clock.in_words({}) == ""  # of a version that could not be paused
    assert clock.in_words({"paused": False, "speed_ratio": 1.0}) == ""
    assert clock.in_words({"paused": True, "speed_ratio": 1.0}) == "paused"


def test_ctrl_c_ends_a_step_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    class Interrupted(Asked):
        def step(self, by_ns: int, *, by: str) -> dict[str, Any]:
            raise KeyboardInterrupt

    mesh = Interrupted(paused=True)
    monkeypatch.setattr(Client, "connect", lambda run=None: mesh)
    with pytest.raises(KeyboardInterrupt):
        clock.step("300s")
    assert mesh.asked == [("pause",)]
    assert capsys.readouterr().err.strip() == "at 12.402 s of the run, paused"
