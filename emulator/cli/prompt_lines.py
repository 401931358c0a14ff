"""The lines of the prompt: Mininet's, as far as a mesh can do what they ask, and verbs of our own."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import typer

from ..control.client import Client
from ..control.far_net import FarNet
from ..errors import FailureError, InputError, OrbitmeshError
from ..plane.mininet.imported import CLI, error, output
from ..plane.mininet.pings import check_number
from .prompt import has_ended, screen_or_say, words_of

_VERBS_BESIDE = ("contacts", "passes")
_NOT_HERE = ("exec", "cli", "run", "demo")
_MANY_PAIRS = 200  # a minute or so


class Prompt(CLI):  # type: ignore[misc]  # Mininet has no types
    """``refused``: a line was, and says why on the screen."""

    def __init__(self, net: FarNet, client: Client, **mininets: Any) -> None:
        self._net, self._client, self.refused = net, client, False
        super().__init__(net, **mininets)

    def said(self, line: str) -> bool:
        """One line of a script; True where it is the last."""
        is_last = self.postcmd(self.onecmd(self.precmd(line)), line)
        return bool(is_last) or self.refused

    def precmd(self, line: str) -> str:
        if line.strip() and not has_ended(self._client.socket):
            self._net.refresh()
        return str(super().precmd(line))

    def onecmd(self, line: str) -> Any:
        try:
            return CLI.onecmd.__wrapped__(self, line)
        except OrbitmeshError as refused:
            self._refuse(str(refused))
        except BrokenPipeError:
            raise
        except (OSError, UnicodeDecodeError) as fault:
            name, why = getattr(fault, "filename", None), getattr(fault, "strerror", None)
            self._refuse(f"{name or line}: {why or fault}")
        return None

    def postcmd(self, stop: Any, line: str) -> Any:
        if has_ended(self._client.socket):
            self._refuse(f"{self._client.run_id} has ended")
            return True
        return super().postcmd(stop, line)

    def _refuse(self, sentence: str) -> None:
        self.refused = True
        error(f"*** {sentence}\n")

    def default(self, line: str) -> None:
        if not line.strip():
            raise InputError("write a node and a command behind noecho")
        if line.split()[0] not in self.mn:
            self.refused = True
        super().default(line)

    # ---- Mininet's, in a mesh

    def do_net(self, _line: str) -> None:
        """List the links of all hosts, each by its neighbours now."""
        neighbours: dict[str, list[str]] = {host.name: [] for host in self._net.hosts}
        for a, b, kind, one, other in self._net.told_links:
            ends = ((a, one, b, other), (b, other, a, one))
            for here, mine, there, theirs in ends:
                if here in neighbours:
                    words = f"{mine}<->{there}:{theirs}" if mine else f"{there} ({kind})"
                    neighbours[here].append(words)
        for name, found in neighbours.items():
            output(f"{name} {' '.join(found) or 'no link now'}\n")

    def do_links(self, _line: str) -> None:
        """List the links of all hosts that are up now."""
        for a, b, kind, _, _ in self._net.told_links:
            output(f"{a}<->{b} ({kind})\n")

    def do_pingall(self, line: str) -> None:
        """Ping among hosts.
        Usage: pingall [seconds to wait] [NAME …], as in pingall gw-*"""
        words, timeout = words_of(line), None
        if words and words[0].replace(".", "", 1).isdecimal():
            timeout = words.pop(0)
        hosts = self._net.hosts if not words else self._named(words)
        n_pairs = len(hosts) * (len(hosts) - 1)
        check_number(len(hosts))
        output(f"*** {len(hosts)} hosts, {n_pairs:,} pairs\n")
        if n_pairs > _MANY_PAIRS and not self._goes_on(n_pairs):
            return
        self._net.ping(hosts, timeout)

    def _goes_on(self, n_pairs: int) -> bool:
        if not self.isatty():
            raise InputError(
                f"{n_pairs:,} pairs are more than {_MANY_PAIRS}, and nobody can be asked: name hosts, as in "
                "pingall gw-*"
            )
        return input(f"ping {n_pairs:,} pairs? [y/N] ").strip().lower() in ("y", "yes")

    def _named(self, words: list[str]) -> list[Any]:
        found = {}
        for word in words:
            if word in self._net:
                chosen = [self._net[word]]
            else:
                chosen = [host for host in self._net.hosts if fnmatchcase(host.name, word)]
            if not chosen:
                raise InputError(f"no host is called like {word!r}: nodes lists them")
            found.update({host.name: host for host in chosen})
        return list(found.values())

    def do_pingallfull(self, line: str) -> None:
        """Ping among all hosts, with all figures."""
        n_pairs = len(self._net.hosts) * (len(self._net.hosts) - 1)
        output(f"*** {len(self._net.hosts)} hosts, {n_pairs:,} pairs\n")
        if n_pairs <= _MANY_PAIRS or self._goes_on(n_pairs):
            super().do_pingallfull(line)

    def do_source(self, line: str) -> None:
        """Run lines of a file.
        Usage: source <file>"""
        words = words_of(line)
        if len(words) != 1:
            raise InputError("write one file: source FILE")
        for each in Path(words[0]).read_text().splitlines():
            if self.said(each):
                break

    def do_xterm(self, line: str, term: str = "xterm") -> None:
        """Open a terminal in a node, where there is a screen.
        Usage: xterm node1 node2 …"""
        screen_or_say(term)
        super().do_xterm(line, term)

    def do_x(self, line: str) -> None:
        """Run a program with a window in a node, where there is a screen.
        Usage: x node [cmd args]"""
        screen_or_say("xterm")
        super().do_x(line)

    def _no_switches(self, _line: str) -> None:
        """A mesh has no switches: satellites route."""
        raise FailureError("a mesh has no switches and no controllers: satellites route packets themselves")

    do_ports = do_dpctl = do_switch = _no_switches

    # ---- ours

    def do_path(self, line: str) -> None:
        """The way from one node to another as routed now, with the time that light takes.
        Usage: path A B"""
        words = words_of(line)
        if len(words) != 2:
            raise InputError("write two nodes: path A B")
        found = self._client.path(*words)
        if found["path"] is None:
            raise FailureError(f"there is no way from {words[0]} to {words[1]} now; contacts --way says when")
        output(" > ".join(found["path"]) + "\n")
        output(f"{found['hops']} hops, {found['delay_ns'] / 1e6:.3f} ms one way at the speed of light\n")


def _verb(name: str) -> Any:
    def do(self: Prompt, line: str) -> None:
        from .main import UsageError, app, usage_error_in_words

        words = words_of(line)
        try:
            status = app([name, *words], prog_name="orbitmesh", standalone_mode=False)
        except typer.Exit as ended:
            status = ended.exit_code
        except UsageError as wrong:
            raise InputError(usage_error_in_words(wrong)) from None
        sys.stdout.flush()
        if status:
            self.refused = True

    do.__doc__ = f"As orbitmesh {name}: {name} --help says how."
    return do


def _add_verbs() -> None:
    from .main import INSIDE, VERBS

    for name, _, _, panel in VERBS:
        is_ours = (panel == INSIDE and name not in _NOT_HERE) or name in _VERBS_BESIDE
        if is_ours and not hasattr(Prompt, f"do_{name}"):
            setattr(Prompt, f"do_{name}", _verb(name))


_add_verbs()
