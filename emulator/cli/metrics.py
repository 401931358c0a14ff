"""``orbitmesh metrics``: a running mesh for Prometheus, from a process beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import InputError, RunEnded
from .calling import connected
from .options import ClientCaOption, RunOption, TlsCertOption, TlsKeyOption
from .output import say

if TYPE_CHECKING:
    import socket

    from ..control.api.settings import Tls

EXAMPLE = (
    "Example: sudo orbitmesh metrics --port 9464\n\n"
    "Example: orbitmesh metrics --prometheus > prometheus.yml && orbitmesh metrics --grafana > board.json"
)

USUAL_PORT = 9464

PortOption = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65535, help="Of this machine's loopback; 0: one that is free.", show_default=True
    ),
]
ListenOption = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="HOST:PORT",
        help="In place of --port, for a Prometheus elsewhere: with --tls-cert, --tls-key, and --token-file "
        "or --client-ca.",
    ),
]


def metrics(
    run: RunOption = None,
    port: PortOption = USUAL_PORT,
    listen: ListenOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Of --listen: a word that Prometheus says."),
    ] = None,
    client_ca: ClientCaOption = None,
    grafana: Annotated[
        bool, typer.Option("--grafana", help="Print a board for Grafana, to import there, and end.")
    ] = False,
    prometheus: Annotated[
        bool,
        typer.Option("--prometheus", help="Print a scrape configuration for the endpoint, and end."),
    ] = False,
) -> None:
    """Let Prometheus read a running mesh: latency measured and physical, what customers got, links, power.

    Stays in the foreground, and ends with the run. It reads what all watchers read, and the mesh waits for
    it nowhere. Series go by shell, plane, gateway, class and kind, never by satellite.
    """
    if grafana or prometheus:
        from ..metrics import board

        print(
            board.grafana() if grafana else board.scrape_config(port, listen, token_file, client_ca), end=""
        )
        return
    files = (tls_cert, tls_key, token_file, client_ca)
    if listen is None and any(files):
        raise InputError("certificates and a token are for --listen: say where, as 0.0.0.0:9464")
    with connected(run) as client:
        from ..metrics.endpoint import serving
        from ..metrics.layout import Layout
        from ..metrics.seen import Seen
        from ..priority import go_after_all
        from ..processes import keep_capabilities

        tcp, tls = _listening(port, listen, *files)
        with tcp:
            go_after_all()
            keep_capabilities()
            seen, watching = Seen(Layout.of(client.layout())), client.watching(epochs=True)
            client.waits_while_stopped = True  # how old the last news is, the endpoint tells
            with serving(tcp, seen, tls) as endpoint:
                say(f"{client.run_id}: {endpoint.url} until the run ends (Ctrl-C ends this alone)")
                try:
                    seen.follow(watching)
                except RunEnded:
                    return


def _listening(
    port: int,
    listen: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    token_file: Path | None,
    client_ca: Path | None,
) -> tuple[socket.socket, Tls | None]:
    from ..control.api.listening import Listening, listening

    if listen is None:
        return listening("127.0.0.1", port, "--port"), None
    found = Listening.open(
        listen, certificate=tls_cert, key=tls_key, token=token_file, client_ca=client_ca, risk="read the mesh"
    )
    return found.socket, found.tls
