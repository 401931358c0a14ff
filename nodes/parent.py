"""The parent of all node processes: imports everything once, then forks a node for each spec it is sent.

Protocol (SOCK_SEQPACKET, one JSON object a message).  To the parent::

    {"op": "start", "spec": {NodeSpec}}  with SCM_RIGHTS [netns_fd, mntns_fd]
    {"op": "assign", "name": "sat-3-7", "probe_peers": [{"name", "address"}, ...]}
    {"op": "assign", "name": "gw-london", "nearest": "sat-3-7" or null}
        either with "quiet_until_mono_ns": connect now, measure from then on
    {"op": "serve", "name": "sat-3-7", "capacity_ratio": 0.8}      of its accelerators, from the next step on;
        with "power_again_mono_ns" where it is 0: when it is expected to be more, or null
    {"op": "serve", "name": "sat-3-7", "background": [[arrival_mono_ns, prompt_tokens, output_tokens], ...]}
        requests of others, which fill the batch and have no packets; in the order of their arrivals
    {"op": "serve", "name": "sat-3-7", "train_from_mono_ns": …}     the first step of training begins then
    {"op": "serve", "name": "sat-3-7", "leaves": [{...}, ...]}      for whom it ends soon (Leave of
        nodes/serving/leaving.py), in place of those told before
    {"op": "end"}    all nodes: report nothing any more
    {"op": "stop"}

and back::

    {"event": "ready", "name", "pid"}           the node's server listens
    {"event": "failed", "name", "reason"}       it could not start
    {"event": "refused", "name", "reason"}      an order made no sense, and nothing was done for it
    {"event": "exited", "name", "pid", "status"}  unasked; a negative status is a signal
    {"event": "stopped"}                        all nodes have ended

End of file on the control socket ends all nodes at once, and the parent.  It
has one thread and creates no gRPC object: a process that has must not fork.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import resource
import selectors
import signal
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from orbitmesh.wire.spec import NodeSpec

from . import kernel

if TYPE_CHECKING:
    from .decoder import Decoder

STOP_DEADLINE_S = 2.0
MODEL_SEED = 1
MAX_CONTROL_BYTES = 256 * 2**10
# Read when grpc and numpy are imported.  One BLAS thread: a thread in the parent would not survive the fork.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}


class Post:
    """Our end of a packet socket: never blocks; what the other side has no room for waits here."""

    def __init__(self, sock: socket.socket, selector: selectors.BaseSelector, data: object) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._selector, self._data = selector, data
        self._waiting: deque[bytes] = deque()
        selector.register(sock, selectors.EVENT_READ, data)

    def put(self, message: dict[str, Any]) -> None:
        """OSError where the other side is gone."""
        self._waiting.append(json.dumps(message).encode())
        self.flush()

    def flush(self) -> None:
        before = len(self._waiting)
        try:
            while self._waiting:
                self.socket.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            pass
        if before or self._waiting:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)
            self._selector.modify(self.socket, events, self._data)

    def close(self) -> None:
        self._selector.unregister(self.socket)
        self.socket.close()


@dataclass(eq=False)
class Node:
    name: str
    pid: int
    pidfd: int
    post: Post | None = None
    failure: dict[str, Any] | None = None  # what it reported before it ends


class Parent:
    def __init__(self, control: socket.socket, samples_fd: int, decoder: Decoder) -> None:
        self._selector = selectors.DefaultSelector()
        self._control = Post(control, self._selector, self)
        self._samples_fd = samples_fd
        self._decoder = decoder
        self._nodes: dict[str, Node] = {}
        self._stop_by_mono_s: float | None = None  # while stopping

    def run(self) -> NoReturn:
        try:
            while True:
                self._turn()
        except (ConnectionError, EOFError):  # the main process is gone
            pass
        finally:
            self._kill_all()
        os._exit(0)

    def _turn(self) -> None:
        timeout_s = None
        if self._stop_by_mono_s is not None:
            timeout_s = max(0.0, self._stop_by_mono_s - time.monotonic())
        ready = self._selector.select(timeout_s)
        for key, events in ready:
            if isinstance(key.data, Node):
                self._node_event(key, events)
            else:
                if events & selectors.EVENT_WRITE:
                    self._control.flush()
                if events & selectors.EVENT_READ:
                    self._order()
        if self._stop_by_mono_s is not None:
            if time.monotonic() >= self._stop_by_mono_s:
                self._signal_all(signal.SIGKILL)
                self._stop_by_mono_s = time.monotonic() + STOP_DEADLINE_S
            if not self._nodes:
                self._stop_by_mono_s = None
                self._control.put({"event": "stopped"})

    # orders

    def _order(self) -> None:
        message, fds, flags, _ = socket.recv_fds(self._control.socket, MAX_CONTROL_BYTES, 8)
        try:
            if not message:
                raise EOFError
            self._obey(message, fds, flags)
        finally:
            for fd in fds:
                os.close(fd)

    def _obey(self, message: bytes, fds: list[int], flags: int) -> None:
        name, event = "", "refused"
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise ValueError(f"a message was cut short: at most {MAX_CONTROL_BYTES} bytes")
            order = json.loads(message)
            match order["op"]:
                case "start":
                    event = "failed"
                    name = str(order["spec"]["name"])
                    self._start(NodeSpec.from_json(json.dumps(order["spec"])), fds)
                case "assign" | "serve":
                    name = order["name"]
                    self._forward(name, order)
                case "end":
                    self._signal_all(signal.SIGCONT)  # one that is stopped could not say what it has measured
                    self._tell_all("end")
                case "stop":
                    self._stop_by_mono_s = time.monotonic() + STOP_DEADLINE_S
                    self._tell_all("stop")
                case unknown:
                    raise ValueError(f"unknown op {unknown!r}")
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no such key: {error}" if isinstance(error, KeyError) else str(error)
            self._control.put({"event": event, "name": name, "reason": reason})

    def _start(self, spec: NodeSpec, fds: list[int]) -> None:
        from .process import Descriptors, live

        if len(fds) != 2:
            raise ValueError(f"start needs [netns_fd, mntns_fd], got {len(fds)} descriptors")
        if spec.name in self._nodes:
            raise ValueError("a node of this name runs already")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent_pid = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            raise ValueError(f"cannot fork: {error.strerror}; see ulimit -u and the free memory") from error
        if pid == 0:
            descriptors = Descriptors(theirs.fileno(), self._samples_fd, netns=fds[0], mntns=fds[1])
            live(spec, descriptors, parent_pid, self._decoder)
        theirs.close()
        node = Node(spec.name, pid, os.pidfd_open(pid))
        node.post = Post(ours, self._selector, node)
        self._selector.register(node.pidfd, selectors.EVENT_READ, node)
        self._nodes[spec.name] = node

    def _forward(self, name: str, order: dict[str, Any]) -> None:
        node = self._nodes.get(name)
        if node is None or node.post is None:
            return  # it has ended, which was reported; the order crossed the report
        with contextlib.suppress(OSError):  # it is ending: its pidfd will say so
            node.post.put(order)

    def _tell_all(self, op: str) -> None:
        for name in list(self._nodes):
            self._forward(name, {"op": op})

    # nodes

    def _node_event(self, key: selectors.SelectorKey, events: int) -> None:
        node: Node = key.data
        if key.fd == node.pidfd:
            self._hear(node)  # its last words first
            self._bury(node)
        elif node.post is not None and key.fileobj is node.post.socket:
            try:
                if events & selectors.EVENT_WRITE:
                    node.post.flush()
            except OSError:
                pass  # as above
            self._hear(node)

    def _hear(self, node: Node) -> None:
        """Pass on what a node reports; at its end of file let go of its socket."""
        while node.post is not None:
            try:
                message = node.post.socket.recv(MAX_CONTROL_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                message = b""
            if not message:
                node.post.close()
                node.post = None
                return
            event = json.loads(message)
            if event["event"] == "failed":
                node.failure = event  # passed on once it has ended, when its name is free again
            else:
                self._control.put(event)

    def _bury(self, node: Node) -> None:
        _, wait_status = os.waitpid(node.pid, 0)
        self._selector.unregister(node.pidfd)
        os.close(node.pidfd)
        if node.post is not None:
            node.post.close()
        del self._nodes[node.name]
        status = os.waitstatus_to_exitcode(wait_status)
        if node.failure is not None:
            self._control.put(node.failure)
        elif self._stop_by_mono_s is None:
            self._control.put({"event": "exited", "name": node.name, "pid": node.pid, "status": status})

    def _signal_all(self, number: signal.Signals) -> None:
        for node in self._nodes.values():
            with contextlib.suppress(ProcessLookupError):  # it has ended, and is not buried yet
                signal.pidfd_send_signal(node.pidfd, number)

    def _kill_all(self) -> None:
        self._signal_all(signal.SIGKILL)
        for node in self._nodes.values():
            os.waitpid(node.pid, 0)


def load() -> None:
    """What all nodes have, before there is one: grpc, numpy and the stubs."""
    os.environ.update(_ENVIRONMENT)
    # what fails reaches the caller as an error; grpc's own lines would run through the live table
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from . import decoder, process  # noqa: F401


def main() -> NoReturn:
    parser = argparse.ArgumentParser(description="Fork node processes; started by a run, not by hand.")
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--samples-fd", type=int, required=True)
    arguments = parser.parse_args()
    main_pid = os.getppid()
    kernel.die_with_parent(main_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then says stop
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each node

    kernel.limit_allocator_arenas()
    load()
    from .decoder import Decoder

    decoder = Decoder(MODEL_SEED)
    if kernel.thread_count() != 1:
        raise SystemExit("an imported library has started a thread: nodes cannot be forked from here")
    gc.collect()
    gc.disable()  # until each node enables it: a collection would copy the pages that they share
    gc.freeze()
    Parent(socket.socket(fileno=arguments.control_fd), arguments.samples_fd, decoder).run()


if __name__ == "__main__":
    main()
