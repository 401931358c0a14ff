"""What is used of Mininet, imported without its warnings; and its CLI, made to suit names of a mesh."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    # Mininet 2.3.0.dev6 imports distutils and has unescaped backslashes
    warnings.simplefilter("ignore")
    from mininet.cli import CLI
    from mininet.link import Intf, Link
    from mininet.log import error, info, output
    from mininet.net import Mininet
    from mininet.node import Host
    from mininet.util import decode, getincrementaldecoder, isShellBuiltin

from ...errors import OrbitmeshError

__all__ = [
    "CLI",
    "Host",
    "Intf",
    "Link",
    "Mininet",
    "decode",
    "error",
    "getincrementaldecoder",
    "info",
    "isShellBuiltin",
    "output",
]

# "sat-0-1 ping gw-london" in Mininet's CLI: without this it looks for a node "sat"
if "-" not in CLI.identchars:
    CLI.identchars += "-"

_onecmd = CLI.onecmd


def _say_refusal(cli: Any, line: str) -> Any:
    """Mininet's would end with a traceback, and the mesh with it."""
    try:
        return _onecmd(cli, line)
    except OrbitmeshError as refused:
        error(f"*** {refused}\n")
        return None


_say_refusal.__wrapped__ = _onecmd  # type: ignore[attr-defined]
CLI.onecmd = _say_refusal
