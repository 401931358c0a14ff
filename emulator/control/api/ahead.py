"""When two nodes will see each other, or have a way: in a fork of the starter, a line an interval."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from ...errors import InputError, OrbitmeshError
from ...priority import go_after_all
from ..client import Client
from ..messages import encode
from .settings import ApiSettings

_MOST_DURATION_NS = 366 * 86_400 * 10**9
_MOST_BEGIN_NS = 100 * _MOST_DURATION_NS


def answer(settings: ApiSettings, request: dict[str, Any], fd: int) -> None:
    """``a``, ``b``, ``way``, ``begin_sim_ns``, ``duration_ns``; last is ``{"end": true}`` or an error."""
    logging.disable(logging.WARNING)  # what the run has said of its scenario already
    go_after_all()
    with socket.socket(fileno=os.dup(fd)) as caller:
        os.close(fd)
        threading.Thread(target=_end_with, args=(caller,), daemon=True).start()
        try:
            for row in _rows(settings, request):
                caller.sendall(encode(row))
            caller.sendall(encode({"end": True}))
        except OrbitmeshError as error:
            told = {"error": str(error), "exit_status": error.exit_status, "kind": type(error).__name__}
            caller.sendall(encode(told))
        except ConnectionError:
            pass  # nobody waits for it any more
        except Exception as error:  # a defect of ours must not leave the caller without a word
            caller.sendall(encode({"error": f"{type(error).__name__}: {error}", "exit_status": 1}))
            raise


def _end_with(caller: socket.socket) -> None:
    """Only its end comes from there: then nobody wants to know any more, however long it would take."""
    with contextlib.suppress(OSError):
        caller.recv(1)
    os._exit(0)


def _rows(settings: ApiSettings, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    from ...contact_plan import intervals
    from ...find_node import find_node
    from ...geometry import Geometry
    from ...links.coverage import Window

    begin_ns, long_ns = request["begin_sim_ns"], request["duration_ns"]
    if begin_ns < 0:
        raise InputError(f"begin_sim_ns is {begin_ns}: the scenario begins at 0")
    if begin_ns > _MOST_BEGIN_NS:
        raise InputError(f"begin_sim_ns is {begin_ns}: write at most {_MOST_BEGIN_NS} (100 years)")
    if not 0 < long_ns <= _MOST_DURATION_NS:
        raise InputError(f"duration_ns is {long_ns}: write more than 0 and at most 366 days")
    a, b = (find_node(request[end], settings.nodes) for end in ("a", "b"))
    with Client.connect(settings.run_id) as client:
        scenario, kept, _ = client.scenario()
    geometry = Geometry(scenario, Window(begin_ns, long_ns, "plan"))
    geometry.interventions = kept
    names, step_ns = geometry.nodes.names, scenario.run.step_ns
    for each in intervals(geometry, a, b, begin_ns, begin_ns + long_ns, step_ns, way=request["way"]):
        yield {
            "begin_sim_ns": each.begin_sim_ns, "end_sim_ns": each.end_sim_ns,
            "has_begin": each.begins, "has_end": each.ends,
            "begin_rtt_ns": each.begin_rtt_ns, "end_rtt_ns": each.end_rtt_ns,
            "path": [names[node] for node in each.path or ()],
        }  # fmt: skip
