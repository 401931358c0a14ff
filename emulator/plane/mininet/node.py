"""A node as Mininet knows it: a host with a shell that starts when it is first asked for."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import HostError, InputError
from ..kernel.processes import enter_command, spawn_in
from .imported import Host, error, getincrementaldecoder, isShellBuiltin
from .interfaces import MeshIntf
from .refusals import not_yours, refusing

_PROMPT = chr(127)  # Mininet's: it reads a shell's output up to this character
_FIRST_GROUND_PORT = 1000  # Mininet orders interfaces by port: lasers first


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
            raise not_yours("addresses and routes")
        return {}

    def configDefault(self, **moreParams: Any) -> None:  # noqa: N802, N803
        self.config(**moreParams)

    setIP = setMAC = setARP = setHostRoute = setDefaultRoute = refusing("addresses and routes")  # noqa: N815
    addIntf = deleteIntfs = linkTo = refusing("links")  # noqa: N815

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
