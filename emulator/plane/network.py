"""The mesh as Mininet knows it: hosts, interfaces, links, and a net around them.

The Mininet API works on objects that cost nothing to make: namespaces, links
and addresses are there before Mininet hears of them, a host starts a shell
when it is first asked to run a command in one, and nothing here writes a
host-wide setting, runs ifconfig, or ends a process by its name (Mininet's own
``fixLimits``, ``iperf`` and ``mn -c`` do).

Threads: hosts and links may be used from any thread while links come and go;
one host's shell is for one thread at a time, as in Mininet.
"""

from __future__ import annotations

import difflib
import os
import pty
import select
import shlex
import subprocess
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
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

from ..epoch import LinkKind
from ..errors import HostError, InputError, OrbitmeshError, RunError
from .kernel.processes import enter_command, spawn_in
from .pings import pinged
from .wired.ledger import Entry

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


CLI.onecmd = _say_refusal

_PROMPT = chr(127)  # Mininet's: it reads a shell's output up to this character
_FIRST_GROUND_PORT = 1000  # Mininet orders interfaces by port: lasers first
_NOT_YOURS = "the {what} of a mesh come from its scenario: change the scenario, not the net"


class UnknownNode(InputError, KeyError):
    """Programs written for Mininet catch a KeyError."""

    __str__ = Exception.__str__  # a KeyError's would quote the sentence


class MeshIntf(Intf):  # type: ignore[misc]  # Mininet has no types
    """One end of a link.  It has no address of its own: the node's, on its loopback, serves all."""

    def __init__(self, name: str, node: MeshNode, link: MeshLink | None) -> None:
        # not Mininet's: that would run ifconfig
        self.name, self.node, self.link = name, node, link
        self.ip, self.prefixLen, self.mac = node.address, 32, None
        self.params: dict[str, Any] = {}

    def updateIP(self) -> str:  # noqa: N802 - Mininet's names, here and below
        return str(self.ip)

    def updateMAC(self) -> None:  # noqa: N802
        return None

    def updateAddr(self) -> tuple[str, None]:  # noqa: N802
        return self.updateIP(), None

    def isUp(self, setUp: bool = False) -> bool:  # noqa: N802
        if setUp:
            raise InputError(_NOT_YOURS.format(what="links"))
        shown, _, _ = self.node.pexec(["ip", "-o", "link", "show", "dev", self.name])
        return "UP" in shown.partition("<")[2].partition(">")[0].split(",")

    def config(self, up: bool = True, **params: Any) -> dict[str, Any]:
        """Nothing to do for an interface that stays as it is; all else is refused."""
        if not up or any(value is not None for value in params.values()):
            raise InputError(_NOT_YOURS.format(what="interfaces"))
        return {}

    def ifconfig(self, *args: str) -> Any:
        if args:
            self._refuse()
        return super().ifconfig()

    def _refuse(self, *args: Any, **kwargs: Any) -> None:
        raise InputError(_NOT_YOURS.format(what="interfaces"))

    setIP = setMAC = rename = delete = _refuse  # noqa: N815


class MeshLink(Link):  # type: ignore[misc]  # Mininet has no types
    """A laser or a ground link that is up."""

    def __init__(self, node1: MeshNode, node2: MeshNode, name1: str, name2: str, kind: LinkKind) -> None:
        self.intf1, self.intf2 = MeshIntf(name1, node1, self), MeshIntf(name2, node2, self)
        self.kind, self.fast = kind, True

    def delete(self) -> None:
        raise InputError(_NOT_YOURS.format(what="links"))

    def __str__(self) -> str:
        one, two = self.intf1, self.intf2
        return f"{one.node.name}:{one.name}<->{two.node.name}:{two.name}"


