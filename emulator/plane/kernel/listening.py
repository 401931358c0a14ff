"""Whether anybody in a node listens at a port: by the kernel's own tables."""

from __future__ import annotations

from pathlib import Path

# local addresses end in the port in hex; state 0A is LISTEN, 07 an unconnected UDP socket
_STATE = {"tcp": "0A", "udp": "07"}


def listens(pid: int, port: int, protocol: str) -> bool:
    """In the network namespace of a process; where that has gone: nobody.  ``protocol``: tcp or udp."""
    for table in (protocol, f"{protocol}6"):
        try:
            lines = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        rows = map(str.split, lines)
        if any(row[1].endswith(f":{port:04X}") and row[3] == _STATE[protocol] for row in rows):
            return True
    return False
