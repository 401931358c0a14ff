"""Programs in nodes find names at once, or learn at once that there are none."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.netns, pytest.mark.beside, pytest.mark.native, pytest.mark.timeout(120)]

HERE = Path(__file__).parent
# a name server that is not there is waited for 5 s and more; a busy machine needs part of one
AT_ONCE_S = 2.5


@pytest.fixture(scope="module", params=["wired", "fabric"])
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What e2e_names.py prints, where the machine asks a name server that is out of reach (TEST-NET-1)."""
    folder = tmp_path_factory.mktemp("names")
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.1\n")
    result = subprocess.run(
        [
            *("unshare", "--mount", "sh", "-c"),
            'mount --bind "$1" "$(realpath /etc/resolv.conf)" && exec "$2" "$3" "$4"',
            *("sh", str(resolv), sys.executable, str(HERE / "e2e_names.py"), request.param),
        ],
        capture_output=True, text=True, cwd=folder, timeout=100,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return dict(json.loads(result.stdout.splitlines()[-1]))


def test_names_of_nodes_and_all_others_are_settled_at_once(said: dict[str, Any]) -> None:
    server, address = said["server"], said["address"]
    expected = {
        ("files and DNS, any", server): [address],
        ("files and DNS, any", "localhost"): ["127.0.0.1"],
        ("files and DNS, any", "example.com"): "gaierror",
        ("files and DNS, IPv6", server): "gaierror",
        ("files and DNS, IPv6", "example.com"): "gaierror",
        ("address", address): server,
        ("address", "198.51.100.1"): "herror",
        ("musl", server): [[0, 1], [0, 0]],
        ("musl", "localhost"): [[0, 1], [0, 0]],
        ("musl", "example.com"): [[3, 0], [3, 0]],
        ("TCP", server): address,
        ("TCP", "example.com"): 3,
        ("gRPC", server): True,
        ("gRPC", "example.com"): "UNAVAILABLE",
    }
    found = {(program, name): got for program, name, got, _ in said["found"]}
    assert {key: found[key] for key in expected} == expected
    assert [row for row in said["found"] if row[3] > AT_ONCE_S] == []


def test_node_js_finds_them_too(said: dict[str, Any]) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs Node.js (apt install nodejs)")
    found = {(program, name): got for program, name, got, _ in said["found"] if program.startswith("node ")}
    server, address = said["server"], said["address"]
    assert found == {
        ("node resolve4", server): [address],
        ("node resolve4", "example.com"): "ENOTFOUND",
        ("node resolve6", server): "ENODATA",
        ("node resolve6", "example.com"): "ENOTFOUND",
        ("node lookup", server): address,
        ("node lookup", "example.com"): "ENOTFOUND",
        ("node lookup", "localhost"): "127.0.0.1",
        ("node resolvePtr", ".".join(address.split(".")[::-1]) + ".in-addr.arpa"): [server],
        ("node reverse", "198.51.100.1"): "ENOTFOUND",
    }
