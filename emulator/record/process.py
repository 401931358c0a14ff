"""The recorder process: ``python -m orbitmesh.emulator.record.process --control-fd N --samples-fd M``.

``--folder-fd`` is the record's folder, open; without it the path in the header is opened.

The protocol is in ``facts``.  Unlike the other helpers it is not killed with
the main process: end-of-file on its control socket tells it that main is gone,
and it first writes what it knows.
"""

from __future__ import annotations

import argparse
import select
import selectors
import signal
import socket
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from ..epoch import Epoch
from ..errors import FailureError
from ..feed.parcels import receive
from ..priority import go_before_nodes
from ..processes import CAP_DAC_OVERRIDE, keep_capabilities
from ..safe_files import Folder
from .facts import RunHeader
from .recorder import Recorder, as_failure
from .steadiness import watch_host

_DATAGRAM_BYTES = 1 << 16
_DATAGRAMS_PER_WAKE = 1024
_ADVANCE_S = 0.2
_CATCH_UP_S = 0.05
_DIGEST_S = 1.0


class Process:
    """Main's orders on one socket, the nodes' samples on another; one thread."""

    def __init__(self, control: Connection, samples: socket.socket, folder_fd: int | None = None) -> None:
        self._control, self._samples, self._folder_fd = control, samples, folder_fd
        samples.setblocking(False)

    def serve(self) -> int:
        """Exit status: 0 when finished, 1 when main died or the record could not be made."""
        try:
            header: RunHeader = self._control.recv()[1]
        except (EOFError, OSError):
            return 1  # main died before there was anything to record
        # nothing measures where there is no schedule
        watch = None if header.schedule is None else watch_host()
        try:
            folder = None if self._folder_fd is None else Folder(self._folder_fd, header.out)
            recorder = Recorder(header, self._fault, watch, folder)
        except Exception as error:
            if watch is not None:
                watch.close()
            self._fault(as_failure(error))
            return 1
        reason = "main died"
        try:
            self._tell(("ready",))
            if self._record(recorder):
                return 0
        except (EOFError, OSError):
            pass  # of the control socket: main is gone
        except Exception as error:
            failure = as_failure(error)
            reason = str(failure)
            self._fault(failure)
        self._drain(recorder, _DATAGRAMS_PER_WAKE * 1024)
        recorder.abandon(reason)
        return 1

    def _record(self, recorder: Recorder) -> bool:
        """Until main says finish (True); EOFError when it is gone."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._samples, selectors.EVENT_READ)
            next_advance = next_digest = time.monotonic()
            while True:
                now = time.monotonic()
                for key, _ in selector.select(max(0.0, min(next_advance, next_digest) - now)):
                    if key.fileobj is self._samples:
                        self._drain(recorder, _DATAGRAMS_PER_WAKE)
                    elif self._orders(recorder):
                        return True
                # counted from the end of each: where they take longer than that, what comes in is still read
                if time.monotonic() >= next_advance:
                    recorder.advance(time.monotonic_ns())
                    next_advance = time.monotonic() + _ADVANCE_S
                if time.monotonic() >= next_digest:
                    recorder.flush()
                    self._digest(recorder)
                    next_digest = time.monotonic() + _DIGEST_S

    def _orders(self, recorder: Recorder) -> bool:
        """All that wait: a sample is judged by the epochs that have been sent, not by those read in time."""
        read = 0
        while not self._order(recorder):
            read += 1
            # who was behind waits for what main could not send meanwhile, or word that it was missed
            if not self._control.poll(_CATCH_UP_S if read > 1 else 0):
                return False
        return True

    def _order(self, recorder: Recorder) -> bool:
        """One message of main's; True when it was the last."""
        message = receive(self._control)
        if message[0] == "epoch":
            _, parcel, more, course, began_ns, in_force_ns, *handed = message
            epoch: Epoch = parcel.open()
            parcel.close()
            if more is not None:
                epoch = replace(epoch, routes=epoch.routes.joined(more))
            recorder.epoch(epoch, course, began_ns, in_force_ns, *handed)
            return False
        if message[0] == "clock":
            recorder.clock(*message[1:])
            return False
        if message[0] == "missed":
            recorder.missed(message[2] - message[1] + 1)
            return False
        if message[0] == "links":
            recorder.links(message[1], message[2])
            return False
        if message[0] == "course":
            recorder.course(message[1])
            return False
        if message[0] == "intervention":
            recorder.intervention(message[1])
            return False
        if message[0] != "finish":
            raise ValueError(f"main sent {message[0]!r}, which is not an order")
        self._drain(recorder, _DATAGRAMS_PER_WAKE * 1024)
        summary = recorder.finish(message[1])
        self._tell(("finished", summary))
        return True

    def _drain(self, recorder: Recorder, most: int) -> None:
        for _ in range(most):
            try:
                data = self._samples.recv(_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # a node that ended; what others sent is still there
            if not data:
                return
            recorder.datagram(data)

    def _digest(self, recorder: Recorder) -> None:
        # a main that is stopped (SIGSTOP, a debugger) must not stop the recording
        if select.select([], [self._control], [], 0)[1]:
            self._control.send(("digest", recorder.digest(time.monotonic_ns())))

    def _fault(self, error: FailureError) -> None:
        self._tell(("fault", error))

    def _tell(self, message: tuple[Any, ...]) -> None:
        try:
            self._control.send(message)
        except OSError:
            # main is gone; the next look at the socket says so, and what is known gets written
            return


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--samples-fd", type=int, required=True)
    parser.add_argument("--folder-fd", type=int)
    arguments = parser.parse_args()
    # Ctrl-C and a closed terminal are for main, which then tells us to finish
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    go_before_nodes()
    keep_capabilities((CAP_DAC_OVERRIDE,))
    samples = socket.socket(fileno=arguments.samples_fd)
    return Process(Connection(arguments.control_fd), samples, arguments.folder_fd).serve()


if __name__ == "__main__":
    sys.exit(main())
