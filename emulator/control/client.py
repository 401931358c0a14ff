"""The caller's side of a run's door.

A run is believed only where root or the caller started it: its place says so (see ``places``), and the
kernel, asked after the call and before a word is read.  No wait on the other side is without a limit.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import pickle
import socket
import time
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Any, Self

from ..errors import FailureError, InputError, OrbitmeshError, RunEnded, UnknownName
from ..run_names import is_run_id
from ..shown import shown
from ..stopped import is_stopped
from . import messages
from .messages import NotAMessageError, close_all, decode, encode, peer_pid, peer_uid
from .places import Announced, announced, reached

if TYPE_CHECKING:
    from ..interventions import Interventions
    from ..scenario import Scenario
    from .watching import Watching

CONNECT_S = 5.0
ANSWER_S = 15.0  # more than a run takes to find routes to a node
LOOK_S = 3.0  # for the call and the answer, of who wants to have a look
_STOPPED_LOOKS = 3  # in so long: who finds it stopped each time waits no longer, whatever was asked
END_S = 90.0
IN_FORCE_S = 120.0  # a mesh of a million satellites has an epoch each few seconds
STEP_S = 24 * 3600.0  # of a step through many epochs: the end of the run ends the wait too

_NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
_CLONE_NEWNS, _CLONE_NEWNET = 0x00020000, 0x40000000

Shape = Mapping[str, type | UnionType]  # what the verbs read of an answer

_STATUS: Shape = {
    **dict.fromkeys(("run_id", "scenario", "out", "plane", "backend"), str),
    **dict.fromkeys(
        ("elapsed_ns", "satellites", "gateways", "hosts", "nodes_ready", "lasers", "ground_links", "ticks",
         "late_ticks"), int,
    ),
    **dict.fromkeys(("duration_ns", "engine_lateness_p50_ns"), int | None),
    **dict.fromkeys(("dead_nodes", "digest"), dict),
}  # fmt: skip
_TIME: Shape = {"elapsed_ns": int, "paused": bool, "speed_ratio": int | float}
_PATH: Shape = {"path": list | None, "hops": int | None, "delay_ns": int | float | None}
_WATCH: Shape = {"news": list, "next": int, "at_end": bool}
_NOTHING: Shape = {}
_IN_FORCE: Shape = {"interventions": list, "in_force_ns": int}


_KINDS: dict[str, type[OrbitmeshError]] = {"RunEnded": RunEnded, "UnknownName": UnknownName}


def error_of(answer: dict[str, Any]) -> OrbitmeshError:
    """What an answer with an error tells, as it was raised there."""
    kind = InputError if answer.get("exit_status") == InputError.exit_status else FailureError
    return _KINDS.get(str(answer.get("kind")), kind)(str(answer["error"]))


def find_runs() -> list[str]:
    """Ids of the runs under way of root's and of the caller's."""
    return [run.run_id for run in announced()]


class Client:
    """A connection to a run; use as a context manager."""

    def __init__(self, run_id: str, connection: socket.socket, limit_s: float | None = None) -> None:
        """``limit_s``: for each answer, in place of ANSWER_S."""
        self.run_id, self._answer_s = run_id, ANSWER_S if limit_s is None else limit_s
        self.socket = connection
        #: ``watch`` waits for one whose process is stopped: who serves others goes on when it does
        self.waits_while_stopped = False
        self._lines = messages.Lines(connection, messages.MOST_ANSWER_BYTES)

    @classmethod
    def connect(cls, run_id: str | None = None, *, limit_s: float | None = None) -> Self:
        """To the run of that id, or to the only one; ``limit_s``: for the call and its answer."""
        began_s = time.monotonic()
        run = chosen(run_id)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            _call(connection, run, CONNECT_S if limit_s is None else limit_s)
            uid = peer_uid(connection)
            if uid not in (0, os.geteuid()):
                raise FailureError(
                    f"user {uid} listens in the place of run {run.run_id}, and is not believed: "
                    f"look at {run.folder / run.run_id}"
                )
        except BaseException:
            connection.close()
            raise
        left_s = None if limit_s is None else max(0.1, began_s + limit_s - time.monotonic())
        return cls(run.run_id, connection, left_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self.socket.close()

    def ends_by(self) -> list[int]:
        """Descriptors that can be read once the run has ended, while it is asked nothing."""
        return [self.socket.fileno()]

    def hang_up(self) -> None:
        """From another thread: whatever is waited for ends, and with it this client."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def status(self) -> dict[str, Any]:
        return self._ask({"verb": "status"}, needed=_STATUS)

    def enter(self, node: str) -> tuple[int, int]:
        """Open descriptors of a node's network and mount namespaces; from now on the node is routed to."""
        fds: list[int] = []
        self._ask({"verb": "enter", "node": node}, fds_to=fds)
        if [_namespace_kind(fd) for fd in fds] != [_CLONE_NEWNET, _CLONE_NEWNS]:
            close_all(fds)
            raise FailureError(f"run {self.run_id} did not hand over the namespaces of {node}")
        return fds[0], fds[1]

    def path(self, source: str, destination: str) -> dict[str, Any]:
        """``path`` (names; None where there is none), ``hops``, ``delay_ns`` one way, as routed now."""
        return self._ask({"verb": "path", "source": source, "destination": destination}, needed=_PATH)

    def layout(self) -> dict[str, Any]:
        """``shells`` (name, satellites), ``planes`` (runs of their sizes) and ``gateways`` of the mesh."""
        return self._ask({"verb": "layout"}, needed=dict.fromkeys(("shells", "planes", "gateways"), list))

    def intervene(self, what: Sequence[str], **more: Any) -> dict[str, Any]:
        """``lasts_ns``, ``rate_bps``, ``extra_delay_ns``, ``by``; answers once it is in force."""
        request = {"verb": "intervene", "what": list(what), **more}
        return self._ask(request, needed=_IN_FORCE, limit_s=IN_FORCE_S)

    def lift(self, what: Sequence[str] | None) -> dict[str, Any]:
        """By names or numbers; None: all that are in force."""
        request = {"verb": "lift", "what": None if what is None else list(what)}
        return self._ask(request, needed=_IN_FORCE, limit_s=IN_FORCE_S)

    def interventions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask({"verb": "interventions"}, needed={"interventions": list})[
            "interventions"
        ]
        return found

    def net(self) -> dict[str, Any]:
        """``hosts`` (name, address, index) and ``links`` of these now (names, kind, interfaces or None)."""
        return self._ask({"verb": "net"}, needed={"hosts": list, "links": list})

    def carried(self, rows: Sequence[int] | None = None) -> dict[str, Any]:
        """``columns`` (base64 of int64, four a link, as plane.mesh.Carried) of rows of the epoch of that
        ``epoch_number``, by ``mono_ns``."""
        request = {"verb": "carried", "rows": None if rows is None else list(rows)}
        return self._ask(request, needed={"epoch_number": int, "mono_ns": int, "columns": str})

    def host(self, node: str) -> dict[str, Any]:
        """``name`` (its own), ``address``, ``index`` of the node that is meant; InputError: nobody is."""
        return self._ask({"verb": "host", "node": node}, needed={"name": str, "address": str, "index": int})

    def told(self, source: str, destination: str) -> list[dict[str, Any]] | None:
        """The links of the way now, each with what it is told to do; None: there is no way."""
        request = {"verb": "told", "source": source, "destination": destination}
        found: list[dict[str, Any]] | None = self._ask(request, needed={"links": list | None})["links"]
        return found

    def route(self, nodes: Sequence[str]) -> None:
        """Make nodes destinations; answers once the routes are in force."""
        self._ask({"verb": "route", "nodes": list(nodes)})

    def pause(self, **more: Any) -> dict[str, Any]:
        """``elapsed_ns`` of emulated time, ``paused``, ``speed_ratio``; ``by``: who asks; so below."""
        return self._ask({"verb": "pause", **more}, needed=_TIME)

    def resume(self, **more: Any) -> dict[str, Any]:
        return self._ask({"verb": "resume", **more}, needed=_TIME)

    def step(self, by_ns: int, **more: Any) -> dict[str, Any]:
        """Answers once all epochs between have come: as long as that takes."""
        request = {"verb": "step", "by_ns": by_ns, **more}
        return self._ask(request, needed=_TIME, limit_s=STEP_S)

    def speed(self, ratio: float, **more: Any) -> dict[str, Any]:
        return self._ask({"verb": "speed", "ratio": ratio, **more}, needed=_TIME)

    def scenario(self) -> tuple[Scenario, Interventions, int]:
        """What geometry is made from; what is failed or changed, by hand too; the emulated instant now."""
        answer = self._ask({"verb": "scenario"}, needed={"scenario": str, "sim_ns": int})
        # from a process of root's or of our own, as this client has made sure
        scenario, interventions = pickle.loads(base64.b64decode(answer["scenario"]))
        return scenario, interventions, int(answer["sim_ns"])

    def capture(self, node: str, peer: str | None, fd: int) -> None:
        """Copy what arrives at a node, or passes from it to a peer, into a file; until this client closes."""
        self._ask({"verb": "capture", "node": node, "peer": peer}, give=[fd])

    def watch(
        self,
        after: int | None,
        wait_s: float,
        *,
        epochs: bool = False,
        kinds: Sequence[str] | None = None,
        fds_to: list[int] | None = None,
    ) -> dict[str, Any]:
        """``news`` of the run's feed from a number on, or what stands, and the number that is ``next``."""
        request: dict[str, Any] = {"verb": "watch", "after": after, "wait_s": wait_s, "epochs": epochs}
        if kinds is not None:
            request["kinds"] = list(kinds)
        return self._ask(request, fds_to=fds_to, needed=_WATCH, waits=self.waits_while_stopped)

    def watching(
        self, position: int | None = None, *, epochs: bool = False, kinds: Sequence[str] | None = None
    ) -> Watching:
        from .watching import Watching  # on demand: few verbs watch

        return Watching(self, position, epochs=epochs, kinds=kinds)

    def down(self) -> str | None:
        """End the run; returns when it has gone.  How it ended, its record says."""
        self._ask({"verb": "down"})
        try:
            with contextlib.suppress(ConnectionError):  # as gone as end-of-file
                while self._next(END_S) is not None:
                    pass
        except (TimeoutError, NotAMessageError):
            raise FailureError(
                f"run {self.run_id} has been told to end, and has not within {END_S:.0f} s"
            ) from None
        return None

    def _next(self, limit_s: float, *, waits: bool = False) -> tuple[bytes, list[int]] | None:
        """As Lines.next; FailureError after LOOK_S where all that while its process is stopped.

        ``waits``: the time in which it is stopped does not count.
        """
        deadline_s, looks = time.monotonic() + limit_s, 0
        while True:
            left_s = deadline_s - time.monotonic()
            try:
                return self._lines.next(min(left_s, LOOK_S / _STOPPED_LOOKS))
            except TimeoutError:
                stopped = self._stopped()
                if stopped is not None and waits:
                    deadline_s = time.monotonic() + limit_s
                    continue
                looks = 0 if stopped is None else looks + 1
                if stopped is not None and looks >= _STOPPED_LOOKS:
                    raise stopped from None
                if time.monotonic() >= deadline_s:
                    raise

    def _stopped(self) -> FailureError | None:
        if not is_stopped(pid := peer_pid(self.socket)):
            return None
        return FailureError(
            f"run {self.run_id} does not answer: its process (pid {pid}) is stopped; "
            f"let it go on with kill -CONT {pid}, or end it with kill -KILL {pid}"
        )

    def _ask(
        self,
        request: dict[str, Any],
        *,
        give: list[int] | None = None,
        fds_to: list[int] | None = None,
        needed: Shape = _NOTHING,
        limit_s: float | None = None,
        waits: bool = False,
    ) -> dict[str, Any]:
        limit_s = self._answer_s if limit_s is None else limit_s
        if len(line := encode(request)) > messages.MOST_REQUEST_BYTES:
            raise InputError(
                f"the request {shown(request['verb'])} is {len(line):,} bytes: a run takes at most "
                f"{messages.MOST_REQUEST_BYTES:,}; name less at once"
            )
        try:
            self.socket.settimeout(self._answer_s)
            messages.send(self.socket, line, give or ())
            came = self._next(limit_s, waits=waits)
            if came is None:
                raise RunEnded(f"run {self.run_id} ended before it answered")
            line, fds = came
            if fds_to is None:
                close_all(fds)
            else:
                fds_to += fds
            value = decode(line)
        except TimeoutError as error:
            if (stopped := self._stopped()) is not None:
                raise stopped from None
            raise FailureError(
                f"run {self.run_id} has not answered for {limit_s:.2g} s: is the machine overloaded?"
            ) from error
        except OSError as error:
            raise RunEnded(f"run {self.run_id} cannot be reached: {error}") from error
        except NotAMessageError as error:
            close_all(fds_to or ())
            raise FailureError(f"run {self.run_id} sent what is no answer ({error})") from None
        if "error" in value:
            close_all(fds_to or ())
            raise error_of(value)
        missing = [key for key in needed if key not in value]
        if missing:
            raise FailureError(
                f"run {self.run_id} did not say its {', '.join(missing)}: is it of another version?"
            )
        wrong = [key for key, kind in needed.items() if not isinstance(value[key], kind)]
        if wrong:
            raise FailureError(
                f"run {self.run_id} says of its {wrong[0]} {shown(value[wrong[0]])}, which it cannot be: "
                "is it of another version?"
            )
        return value