class MeshNode(Host):  # type: ignore[misc]  # Mininet has no types
    """A host whose namespaces exist already."""

    def __init__(
        self, name: str, address: str, index: int, descriptors: Callable[[int], tuple[int, int]]
    ) -> None:
        """``descriptors(index)`` gives the open network and mount namespace of the node."""
        # not Mininet's: that would start a shell
        self.name, self.address, self.index, self._descriptors = name, address, index, descriptors
        self.params: dict[str, Any] = {"ip": f"{address}/32"}
        self.privateDirs: list[str] = []
        self.inNamespace, self.waitExited = True, True
        self.intfs: dict[int, MeshIntf] = {}
        self.ports: dict[MeshIntf, int] = {}
        self.nameToIntf: dict[str, MeshIntf] = {}
        self.shell: subprocess.Popen[Any] | None = None
        self.execed: Any = None
        self.stdin: Any = None
        self.stdout: Any = None
        self.lastPid: Any = None
        self.lastCmd: Any = None
        self.pollOut: Any = None
        self.master: Any = None
        self.slave: Any = None
        self.waiting, self.readbuf = False, ""
        self.decoder = getincrementaldecoder()
        self._loopback = MeshIntf("lo", self, None)

    @property
    def pid(self) -> int:
        """Process id of the host's shell, which is started for it if need be."""
        self._need_shell()
        assert self.shell is not None
        return self.shell.pid

    def _need_shell(self) -> None:
        if self.shell is None:
            self.startShell()

    def startShell(self, mnopts: str | None = None) -> None:  # noqa: N802
        """Mininet's protocol (a pseudo-terminal, a prompt that ends each output) around a shell of ours."""
        if self.shell is not None:
            error(f"{self.name}: shell is already running\n")
            return
        if mnopts is not None:
            raise InputError(f"{self.name}: options of mnexec ({mnopts}) do not apply to a node of a mesh")
        netns_fd, mntns_fd = self._descriptors(self.index)
        self.master, self.slave = pty.openpty()
        self.shell = spawn_in(
            netns_fd,
            mntns_fd,
            ["bash", "--norc", "--noediting", "-is", f"mininet:{self.name}"],
            env={**os.environ, "PS1": _PROMPT},
            stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True,
        )  # fmt: skip
        self.stdin = self.stdout = os.fdopen(self.master, "r")
        self.pollOut = select.poll()
        self.pollOut.register(self.stdout)
        self.outToNode[self.master] = self.inToNode[self.master] = self
        self.lastCmd, self.lastPid, self.readbuf = None, None, ""
        self._await_prompt()
        self.waiting = False
        self.cmd("unset HISTFILE; stty -echo; set +m")

    def _await_prompt(self) -> None:
        seen = ""
        while not seen.endswith(_PROMPT):
            self.pollOut.poll(100)
            if self.shell is None or self.shell.poll() is not None:
                raise HostError(f"{self.name}: no shell ({seen.strip() or 'is bash installed?'})")
            if self.pollOut.poll(0):
                seen += self.read(1024)

    def sendCmd(self, *args: Any, printPid: bool = False, **kwargs: Any) -> None:  # noqa: N802, N803
        self._need_shell()
        if printPid:
            words: Any = args[0] if len(args) == 1 else args
            command = words if isinstance(words, str) else " ".join(str(word) for word in words)
            if not isShellBuiltin(command):
                # the mark that monitor() looks for; Mininet would have mnexec print it
                args = ("sh -c " + shlex.quote(f"printf '\\001%d\\012' $$; exec {command}"),)
        super().sendCmd(*args, **kwargs)

    def cmd(self, *args: Any, **kwargs: Any) -> Any:
        self._need_shell()
        return super().cmd(*args, **kwargs)

    def popen(self, *args: Any, **kwargs: Any) -> subprocess.Popen[Any]:
        """A program in the node, as Mininet takes it: a list, a string, or the words."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True, **kwargs}
        in_shell = options.pop("shell", False)
        options.pop("mncmd", None)  # how Mininet would enter the node
        if len(args) == 1 and isinstance(args[0], str):
            words = [args[0]] if in_shell else args[0].split()
        elif len(args) == 1 and isinstance(args[0], Sequence):
            words = list(args[0])
        elif args:
            words = list(args)
        else:
            raise InputError(f"{self.name}: popen needs a command")
        if in_shell:
            words = [os.environ.get("SHELL", "/bin/sh"), "-c", " ".join(words)]
        return spawn_in(*self._descriptors(self.index), words, **options)

    def enter_command(self) -> list[str]:
        """What to put before a command line to run it here, while this process lives."""
        return enter_command(*self._descriptors(self.index))

    def attach(self, intf: MeshIntf) -> None:
        number = int(intf.name[len(intf.name.rstrip("0123456789")) :])
        port = _FIRST_GROUND_PORT + number if intf.name.startswith("gsl") else number
        # replaced as a whole: another thread may be going through them
        self.intfs = {**self.intfs, port: intf}
        self.ports = {**self.ports, intf: port}
        self.nameToIntf = {**self.nameToIntf, intf.name: intf}

    def delIntf(self, intf: MeshIntf) -> None:  # noqa: N802
        self.intfs = {port: i for port, i in self.intfs.items() if i is not intf}
        self.ports = {i: port for i, port in self.ports.items() if i is not intf}
        self.nameToIntf = {name: i for name, i in self.nameToIntf.items() if i is not intf}

    def defaultIntf(self) -> MeshIntf:  # noqa: N802
        """The loopback: it carries the node's address."""
        return self._loopback

    def intfList(self) -> list[MeshIntf]:  # noqa: N802
        return [intf for _, intf in sorted(self.intfs.items())]

    def config(
        self,
        mac: Any = None,
        ip: Any = None,
        defaultRoute: Any = None,  # noqa: N803
        lo: str = "up",
        **params: Any,
    ) -> dict[str, Any]:
        """Nothing to do for a node that stays as it is; all else is refused."""
        if lo != "up" or any(value is not None for value in (mac, ip, defaultRoute)):
            self._refuse_addresses()
        return {}

    def configDefault(self, **moreParams: Any) -> None:  # noqa: N802, N803
        self.config(**moreParams)

    def _refuse_addresses(self, *args: Any, **kwargs: Any) -> None:
        raise InputError(_NOT_YOURS.format(what="addresses and routes"))

    def _refuse_links(self, *args: Any, **kwargs: Any) -> None:
        raise InputError(_NOT_YOURS.format(what="links"))

    setIP = setMAC = setARP = setHostRoute = setDefaultRoute = _refuse_addresses  # noqa: N815
    addIntf = deleteIntfs = linkTo = _refuse_links  # noqa: N815

    def terminate(self) -> None:
        if self.shell is not None:
            self.outToNode.pop(self.master, None)
            self.inToNode.pop(self.master, None)
        super().terminate()

    def stop(self, deleteIntfs: bool = False) -> None:  # noqa: N803
        self.terminate()

    def __repr__(self) -> str:
        names = ",".join(intf.name for intf in self.intfList())
        shell = "no shell" if self.shell is None else f"pid={self.shell.pid}"
        return f"<{type(self).__name__} {self.name}: {self.address} {names} {shell}>"


