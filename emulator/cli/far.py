"""A mesh elsewhere, for verbs: it answers as the door of one here, and the same code prints both."""

from __future__ import annotations

import base64
import os
import queue
import threading
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..client import Event, InputError, Mesh, Missed, Status
from ..feed.feed import Entry
from ..feed.feed import Missed as MissedHere

if TYPE_CHECKING:
    from ..client.mirror import Mirror, Mirrored
    from ..client.scenario_there import ScenarioThere
    from ..interventions import Interventions
    from ..scenario import Scenario
    from .elsewhere import Elsewhere


class Far:
    """As Client (control/client.py), as far as verbs need it."""

    def __init__(self, mesh: Mesh, run_id: str) -> None:
        self.mesh, self.run_id = mesh, run_id
        self.waits_while_stopped = False  # of no effect: what serves there does

        self._mirror: Mirror | None = None
        self._there: ScenarioThere | None = None

    @classmethod
    def connect(cls, where: Elsewhere, run_id: str | None, limit_s: float | None = None) -> Self:
        """InputError where another run is there than the one that was asked for."""
        mesh = Mesh.connect(
            at=where.at, token_file=where.token_file, ca_file=where.ca, certificate_file=where.cert,
            key_file=where.key,
        )  # fmt: skip
        try:
            found = mesh.status().run_id
            if run_id not in (None, found):
                raise InputError(f"at {where.at} runs {found}, not {run_id}", key="--run")
        except BaseException:
            mesh.close()
            raise
        return cls(mesh, found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self._mirror is not None:
            self._mirror.close()
        self.mesh.close()

    def ends_by(self) -> list[int]:
        return []  # its feed says so

    def status(self) -> dict[str, Any]:
        return dict(self.mesh.status().told)

    def path(self, source: str, destination: str) -> dict[str, Any]:
        path = self.mesh.path(source, destination)
        if not path:
            return {"path": None, "hops": None, "delay_ns": None}
        return {
            "path": list(path.nodes), "known_as": dict(path.known_as), "hops": path.hops,
            "delay_ns": path.delay_ns,
        }  # fmt: skip

    def intervene(self, what: Sequence[str], *, by: str, **more: Any) -> dict[str, Any]:
        return self._told(self.mesh.intervene(*what, by=by, **more))

    def lift(self, what: Sequence[str] | None) -> dict[str, Any]:
        if what is not None and not what:
            raise InputError("name what is to be restored")
        return self._told(self.mesh.restore(*(what or ())))

    def interventions(self) -> list[dict[str, Any]]:
        return [dict(each.told) for each in self.mesh.interventions()]

    @staticmethod
    def _told(answer: Any) -> dict[str, Any]:
        return {
            "interventions": [dict(each.told) for each in answer.interventions],
            "in_force_ns": answer.in_force_ns,
            "absent": list(answer.absent),
        }

    def pause(self, by: str) -> dict[str, Any]:
        return _clock(self.mesh.pause(by=by))

    def resume(self, by: str) -> dict[str, Any]:
        return _clock(self.mesh.resume(by=by))

    def step(self, by_ns: int, by: str) -> dict[str, Any]:
        return _clock(self.mesh.step(by_ns / 1e9, by=by))

    def speed(self, ratio: float, by: str) -> dict[str, Any]:
        return _clock(self.mesh.speed(ratio, by=by))

    def watching(
        self, position: int | None = None, *, epochs: bool = False, kinds: Sequence[str] | None = None
    ) -> FarWatching | Mirrored:
        """By numbers of this client's own, once it was asked for epochs, or from a number on."""
        if not (epochs or kinds or position is not None or self._mirror):
            return FarWatching(self.mesh)
        if self._mirror is None:
            from ..client.mirror import Mirror

            self._mirror = Mirror(self.mesh)
        return self._mirror.watching(position, epochs=epochs, kinds=kinds)

    def carried(self, rows: Sequence[int] | None = None) -> dict[str, Any]:
        answer = self.mesh.carried(rows or ())
        columns = np.column_stack(
            [answer.ab_bytes, answer.ba_bytes, answer.packets, answer.lost_packets]
        ).astype("<i8")
        return {
            "epoch_number": answer.epoch_number, "mono_ns": answer.mono_ns,
            "columns": base64.b64encode(columns.tobytes()).decode(),
        }  # fmt: skip

    def scenario(self) -> tuple[Scenario, Interventions, int]:
        there = self._made_of()
        return there.scenario, there.interventions(self.interventions()), self.status()["sim_ns"]

    def layout(self) -> dict[str, Any]:
        return self._made_of().layout()

    def route(self, nodes: Sequence[str]) -> None:
        self.mesh.route_to(*nodes)

    def _made_of(self) -> ScenarioThere:
        if self._there is None:
            from ..client.scenario_there import ScenarioThere

            self._there = ScenarioThere(self.mesh.scenario())
        return self._there

    def down(self) -> str | None:
        """Why the run failed, which its record there says; None where it did not."""
        return self.mesh.end_and_tell()

    def lines(self, node: str, argv: Sequence[str]) -> Generator[str, None, int | None]:
        """What a program writes, line by line; its exit status is the generator's value."""
        rest = b""
        with self.mesh.start(node, *argv, environment={"LC_ALL": "C"}) as program:
            program.end_input()
            for which, data in program.output():
                if which == "error_output":
                    os.write(2, data)
                    continue
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")
        return program.exit_status


def _clock(state: Any) -> dict[str, Any]:
    return {
        "elapsed_ns": state.elapsed_ns, "sim_ns": state.sim_ns, "paused": state.is_paused,
        "speed_ratio": state.speed_ratio,
    }  # fmt: skip


class FarWatching:
    """As Watching (control/watching.py), of events and statuses; its thread ends with the connection."""

    def __init__(self, mesh: Mesh) -> None:
        self._come: queue.Queue[Entry | MissedHere | Exception | None] = queue.Queue(1000)
        self._watch = mesh.watch(status=True)
        self.is_at_end = False
        threading.Thread(target=self._read, name="watch", daemon=True).start()

    def _read(self) -> None:
        try:
            for news in self._watch:
                match news:
                    case Event():
                        self._come.put(Entry(news.number, "event", dict(news.told)))
                    case Missed():
                        self._come.put(MissedHere(news.first_number, news.last_number))
                    case Status():
                        self._come.put(Entry(0, "status", dict(news.told)))
            self._come.put(None)
        except Exception as error:
            self._come.put(error)

    def read(self, timeout_s: float | None = None) -> Entry | MissedHere | None:
        if self.is_at_end:
            return None
        try:
            news = self._come.get(timeout=10.0 if timeout_s is None else timeout_s)
        except queue.Empty:
            return None
        if isinstance(news, Exception):
            self.is_at_end = True
            raise news
        self.is_at_end = news is None
        return news

    def close(self) -> None:
        """Nothing of it is kept."""
