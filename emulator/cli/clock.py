"""``orbitmesh pause``, ``resume``, ``step``, ``speed``: emulated time of a running mesh, by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import InputError
from ..shown import shown
from .calling import connected
from .options import RunOption, duration_ns
from .output import say, who

PAUSE_EXAMPLE = "Example: orbitmesh pause"
RESUME_EXAMPLE = "Example: orbitmesh resume"
STEP_EXAMPLE = "Example: orbitmesh step 10s"
SPEED_EXAMPLE = "Example: orbitmesh speed 20"


def pause(run: RunOption = None) -> None:
    """Let emulated time stand still; packets go on flying, and links keep the delay they have.

    Programs, requests and accelerators go on in real time.
    """
    with connected(run) as client:
        _tell(client.pause(by=who()))


def resume(run: RunOption = None) -> None:
    """Let emulated time go on, at the speed it was given last."""
    with connected(run) as client:
        _tell(client.resume(by=who()))


def step(
    by: Annotated[str, typer.Argument(metavar="TIME", help="How far: 10s, 500ms, 20min.")],
    run: RunOption = None,
) -> None:
    """Move a paused mesh on by so much emulated time, through all epochs between.

    Ctrl-C ends it where it is.
    """

    by_ns = duration_ns(by, "TIME")
    try:
        with connected(run) as client:
            _tell(client.step(by_ns, by=who()))
    except KeyboardInterrupt:
        with connected(run) as client:  # the other one waits for an answer
            _tell(client.pause(by=who()))
        raise


def speed(
    ratio: Annotated[str, typer.Argument(metavar="RATIO", help="0.1 to 1000 times as fast as real time.")],
    run: RunOption = None,
) -> None:
    """Let emulated time go so many times as fast as the machine's; packets fly in real time all the same."""

    try:
        value = float(ratio)
    except ValueError:
        raise InputError(f"{shown(ratio)} is no number: write how many times as fast, as 20") from None
    with connected(run) as client:
        _tell(client.speed(value, by=who()))


def in_words(now: dict[str, Any]) -> str:
    """What of a status or an answer says how time goes; "" where it goes as the machine's does."""
    speed = "" if now.get("speed_ratio", 1) == 1 else f"{now['speed_ratio']:g} times as fast"
    if now.get("paused"):
        return f"paused ({speed} once resumed)" if speed else "paused"
    return speed


def _tell(answer: dict[str, Any]) -> None:
    said = f"at {answer['elapsed_ns'] / 1e9:.3f} s of the run"
    if (sim_ns := answer.get("sim_ns", answer["elapsed_ns"])) != answer["elapsed_ns"]:
        said += f" (emulated instant {sim_ns / 1e9:.3f} s)"
    say(f"{said}, {in_words(answer) or 'and going on'}")
