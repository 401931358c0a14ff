"""``orbitmesh exec``: a program of the user's, inside a node."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InputError
from .calling import connected
from .options import RunOption

EXAMPLE = "Example: orbitmesh exec gw-london -- python client.py\n\nExample: orbitmesh exec sat-3-7 -- bash"


def exec(
    node: Annotated[
        str,
        typer.Argument(
            metavar="NODE", help="Where: sat-3-7, gw-london, a satellite's name in its file, its number."
        ),
    ],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND…", help="What to run there.")],
    run: RunOption = None,
    privileged: Annotated[
        bool,
        typer.Option("--privileged", help="With all capabilities of root, among the machine's processes."),
    ] = False,
    keep_proxy: Annotated[
        bool, typer.Option("--keep-proxy", help="Leave http_proxy and its kin in the environment.")
    ] = False,
) -> None:
    """Run a program inside a node of a running mesh.

    It has the node's network and knows all nodes by name; its files, its terminal and its
    exit status are those of the shell that called.  It has the capabilities that a container has
    by default, less MKNOD, and NET_ADMIN: no modules, no clock, no mounts; and sees no processes
    but those that it starts.  http_proxy, https_proxy, all_proxy, ftp_proxy and no_proxy are taken
    out of its environment: a node has no way to a proxy.
    """
    from ..control.client import Client
    from ..control.programs import run_in_node

    if command[0] == "--":  # everything behind NODE is kept as it was written, this too
        del command[0]
    if not command:
        raise InputError(f"nothing to run in {node}: write the program behind --")
    if not command[0]:
        raise InputError("the name of the program is empty: write the program behind --")
    with connected(run) as client:
        if not isinstance(client, Client):
            from .far_program import run_far

            if privileged or keep_proxy:
                raise InputError("--privileged and --keep-proxy are for a mesh on this machine")
            raise typer.Exit(run_far(client, node, command))
        status = run_in_node(client, node, command, privileged=privileged, keep_proxy=keep_proxy)
    raise typer.Exit(status)
