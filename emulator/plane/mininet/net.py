"""The net as Mininet knows it: its hosts, the links that are up now, and what can be asked of them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError
from .imported import Mininet, info, output
from .interfaces import MeshIntf, MeshLink
from .iperf import measured
from .node import MeshNode
from .pings import pinged
from .refusals import UnknownNode, refusing


class MeshNet(Mininet):  # type: ignore[misc]  # Mininet has no types
    """Its hosts; a plane adds how hosts, or links between them, come and go."""

    def __init__(self, hosts: Sequence[MeshNode], on_stop: Callable[[], None]) -> None:
        """``on_stop`` removes the whole mesh: it is what ``stop()`` does."""
        # not Mininet's: it would change limits and sysctls of the machine
        self.topo, self.switch, self.host, self.controller = None, None, MeshNode, None
        self.link, self.intf = MeshLink, MeshIntf
        self.ipBase, self.ipBaseNum, self.prefixLen, self.nextIP = "10.0.0.0/8", 10 << 24, 8, 1
        self.inNamespace = self.xterms = self.cleanup = False
        self.autoSetMacs = self.autoStaticArp = self.autoPinCpus = False
        self.numCores, self.nextCore, self.listenPort, self.waitConn = os.cpu_count() or 1, 0, None, False
        self.hosts = list(hosts)
        self.switches: list[Any] = []
        self.controllers: list[Any] = []
        self.terms: list[Any] = []
        self.nameToNode = {node.name: node for node in self.hosts}
        self.built = True
        self.on_stop = on_stop
        #: Called with names before something is sent between them; returns when there are routes.
        self.route_first: Callable[[Sequence[str]], None] = lambda names: None
        #: A node's own name by one that it has from a file.
        self.own_name: Callable[[str], str] = lambda name: name

    @property
    def links(self) -> list[MeshLink]:
        """Those that are up now, where links are anything that Mininet could see."""
        return []

    def getNodeByName(self, *names: str) -> Any:  # noqa: N802
        return self[names[0]] if len(names) == 1 else [self[name] for name in names]

    def __getitem__(self, name: str) -> MeshNode:
        try:
            host: MeshNode = self.nameToNode[self.own_name(name)]
        except KeyError:
            near = difflib.get_close_matches(name, list(self.nameToNode), 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self._some())}"
            raise UnknownNode(f"there is no node {name!r}: {hint}") from None
        return host

    def __contains__(self, name: object) -> bool:
        """Mininet's CLI asks it of each word, and puts an address in its place: not so of numbers."""
        return isinstance(name, str) and not name.isdecimal() and self._is_there(self.own_name(name))

    def _is_there(self, own_name: str) -> bool:
        return own_name in self.nameToNode

    def _some(self) -> list[str]:
        names = list(self.nameToNode)
        return names if len(names) <= 6 else [*names[:2], "…", *names[-3:]]

    def build(self) -> None:
        """Nothing to do: it is built."""

    def start(self) -> None:
        """Nothing to do: it runs."""

    def stop(self) -> None:
        """Remove the mesh, the shells and programs in its nodes included."""
        if self.terms:
            info(f"*** Stopping {len(self.terms)} terms\n")
            self.stopXterms()
            self.terms = []
        self.on_stop()

    def end_shells(self) -> None:
        for node in self.hosts:
            if node.shell is not None:
                node.terminate()

    def stopXterms(self) -> None:  # noqa: N802
        """Our own terminals only: Mininet's would end screen sessions of other people."""
        for term in self.terms:
            if term.poll() is None:
                term.kill()
            term.wait()

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        """Hosts have their addresses, and links resolve none."""

    addHost = addSwitch = addController = addNAT = delNode = buildFromTopo = refusing("nodes")  # noqa: N815
    runCpuLimitTest = refusing("nodes")  # noqa: N815
    configHosts = configureControlNetwork = staticArp = _nothing  # noqa: N815
    addLink = delLink = delLinkBetween = configLinkStatus = refusing("links")  # noqa: N815

    def ping(self, hosts: Sequence[MeshNode] | None = None, timeout: str | None = None) -> float:
        """Percentage of what was lost, as Mininet's; first all nodes are routed to these hosts."""
        sent = received = 0
        for source, answers in pinged(hosts or self.hosts, timeout, self.route_first):
            output(f"{source.name} -> ")
            for target, said in answers:
                n, came = self._parsePing(said)
                sent, received = sent + n, received + came
                output(f"{target.name} " if came else "X ")
            output("\n")
        if not sent:
            output("*** Warning: No packets sent\n")
            return 0
        lost = 100.0 * (sent - received) / sent
        output(f"*** Results: {int(lost)}% dropped ({received}/{sent} received)\n")
        return lost

    def pingFull(self, hosts: Sequence[MeshNode] | None = None, timeout: str | None = None) -> list[Any]:  # noqa: N802
        """(source, target, (sent, received, min, avg, max, mdev in ms)) of each pair."""
        found = []
        for source, answers in pinged(hosts or self.hosts, timeout, self.route_first):
            for target, said in answers:
                found.append((source, target, self._parsePingFull(said)))
                sent, came, *times = found[-1][2]
                output(f" {source}->{target}: {sent}/{came}, rtt min/avg/max/mdev ")
                output("/".join(f"{ms:.3f}" for ms in times) + " ms\n")
        return found

    def _pair(self) -> list[MeshNode]:
        if len(self.hosts) < 2:
            raise InputError("a pair needs two hosts, and this net has fewer: make more with net.get(NAME)")
        return self.hosts[:2]

    def pingPair(self) -> float:  # noqa: N802
        return self.ping(self._pair())

    def pingPairFull(self) -> list[Any]:  # noqa: N802
        return self.pingFull(self._pair())

    def iperf(
        self,
        hosts: Sequence[MeshNode] | None = None,
        l4Type: str = "TCP",  # noqa: N803
        udpBw: str = "10M",  # noqa: N803
        fmt: str | None = None,
        seconds: float = 5,
        port: int = 5001,
    ) -> list[str]:
        """Throughput between two hosts, as Mininet's: [server, client]; for UDP first the rate asked for.

        Mininet's own begins by ending every iperf on the machine.
        """
        client, server = hosts or [self._pair()[0], self.hosts[-1]]
        if l4Type not in ("TCP", "UDP"):
            raise InputError(f"iperf measures TCP or UDP, not {l4Type}")
        self.route_first([client.name, server.name])
        udp = l4Type == "UDP"
        output(f"*** Iperf: testing {l4Type} bandwidth between {client} and {server}\n")
        heard, said = measured(client, server, port, seconds, udp_rate=udpBw if udp else None, fmt=fmt)
        result = [self._parseIperf(heard), self._parseIperf(said)]
        if udp:
            result.insert(0, udpBw)
        output(f"*** Results: {result}\n")
        return result
