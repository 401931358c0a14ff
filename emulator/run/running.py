"""A mesh as it is now, for whoever has it in hand: what there is, how far it is, what can be asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..epoch import Bool, Epoch, Nodes
from ..feed.feed import Feed
from ..interventions import Change
from ..plane.backend import Carrier, Lateness
from ..plane.mesh import MeshPlane
from ..plane.mininet import MeshNet
from ..safe_files import Folder
from ..scenario import Scenario
from .books import Books
from .clock import Clock
from .conductor import Conductor
from .doors import Doors
from .folder import RunFolder
from .geometry_process import Introduction
from .in_hand import InHand
from .intervening import Intervening
from .node_processes import NodeProcesses
from .questions import Questions
from .recording import Recording
from .supervision import Supervision
from .ticks import TickLog

if TYPE_CHECKING:
    import pyarrow as pa


class RunningMesh:
    """What Emulation begins, runs and ends."""

    scenario: Scenario
    run_id: str
    seed: int
    duration_ns: int
    clock: Clock
    feed: Feed  # for whoever watches
    _books: Books
    _folder: RunFolder
    _recording: Recording
    _supervision: Supervision
    _doors: Doors
    _questions: Questions
    _in_hand: InHand
    _intervening: Intervening
    # set once they are there
    introduced: Introduction
    plane: MeshPlane
    plane_reason: str
    backend: Carrier
    _conductor: Conductor | None = None
    _node_processes: NodeProcesses | None = None

    def end(self) -> None:
        """Let ``wait`` and ``hold`` return."""
        self._supervision.ended.set()

    @property
    def ended(self) -> bool:
        return self._supervision.ended.is_set()

    @property
    def step_ns(self) -> int:
        """From one epoch to the next, as it is now."""
        return self._conductor.step_ns if self._conductor else self.scenario.run.step_ns

    @property
    def nodes(self) -> Nodes:
        return self.introduced.nodes

    @property
    def hosting(self) -> Bool:
        """Of each node, whether it has a node process."""
        return self.introduced.hosting

    @property
    def built_s(self) -> float:
        return self._books.built_s

    @property
    def began_sim_ns(self) -> int | None:
        return self._books.began_sim_ns

    @property
    def out(self) -> Path:
        return self._folder.path

    @property
    def folder(self) -> Folder:
        """The same, open, while the run lasts."""
        return self._folder.opened

    @property
    def listens(self) -> str | None:
        """Where it is called by TCP, and how, in words: the control API, the metrics."""
        return self._doors.listens

    @property
    def web_url(self) -> str | None:
        """Of the live page, with the token that lets it in."""
        return self._doors.web_url

    @property
    def net(self) -> MeshNet:
        """The Mininet object."""
        return self.plane.net

    @property
    def ticks(self) -> TickLog | None:
        return self._conductor.ticks if self._conductor else None

    @property
    def epoch(self) -> Epoch | None:
        """The one in force."""
        return self._conductor.current if self._conductor else None

    @property
    def n_ready(self) -> int:
        return self._node_processes.n_ready if self._node_processes else 0

    @property
    def dead_nodes(self) -> dict[str, str]:
        return self._node_processes.dead if self._node_processes else {}

    @property
    def summary(self) -> dict[str, Any]:
        """As it was written; empty until the run has ended."""
        return self._recording.summary

    @property
    def digest(self) -> dict[str, Any]:
        """The recorder's, of the last seconds."""
        return self._recording.digest

    def lateness(self) -> Lateness | None:
        """Of the packets, since the mesh was built."""
        return self._books.lateness(self.backend)

    def samples(self) -> pa.Table:
        """A row for each measurement that is on disk by now, at most two seconds ago: docs/record.md says
        what its columns are, and so does its schema.  All of them once the run has ended.
        """
        from ..results.running import samples_of

        return samples_of(self.out, self.run_id)

    def status(self) -> dict[str, Any]:
        """The run now, for a screen: times, ticks, links, and the recorder's digest per gateway."""
        return self._questions.status()

    def fail(self, *what: str, lasts_ns: int | None = None) -> dict[str, Any]:
        """Fail a satellite, a gateway, a link, a plane, …, until restored; in force when it returns."""
        return self._intervening.intervene(what, lasts_ns=lasts_ns)

    def restore(self, *what: str) -> dict[str, Any]:
        """What was failed or changed, by its names; all where none is named; in force when it returns."""
        return self._intervening.lift(what or None)

    def change(
        self,
        *what: str,
        rate_bps: int | None = None,
        extra_delay_ns: int = 0,
        loss_ratio: float | None = None,
        lasts_ns: int | None = None,
    ) -> dict[str, Any]:
        """Give links another physical rate, a loss of their own, or a longer delay, until restored."""
        change = Change(rate_bps, extra_delay_ns, loss_ratio)
        return self._intervening.intervene(what, lasts_ns=lasts_ns, change=change)

    def pause(self) -> dict[str, Any]:
        """Let emulated time stand still, and links keep the delay they have; packets go on flying.

        ``elapsed_ns`` of emulated time, ``paused`` and ``speed_ratio``; so of the next three.
        """
        return self._in_hand.pause()

    def resume(self) -> dict[str, Any]:
        """Let it go on, at the speed it was given last."""
        return self._in_hand.resume()

    def step(self, by_s: float) -> dict[str, Any]:
        """Move it on by so many seconds while it stands still; returns when the links are as then."""
        return self._in_hand.step(round(by_s * 1e9))

    def speed(self, ratio: float) -> dict[str, Any]:
        """Let it go so many times as fast as the machine's."""
        return self._in_hand.speed(ratio)

    def faults(self) -> list[dict[str, Any]]:
        """What is failed or changed now: number, name, by whom, since and until when."""
        return self._intervening.listed()

    def route_to(self, names: Sequence[str]) -> None:
        """Make nodes destinations that every node has a route to; returns when the routes are in force."""
        self._questions.route_to(names)

    def path(self, source: str, destination: str) -> dict[str, Any]:
        """``path`` as names (None where there is none), ``hops`` and one-way ``delay_ns``, as routed now."""
        return self._questions.path(source, destination)
