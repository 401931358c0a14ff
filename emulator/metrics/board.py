"""What Prometheus and Grafana are told to look at the endpoint: a scrape configuration and a board."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

_SCRAPE_INTERVAL = "5s"


def grafana() -> str:
    """JSON, for Grafana's import: it asks there which Prometheus is meant."""
    return (files(__package__) / "grafana/orbitmesh.json").read_text()


def scrape_config(port: int, listen: str | None, token_file: Path | None, client_ca: Path | None) -> str:
    """YAML; ``listen``: where the endpoint is called by TLS.  Files are those of Prometheus's machine."""
    lines = [
        "scrape_configs:",
        "  - job_name: orbitmesh",
        f"    scrape_interval: {_SCRAPE_INTERVAL}",
    ]
    if listen is not None:
        lines += ["    scheme: https", "    tls_config:", "      ca_file: ca.pem  # who signed --tls-cert"]
        if client_ca is not None:
            lines += [
                "      cert_file: prometheus.pem  # signed by --client-ca",
                "      key_file: prometheus.key",
            ]
        if token_file is not None:
            lines += ["    authorization:", f"      credentials_file: {json.dumps(str(token_file))}"]
    target = f"127.0.0.1:{port}" if listen is None else listen
    return "\n".join([*lines, "    static_configs:", f"      - targets: [{json.dumps(target)}]", ""])
