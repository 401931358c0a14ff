"""The engine as a child process: its start, its end, and the messages to it (src/control.h)."""

from __future__ import annotations

import array
import os
import resource
import signal
import socket
import struct
import subprocess
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import BackendError, HostError, ProcessDied
from ...stopped import is_stopped, let_go_on

BINARY = Path(__file__).with_name("orbitmesh-engine")
FDS_PER_MESSAGE = 250  # the kernel's limit is 253
ITEMS_PER_MESSAGE = 1000  # an answer of so many parameters fits one message
_MESSAGE_BYTES = 65536
_HEAD = struct.Struct("=4I")  # operation, count, status, token
_NOTHING = np.empty((0, 1), np.uint32)
_ANSWER_S = 30.0  # never reached but by an engine that hangs
_EXIT_S = 5.0


class Operation(IntEnum):
    PORT_ADD = 1
    PORT_REMOVE = 2
    PIPE_BIND = 3
    PIPE_UNBIND = 4
    PIPE_READ = 5
    DISMISS = 6
    FABRIC_BIND = 7
    FABRIC_UNBIND = 8
    FABRIC_READ = 9
    MIRROR_ADD = 10
    MIRROR_REMOVE = 11


class EngineProcess:
    """A running engine.

    Of our descriptors it gets the table, the stamps, one end of the control socket, and devices.
    """

    def __init__(
        self,
        table_fd: int,
        options: Sequence[str],
        binary: Path = BINARY,
        table_option: str = "--table-fd",
        stamps_fd: int | None = None,
    ) -> None:
        self._token = 0
        self._dismissed = False
        # a file, not a pipe: nothing to read in time, and there after a crash
        self._stderr_fd = os.memfd_create("orbitmesh-engine-stderr", os.MFD_CLOEXEC)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_ANSWER_S)
        argv = [str(binary), "--control-fd", str(theirs.fileno()), table_option, str(table_fd), *options]
        inherited = [theirs.fileno(), table_fd]
        if stamps_fd is not None:
            argv += ["--stamps-fd", str(stamps_fd)]
            inherited.append(stamps_fd)
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr_fd,
                pass_fds=inherited,
                cwd="/",
                start_new_session=True,  # a terminal's signals are for the main process
            )
        except OSError as error:
            self._control.close()
            os.close(self._stderr_fd)
            raise BackendError(
                f"the link engine cannot be started ({error.strerror}: {binary}): install the project again"
            ) from error
        finally:
            theirs.close()

    @property
    def pid(self) -> int:
        return self._child.pid

    def stderr(self) -> str:
        """All it has said."""
        size = os.fstat(self._stderr_fd).st_size
        return os.pread(self._stderr_fd, size, 0).decode(errors="replace")

    def failure(self) -> str | None:
        """How it ended, unless it was told to; None while it runs."""
        status = self._child.poll()
        if status is None or (self._dismissed and status == 0):
            return None
        lines = self.stderr().strip().splitlines()
        said = f": {lines[-1]}" if lines else ""
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return f"the link engine (pid {self.pid}) {how}{said}"

    def ping(self) -> None:
        """Return once it answers."""
        self._exchange(Operation.PIPE_READ, _NOTHING, ())

    def raise_descriptor_limit(self, needed: int) -> None:
        """HostError with the figure where it may not hold so many; ProcessDied where it has gone."""
        try:
            soft, hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        except ProcessLookupError as error:  # whoever watches over it has found it dead before
            raise self._died() from error
        if soft == resource.RLIM_INFINITY or soft >= needed:
            return
        try:
            resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (needed, max(needed, hard)))
        except ProcessLookupError as error:
            raise self._died() from error
        except (ValueError, OSError) as error:
            raise HostError(
                f"the link engine needs {needed} open files and may have {hard}: ulimit -Hn {needed}"
            ) from error

    def request(self, operation: Operation, items: NDArray[np.uint32], fds: Sequence[int] = ()) -> bytes:
        """Do an operation for all (n, words) items, in as many messages as that takes.

        Returns the answers, one after the other, without their heads.

        ProcessDied where the engine is gone, BackendError where it refuses.
        """
        step = FDS_PER_MESSAGE if fds else ITEMS_PER_MESSAGE
        return b"".join(
            self._exchange(operation, items[at : at + step], fds[at : at + step])
            for at in range(0, len(items), step)
        )

    def _exchange(self, operation: Operation, items: NDArray[np.uint32], fds: Sequence[int]) -> bytes:
        self._token = (self._token + 1) & 0xFFFFFFFF
        message = _HEAD.pack(operation, len(items), 0, self._token) + items.astype(np.uint32).tobytes()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._control.sendmsg([message], rights)
            while True:
                answer = self._control.recv(_MESSAGE_BYTES)
                if len(answer) < _HEAD.size:
                    raise self._died()
                _, count, status, token = _HEAD.unpack_from(answer)
                if token == self._token:  # else it belongs to a request that Ctrl-C broke off
                    break
        except TimeoutError as error:
            why = f": it is stopped (kill -CONT {self.pid})" if is_stopped(self.pid) else ""
            raise BackendError(f"the link engine (pid {self.pid}) does not answer{why}") from error
        except OSError as error:  # the other end is gone, or we closed ours
            raise self._died() from error
        if status != 0:
            item = f" {items[count].tolist()}" if count < len(items) else ""
            raise BackendError(f"the link engine refuses {operation.name}{item}: {os.strerror(status)}")
        return answer[_HEAD.size :]

    def _died(self) -> ProcessDied:
        try:
            self._child.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            return ProcessDied(f"the link engine (pid {self.pid}) closed its control socket")
        return ProcessDied(self.failure() or f"the link engine (pid {self.pid}) has ended")

    def close(self) -> str | None:
        """Dismiss it, or kill it where it does not go.  Once only.  Returns what was wrong with its end."""
        if self._child.poll() is None:
            try:
                self._dismissed = True
                let_go_on(self.pid)
                self._exchange(Operation.DISMISS, _NOTHING, ())
                self._child.wait(_EXIT_S)
            except (BackendError, ProcessDied, subprocess.TimeoutExpired):
                self._child.kill()
                self._child.wait()
        failure = self.failure()
        self._control.close()
        os.close(self._stderr_fd)
        return failure
