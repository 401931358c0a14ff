"""What a command line asks of a run, and the run that it gets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .options import runs_folder

if TYPE_CHECKING:
    import socket

    from ..control.api.listening import Listening
    from ..run.emulation import Emulation
    from ..web.listening import WebListening


@dataclass(frozen=True)
class Settings:
    """What a command line asks of a run; None: as the scenario says."""

    scenario: str
    duration_ns: int | None
    clock: str
    seed: int | None
    out: Path | None
    links: str | None
    plane: str | None = None
    listen: Listen | None = None
    metrics_port: int | None = None
    web_port: int | None = None  # None: no live page


@dataclass(frozen=True)
class Listen:
    """Where the control API is called by TCP, and the files that callers prove themselves by."""

    address: str
    tls_cert: Path | None
    tls_key: Path | None
    token_file: Path | None
    client_ca: Path | None

    def arguments(self) -> dict[str, object]:
        """As a command line has them."""
        return {
            "--listen": self.address, "--tls-cert": self.tls_cert, "--tls-key": self.tls_key,
            "--token-file": self.token_file, "--client-ca": self.client_ca,
        }  # fmt: skip

    def open(self) -> Listening:
        from ..control.api.listening import Listening

        return Listening.open(
            self.address, certificate=self.tls_cert, key=self.tls_key, token=self.token_file,
            client_ca=self.client_ca,
        )  # fmt: skip


def _on_loopback(port: int, option: str) -> socket.socket:
    from ..control.api.listening import listening

    return listening("127.0.0.1", port, option)


@contextlib.contextmanager
def helpers_begun() -> Iterator[None]:
    """A mesh's other processes load what they need while this one does."""
    from ..nursery import kept
    from ..run import programs

    with kept() as nursery:
        nursery.begin(*programs.ALL)
        yield


def prepared(settings: Settings, on_progress: Any) -> Emulation:
    """The run, not begun yet.  InputError where the scenario is wrong, HostError where it cannot run here."""
    from ..scenario import Scenario

    scenario = Scenario.load(settings.scenario)  # before the slow imports: a wrong file is told at once
    from ..run.emulation import Emulation

    if settings.out is None:
        runs_folder()
    listen = None if settings.listen is None else settings.listen.open()
    metrics = None if settings.metrics_port is None else _on_loopback(settings.metrics_port, "--metrics")
    web = None if settings.web_port is None else _web(settings.web_port)
    return Emulation(
        scenario,
        duration_ns=settings.duration_ns,
        clock=settings.clock,
        seed=settings.seed,
        out=settings.out,
        links=settings.links,
        plane=settings.plane,
        listen=listen,
        metrics=metrics,
        web=web,
        on_progress=on_progress,
    )


def _web(port: int) -> WebListening:
    from ..web.listening import WebListening, WebOptions

    return WebListening.open(WebOptions(port))
