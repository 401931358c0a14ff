"""A program in a node, as ``exec`` starts it, without a mesh: NETNS_FD MNTNS_FD [--privileged] PROGRAM…"""

from __future__ import annotations

import os
import socket
import sys
from types import SimpleNamespace
from typing import Any

from orbitmesh.emulator.control import programs

ours, theirs = socket.socketpair()  # a run that goes on
client: Any = SimpleNamespace(socket=ours, enter=lambda node: (int(sys.argv[1]), int(sys.argv[2])))
if len(sys.argv) > 4 and sys.argv[3] == "--run-ends-when":  # there is such a file
    wanted = sys.argv[4]
    del sys.argv[3:5]
    if os.fork() == 0:
        ours.close()
        while not os.path.exists(wanted):  # noqa: PTH110
            pass
        os._exit(0)
    theirs.close()
privileged = sys.argv[3] == "--privileged"
sys.exit(programs.run_in_node(client, "x", sys.argv[3 + privileged :], privileged=privileged))
