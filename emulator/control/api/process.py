"""The process that serves gRPC.  It has no capabilities, forks nothing, and moves no mesh.

It ends with the starter, which ends with the run, and by itself when nobody has called for a while: the run
starts both again with the next call.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from orbitmesh.control.v1 import control_pb2 as pb

from ...errors import TooManyAtOnce
from ...priority import go_after_mesh
from ...processes import keep_capabilities
from ..client import Client
from ..places import API_INNER
from . import settings
from .captures import Captures
from .doors import Doors
from .exec_call import Programs
from .relay import Relay
from .service import ControlService
from .serving import MOST_RPCS, OPTIONS, SERVICE, handlers
from .starting import Starting, lines
from .tokens import TokenNeeded

#: about contacts: each takes a core for a while
MOST_QUESTIONS = 8

_GRACE_S = 1.0
_SWITCH_S = 0.001  # threads that relay take the lock for a moment, and often


class Service(ControlService):
    """All methods."""

    def __init__(self, told: settings.ApiSettings, folder_fd: int, starting: Starting) -> None:
        doors = Doors(partial(Client.connect, told.run_id))
        super().__init__(told, doors, Path(f"/proc/self/fd/{folder_fd}"))
        self._starting, self._n_asked = starting, 0
        self.captures = Captures(doors)
        self.Exec = Programs(starting).exec
        self.StartCapture, self.FetchCapture = self.captures.start, self.captures.fetch

    @property
    def is_busy(self) -> bool:
        return len(self.captures) > 0 or self._doors.is_busy

    async def Contacts(self, request: Any) -> AsyncIterator[Any]:  # noqa: N802
        if self._n_asked >= MOST_QUESTIONS:
            raise TooManyAtOnce(
                f"{MOST_QUESTIONS} ask for contacts already, which are as many as can: ask again when one has"
                " its answer"
            )
        self._n_asked += 1
        try:
            question = await self._contacts_question(request)
            with self._starting.start(question) as asked:
                async for row in lines(asked):
                    if "end" in row:
                        return
                    yield pb.ContactsResponse(**row)
            raise await self._starting.lost("what finds contacts")
        finally:
            self._n_asked -= 1


async def serve(arguments: argparse.Namespace) -> None:
    told = settings.read(arguments.settings_fd)
    starting = Starting(arguments.starter_fd)
    service = Service(told, arguments.folder_fd, starting)
    relay = Relay()
    local, far = (f"/proc/self/fd/{arguments.place_fd}/{told.run_id}{end}" for end in API_INNER)
    servers = [await _served(service, local)]
    relay.serve(socket.socket(fileno=arguments.unix_fd), local)
    if arguments.tcp_fd is not None:
        servers.append(await _served(service, far, told.tls))
        relay.serve(socket.socket(fileno=arguments.tcp_fd), far)
    while not starting.gone.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(starting.gone.wait(), 1.0)
        if not service.is_busy and relay.close_if_idle(told.idle_s):
            return
    if not starting.in_order:  # callers see a connection that is lost, and call again
        os._exit(1)
    await asyncio.gather(*(server.stop(_GRACE_S) for server in servers))


async def _served(service: Service, path: str, tls: settings.Tls | None = None) -> Any:
    interceptors = [] if tls is None or tls.token is None else [TokenNeeded(tls.token)]
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MOST_RPCS, interceptors=interceptors)
    server.add_generic_rpc_handlers((handlers(service),))
    state = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(state, server)
    reflection.enable_server_reflection(
        [SERVICE.full_name, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )
    if tls is None:
        server.add_insecure_port(f"unix:{path}")
    else:
        credentials = grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.client_ca, require_client_auth=tls.client_ca is not None
        )
        server.add_secure_port(f"unix:{path}", credentials)
    await server.start()
    for name in ("", SERVICE.full_name):
        await state.set(name, health_pb2.HealthCheckResponse.SERVING)
    return server


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("--starter-fd", "--settings-fd", "--unix-fd", "--place-fd", "--folder-fd"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--tcp-fd", type=int)
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(format="orbitmesh: control API: %(message)s")
    sys.setswitchinterval(_SWITCH_S)
    os.umask(0o077)  # what it listens on is for its user alone
    # a connection needs seven descriptors, a program six
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    keep_capabilities()
    go_after_mesh()
    asyncio.run(serve(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
