"""The live page's server as a child of a run; it ends with it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path

from ..control.api.settings import unpickled
from ..errors import OrbitmeshError
from ..safe_files import Folder
from .listening import WebSettings
from .live import LiveSource
from .serving import give_way, log_as, serve
from .source import Source


async def _serve(arguments: argparse.Namespace, settings: WebSettings) -> None:
    folder = Folder(arguments.folder_fd, Path(settings.run_id))
    until, loop = asyncio.Event(), asyncio.get_running_loop()
    served: list[LiveSource] = []

    def over() -> None:
        loop.remove_reader(arguments.control_fd)
        for source in served:
            source.end()  # its feed may not know yet, and pages would only lose their server
        until.set()

    loop.add_reader(arguments.control_fd, over)  # the run says nothing there: its end

    async def opened() -> Source:
        source = LiveSource(settings.run_id, can_control=settings.can_control, folder=folder)
        await source.open()
        served.append(source)
        return source

    await serve(settings, socket.socket(fileno=arguments.tcp_fd), opened, until)
    # the feed is over before the run is: one that ended now would be started again, to find no run
    await until.wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("--control-fd", "--settings-fd", "--folder-fd", "--tcp-fd"):
        parser.add_argument(name, type=int, required=True)
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    log_as("live page")
    settings = unpickled(arguments.settings_fd)
    assert isinstance(settings, WebSettings)
    give_way()
    try:
        asyncio.run(_serve(arguments, settings))
    except OrbitmeshError as error:
        print(f"orbitmesh: live page: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
