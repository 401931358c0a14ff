"""The mesh as Mininet knows it: hosts, interfaces, links, and a net around them.

The Mininet API works on objects that cost nothing to make: namespaces, links
and addresses are there before Mininet hears of them, a host starts a shell
when it is first asked to run a command in one, and nothing here writes a
host-wide setting, runs ifconfig, or ends a process by its name (Mininet's own
``fixLimits``, ``iperf`` and ``mn -c`` do).

Threads: hosts and links may be used from any thread while links come and go;
one host's shell is for one thread at a time, as in Mininet.
"""

from .interfaces import MeshIntf, MeshLink
from .net import MeshNet
from .node import MeshNode
from .refusals import UnknownNode

__all__ = ["MeshIntf", "MeshLink", "MeshNet", "MeshNode", "UnknownNode"]