def chosen(run_id: str | None) -> Announced:
    """The run of that id, or the only one; FailureError where it is not for this user to call."""
    run = _found(run_id)
    if run.owner_uid != os.geteuid():  # root's, which lets nobody else in
        raise FailureError(f"the mesh {run.run_id} belongs to root: call orbitmesh with sudo")
    return run


def _found(run_id: str | None) -> Announced:
    runs = announced()
    if run_id is not None:
        found = next((run for run in runs if run.run_id == run_id), None)
        if found is None:
            others = ", ".join(run.run_id for run in runs) or "none"
            is_id = is_run_id(run_id)
            what = f"no run {run_id!r} is under way" if is_id else f"{shown(run_id)} is no run's id"
            raise InputError(f"{what} (running: {others})")
        return found
    # another user's cannot be meant where there is one of the caller's own
    runs = [run for run in runs if run.owner_uid == os.geteuid()] or runs
    if not runs:
        raise FailureError("no mesh is running here; start one with: orbitmesh run demo --keep")
    if len(runs) > 1:
        raise InputError(
            f"{len(runs)} meshes are running: {', '.join(run.run_id for run in runs)}; "
            "choose one with --run ID, or with ORBITMESH_RUN in the environment"
        )
    return runs[0]


def _call(connection: socket.socket, run: Announced, limit_s: float) -> None:
    connection.setblocking(False)
    deadline_s = time.monotonic() + limit_s
    while True:
        try:
            with reached(run) as path:
                connection.connect(path)
            return
        except BlockingIOError:  # its queue of callers is full
            if time.monotonic() > deadline_s:
                raise FailureError(
                    f"run {run.run_id} has taken no call for {limit_s:.2g} s: is its process stopped?"
                ) from None
            time.sleep(0.05)
        except PermissionError:
            raise FailureError(f"the mesh {run.run_id} is another user's: call orbitmesh with sudo") from None
        except OSError:
            raise RunEnded(f"run {run.run_id} has ended") from None


def _namespace_kind(fd: int) -> int:
    """The CLONE_NEW… of a namespace's descriptor; 0 of another."""
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE)
    except OSError:
        return 0
