"""``orbitmesh fail``, ``set``, ``restore``, ``faults``: what is broken in a running mesh, by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import InputError
from ..shown import shown
from .calling import connected
from .options import Format, FormatOption, RunOption, duration_ns
from .output import print_json, print_rows, say, who

FAIL_EXAMPLE = "Example: orbitmesh fail sat-0-0:sat-0-1\n\nExample: orbitmesh fail plane-3 --for 10s"
SET_EXAMPLE = (
    "Example: orbitmesh set sat-0-0:sat-0-1 --rate 10Mbit/s --delay 5ms --for 30s\n\n"
    "Example: orbitmesh set sat-0-0:sat-0-1 --loss 2%"
)
RESTORE_EXAMPLE = "Example: orbitmesh restore sat-0-0:sat-0-1\n\nExample: orbitmesh restore --all"
FAULTS_EXAMPLE = "Example: orbitmesh faults -o json"

_COLUMNS = (
    "intervention", "what", "by", "at_sim_ns", "until_sim_ns", "rate_bps", "extra_delay_ns",
    "loss_ratio", "packets_failed", "packets_lost",
)  # fmt: skip
_FOR_PEOPLE = (
    "number",
    "what",
    "by",
    "since s",
    "until s",
    "rate Mbit/s",
    "more delay ms",
    "loss %",
    "packets lost",
)

WhatArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="WHAT…",
        help="sat-3-7, gw-london, gw-london/antenna, sat-0-0:sat-0-1, plane-3, shell-NAME, "
        "region:LATITUDE,LONGITUDE,RADIUSkm; sets of nodes in quotes: 'gw-*', 'sat-3-*:gw-london'.",
    ),
]
ForOption = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help="For so long. [default: until restored]")
]


def fail(what: WhatArgument, lasts: ForOption = None, run: RunOption = None) -> None:
    """Fail links, satellites, gateways, … of a running mesh; returns when that is in force.

    What is in flight there is lost.  Routes follow as the scenario's routing.reaction says.
    """
    _ask(run, what, lasts)


def set_link(
    what: WhatArgument,
    rate: Annotated[
        str | None, typer.Option("--rate", metavar="RATE", help="Physical rate both ways: 10Mbit/s, 1Gbit/s.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--delay", metavar="TIME", help="Added to the delay each way: 5ms.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option("--loss", metavar="SHARE", help='So many packets are lost, each way: "2 %".'),
    ] = None,
    lasts: ForOption = None,
    run: RunOption = None,
) -> None:
    """Give links of a running mesh another rate or loss, or a longer delay; of a node: all its links."""
    from ..scenario.faults import MOST_DELAY_NS, MOST_RATE_BPS
    from ..scenario.units import RATE_BPS, parse_percent, parse_whole

    more: dict[str, Any] = {}
    if rate is not None:
        try:
            more["rate_bps"] = parse_whole(rate, RATE_BPS)
        except ValueError as error:
            raise InputError(str(error), key="--rate") from None
        if not 0 < more["rate_bps"] <= MOST_RATE_BPS:
            raise InputError(
                f"{shown(rate)}: write more than 0 and at most {MOST_RATE_BPS // 10**12} Tbit/s; "
                "orbitmesh fail breaks a link",
                key="--rate",
            )
    if delay is not None:
        more["extra_delay_ns"] = duration_ns(delay, "--delay")
        if more["extra_delay_ns"] > MOST_DELAY_NS:
            raise InputError(
                f"{shown(delay)}: at most {MOST_DELAY_NS // 10**9} s can be added", key="--delay"
            )
    if loss is not None:
        try:
            more["loss_ratio"] = parse_percent(loss)
        except ValueError as error:
            raise InputError(str(error), key="--loss") from None
        if more["loss_ratio"] > 1:
            raise InputError(f"{shown(loss)}: at most 100 % can be lost", key="--loss")
    if not more:
        raise InputError("nothing is to change: give --rate, --loss or --delay; orbitmesh fail breaks a link")
    _ask(run, what, lasts, **more)


def restore(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WHAT…]", help="Names as they were failed, numbers of orbitmesh faults, or sets: 'gw-*'."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is failed or changed.")] = False,
    run: RunOption = None,
) -> None:
    """Restore what is failed or changed in a running mesh, by hand or by its scenario."""

    if bool(what) == everything:
        raise InputError("name what is to be restored, or --all")
    with connected(run) as client:
        answer = client.lift(None if everything else what)
    if not answer["interventions"]:
        say("nothing is failed or changed")
    for each in answer["interventions"]:
        say(f"{each['what']} is restored, after {answer['in_force_ns'] / 1e6:.1f} ms")


def faults(run: RunOption = None, output: FormatOption = Format.TABLE) -> None:
    """List what is failed or changed in a running mesh now.  In ns for programs (-o json, -o csv)."""
    from ..control.client import LOOK_S

    with connected(run, limit_s=LOOK_S) as client:
        found = client.interventions()
    if output is Format.JSON:
        print_json(found)
    elif output is Format.CSV:
        print_rows(_COLUMNS, ([each.get(column) for column in _COLUMNS] for each in found), output)
    elif not found:
        say("nothing is failed or changed")
    else:
        print_rows(_FOR_PEOPLE, map(_for_people, found), output)


def _for_people(each: dict[str, Any]) -> tuple[object, ...]:
    until, rate, delay = each["until_sim_ns"], each.get("rate_bps"), each.get("extra_delay_ns")
    loss = each.get("loss_ratio")
    return (
        each["intervention"], each["what"], each["by"], f"{each['at_sim_ns'] / 1e9:.3f}",
        None if until is None else f"{until / 1e9:.3f}", None if rate is None else f"{rate / 1e6:g}",
        f"{delay / 1e6:g}" if delay else None, None if loss is None else f"{100 * loss:g}",
        each.get("packets_failed", 0) + each.get("packets_lost", 0),
    )  # fmt: skip


def _ask(run: str | None, what: list[str], lasts: str | None, **more: Any) -> None:

    if lasts is not None:
        more["lasts_ns"] = duration_ns(lasts, "--for")
    with connected(run) as client:
        answer = client.intervene(what, by=who(), **more)
    verb = "is changed" if {"rate_bps", "extra_delay_ns", "loss_ratio"} & more.keys() else "has failed"
    for each in answer["interventions"]:
        ends = (
            ""
            if each["until_sim_ns"] is None
            else f" until emulated instant {each['until_sim_ns'] / 1e9:.3f} s"
        )
        say(f"{each['what']} {verb}{ends}: in force {answer['in_force_ns'] / 1e6:.1f} ms after the call")
    for each in answer.get("absent", ()):
        say(f"{each}: no such link is up now; should one come, it holds for that")