class MeshNet(Mininet):  # type: ignore[misc]  # Mininet has no types
    """Its hosts, and the links that are up now between their interfaces."""

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
        self._links: dict[int, MeshLink] = {}
        self.on_stop = on_stop
        #: Called with names before something is sent between them; returns when there are routes.
        self.route_first: Callable[[Sequence[str]], None] = lambda names: None

    @property
    def links(self) -> list[MeshLink]:
        return list(self._links.values())

    def links_came(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.key in self._links:
                continue
            one, two = self.hosts[entry.a], self.hosts[entry.b]
            link = MeshLink(one, two, entry.interface_a, entry.interface_b, entry.kind)
            one.attach(link.intf1)
            two.attach(link.intf2)
            self._links[entry.key] = link

    def links_went(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            link = self._links.pop(entry.key, None)
            if link is not None:
                for intf in (link.intf1, link.intf2):
                    intf.node.delIntf(intf)

    def getNodeByName(self, *names: str) -> Any:  # noqa: N802
        return self[names[0]] if len(names) == 1 else [self[name] for name in names]

    def __getitem__(self, name: str) -> MeshNode:
        try:
            host: MeshNode = self.nameToNode[name]
        except KeyError:
            near = difflib.get_close_matches(name, list(self.nameToNode), 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self._some())}"
            raise UnknownNode(f"there is no node {name!r}: {hint}") from None
        return host

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

    def _refuse_nodes(self, *args: Any, **kwargs: Any) -> None:
        raise InputError(_NOT_YOURS.format(what="nodes"))

    def _refuse_links(self, *args: Any, **kwargs: Any) -> None:
        raise InputError(_NOT_YOURS.format(what="links"))

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        """Hosts have their addresses, and links resolve none."""

    addHost = addSwitch = addController = addNAT = delNode = buildFromTopo = _refuse_nodes  # noqa: N815
    runCpuLimitTest = _refuse_nodes  # noqa: N815
    configHosts = configureControlNetwork = staticArp = _nothing  # noqa: N815
    addLink = delLink = delLinkBetween = configLinkStatus = _refuse_links  # noqa: N815

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
        common = ["iperf", "-p", str(port), *(["-u"] if udp else []), *(["-f", fmt] if fmt else [])]
        asked = [*common, "-t", str(seconds), "-c", server.IP(), *(["-b", udpBw] if udp else [])]
        serving = server.popen([*common, "-s"], stderr=subprocess.STDOUT)
        try:
            _await_port(serving, port, udp=udp)
            said, complaint, status = client.pexec(asked)
            if status != 0:
                raise RunError(f"iperf from {client} to {server} failed: {complaint or said}")
        finally:
            serving.terminate()
            heard = decode(serving.communicate()[0])
        result = [self._parseIperf(heard), self._parseIperf(said)]
        if udp:
            result.insert(0, udpBw)
        output(f"*** Results: {result}\n")
        return result


def _await_port(process: subprocess.Popen[Any], port: int, *, udp: bool, timeout_s: float = 5.0) -> None:
    """Until the process's namespace has somebody at the port; RunError if it ends or takes too long."""
    table = Path(f"/proc/{process.pid}/net/{'udp' if udp else 'tcp'}")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RunError(f"iperf -s ended with status {process.returncode}: is iperf installed?")
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
        # local address ends in the port in hex; state 0A is LISTEN, 07 an unconnected UDP socket
        if any(row[1].endswith(f":{port:04X}") and row[3] == ("07" if udp else "0A") for row in rows):
            return
        time.sleep(0.01)
    raise RunError(f"iperf -s did not listen on port {port} within {timeout_s:.0f} s")
