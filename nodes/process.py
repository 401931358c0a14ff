"""One node, from the fork to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from orbitmesh.wire.energy import EnergyReport
from orbitmesh.wire.spec import NodeSpec, Peer

from . import kernel
from .compute_service import ComputeService
from .decoder import Decoder
from .load.sender import CustomerSender
from .orders import BadOrder, read_order
from .outbox import Outbox
from .probe_service import ProbeService
from .prober import Prober
from .server import NodeServer
from .serving.mover import Mover
from .serving.service import ServingService
from .statistics import Statistics
from .task_sender import TaskSender
from .training.trainer import Trainer
from .udp_echo import UdpEchoClient, UdpEchoServer
from .worker import Worker

STOP_GRACE_S = 0.8  # for calls under way; the parent waits 2 s
MAX_CONTROL_BYTES = 256 * 2**10
# The worker's numpy holds the interpreter lock; the loop is not to wait the default 5 ms for it.
_SWITCH_INTERVAL_S = 0.0005


@dataclass(frozen=True)
class Descriptors:
    control: int  # to the parent: SOCK_SEQPACKET; its end of file is the end of this process
    samples: int
    netns: int
    mntns: int


def live(spec: NodeSpec, descriptors: Descriptors, parent_pid: int, decoder: Decoder) -> NoReturn:
    """Be a node; called in a process just forked, whose only thread this is.  Does not return.

    Reports {"event": "ready"}, or {"event": "failed", "reason"} and ends with
    status 1.  A node that fails later ends with status 1 and a traceback on stderr.
    """
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        kernel.close_all_but((descriptors.control, descriptors.samples, descriptors.netns, descriptors.mntns))
        control = socket.socket(fileno=descriptors.control)
        control.setblocking(False)
        try:
            kernel.name_process(spec.name)
            kernel.enter_namespaces(descriptors.netns, descriptors.mntns)
            os.close(descriptors.netns)
            os.close(descriptors.mntns)
            kernel.give_up_privileges()
            kernel.die_with_parent(parent_pid)
            sys.setswitchinterval(_SWITCH_INTERVAL_S)
            gc.enable()
        except OSError as error:
            _report(control, {"event": "failed", "name": spec.name, "reason": str(error)})
        else:
            asyncio.run(_live(spec, control, descriptors.samples, decoder))
            status = 0
    except StartFailed:
        pass  # reported
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)  # nothing of the parent's is to be torn down here


class StartFailed(Exception):
    pass


async def _live(spec: NodeSpec, control: socket.socket, samples_fd: int, decoder: Decoder) -> None:
    statistics = Statistics()
    outbox = Outbox(spec.name, samples_fd, statistics)
    worker = Worker() if spec.kind == "satellite" else None
    serving = None if spec.serving is None else ServingService(spec.serving)
    try:
        server = NodeServer(
            spec.address,
            ProbeService(spec.name, statistics),
            None if worker is None else ComputeService(worker, decoder),
            serving=serving,
        )
        trainer = (
            None
            if spec.training is None
            else Trainer(spec.training, spec.name, spec.address, outbox.training)
        )
        UdpEchoServer(spec.address)
        udp = UdpEchoClient(spec.address)
        await server.start()
    except OSError as error:
        _report(control, {"event": "failed", "name": spec.name, "reason": str(error)})
        raise StartFailed from error
    async with asyncio.TaskGroup() as group:  # an error in any measurement ends the node, visibly
        prober = Prober(spec, group, outbox, udp)
        sender, customers = TaskSender(spec, group, outbox), CustomerSender(spec, group, outbox)
        if serving is not None:
            serving.moves_by(Mover(group))
        _report(control, {"event": "ready", "name": spec.name, "pid": os.getpid()})
        for has, told in ((serving, spec.serving), (trainer, spec.training)):
            if has is not None and told is not None and told.report_interval_ns:
                group.create_task(_tell_energy(control, spec.name, has.energy, told.report_interval_ns))
        if trainer is not None:
            group.create_task(_raised(trainer.failed))
        await _obey(spec, control, prober, sender, customers, outbox, serving, trainer)
        outbox.end()
        await server.stop(STOP_GRACE_S)
        # what is still being measured is not waited for: the mesh itself is going
        os._exit(0)


async def _obey(
    spec: NodeSpec,
    control: socket.socket,
    prober: Prober,
    sender: TaskSender,
    customers: CustomerSender,
    outbox: Outbox,
    serving: ServingService | None,
    trainer: Trainer | None,
) -> None:
    """Follow the parent's messages until it says stop; of one that makes no sense nothing is done."""
    loop = asyncio.get_running_loop()
    while message := await loop.sock_recv(control, MAX_CONTROL_BYTES):
        try:
            order = read_order(message, spec)
        except BadOrder as error:
            _report(control, {"event": "refused", "name": spec.name, "reason": str(error)})
            continue
        if order["op"] == "stop":
            return
        if order["op"] == "end":
            prober.cut_off()
            sender.cut_off()
            customers.cut_off()
            outbox.end()
            continue
        if order["op"] == "serve" and (serving is not None or trainer is not None):
            for told in (serving, trainer):
                if told is not None:
                    told.obey(order)
            continue
        if "quiet_until_mono_ns" in order:
            prober.quiet_until_mono_ns = sender.quiet_until_mono_ns = order["quiet_until_mono_ns"]
        if "probe_peers" in order:
            prober.assign(tuple(Peer(**peer) for peer in order["probe_peers"]))
        if "nearest" in order:
            sender.assign_nearest(order["nearest"])
            customers.assign(
                order["nearest"],
                order.get("placed", {}),
                order.get("refused", {}),
                order.get("retry_mono_ns", {}),
            )
        if "quiet_until_mono_ns" in order:
            customers.begin(order["quiet_until_mono_ns"])
    os._exit(1)  # the parent is gone


async def _tell_energy(
    control: socket.socket, name: str, energy: Callable[[str], EnergyReport], interval_ns: int
) -> None:
    """By a beat of its own, so that being late never adds up."""
    due_ns = time.monotonic_ns()
    while True:
        due_ns += interval_ns
        await asyncio.sleep(max(0.0, (due_ns - time.monotonic_ns()) / 1e9))
        with contextlib.suppress(OSError):  # the parent is busy: the next report has it all; or it is gone
            _report(control, energy(name).to_event())


async def _raised(failed: asyncio.Future[None]) -> None:
    """Raises what the other thread failed with."""
    await failed


def _report(control: socket.socket, event: dict[str, Any]) -> None:
    control.send(json.dumps(event).encode())
