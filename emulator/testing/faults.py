"""Faults of a test: in force when a call returns, undone when the test ends."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from .quantities import duration_ns, rate_bps, ratio

if TYPE_CHECKING:
    from ..run.emulation import Emulation


class Faults:
    """Of one mesh.  Names as of ``orbitmesh fail``: a link (``a:b``), a satellite, a gateway, a plane, …"""

    def __init__(self, mesh: Emulation) -> None:
        self._mesh = mesh
        self._made: list[int] = []  # numbers

    def __call__(self, *what: str, lasts: str | None = None) -> dict[str, Any]:
        """Fail them, until restored or for a duration (``lasts="2 s"``); in force when it returns."""
        return self._note(self._mesh.fail(*what, lasts_ns=_lasts_ns(lasts)))

    fail = __call__

    def change(
        self,
        *what: str,
        rate: str | None = None,
        delay: str | None = None,
        loss: str | float | None = None,
        lasts: str | None = None,
    ) -> dict[str, Any]:
        """Give links another physical rate ("10 Mbit/s"), a longer delay ("5 ms"), or a loss ("2 %")."""
        told: dict[str, Any] = {}
        if rate is not None:
            told["rate_bps"] = rate_bps(rate)
        if delay is not None:
            told["extra_delay_ns"] = duration_ns(delay)
        if loss is not None:
            told["loss_ratio"] = ratio(loss)
        return self._note(self._mesh.change(*what, lasts_ns=_lasts_ns(lasts), **told))

    def restore(self, *what: str) -> dict[str, Any]:
        """What this test failed or changed, by its names; all of it where none is named."""
        if what:
            return self._mesh.restore(*what)
        left = [str(number) for number in self._made if number in self._in_force()]
        self._made.clear()
        return self._mesh.restore(*left) if left else {"interventions": [], "in_force_ns": 0}

    @property
    def in_force(self) -> list[dict[str, Any]]:
        """Of all in the mesh, whoever asked for it."""
        return self._mesh.faults()

    def _in_force(self) -> set[int]:
        return {each["intervention"] for each in self.in_force}

    def _note(self, answer: dict[str, Any]) -> dict[str, Any]:
        self._made += [each["intervention"] for each in answer["interventions"]]
        return answer

    def __enter__(self) -> Faults:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._mesh.ended:
            self.restore()


def _lasts_ns(lasts: str | None) -> int | None:
    return None if lasts is None else duration_ns(lasts)
