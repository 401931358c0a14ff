"""What each node process is told when it starts.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from orbitmesh.wire.load import LoadSpec
from orbitmesh.wire.schedule import node_seed
from orbitmesh.wire.serving import ServingSpec
from orbitmesh.wire.spec import NEAREST, NodeSpec, Peer, ProbeSpec, TaskSpec
from orbitmesh.wire.training import TrainingSpec

from ..epoch import Bool, Nodes
from ..platform import chosen
from ..record.due import Schedule, TaskDue
from ..scenario import Scenario
from ..scenario.model import Compute
from ..scenario.platforms import platforms_of
from ..scenario.serving import serving_spec
from .draws import report_interval_ns


def node_specs(
    nodes: Nodes,
    hosting: Bool,
    compute: Compute,
    seed: int,
    address: Callable[[int], str],
    serving: Mapping[int, ServingSpec] | None = None,
    loads: Mapping[str, tuple[LoadSpec, ...]] | None = None,
    training: Mapping[str, TrainingSpec] | None = None,
) -> list[NodeSpec]:
    """One spec per hosting node; ``address`` gives a node's IPv4 address, ``serving`` what
    each satellite serves, ``loads`` the customers of each gateway, ``training`` the place in the ring of
    each satellite that is in it.

    Whom to measure is not in it: that is said when all nodes are there, so that
    no measurement is lost to a peer that has not started.

    Each node's seed follows from the run's seed and its name, so that adding a
    node changes nothing for the others.
    """
    hosts = [int(node) for node in hosting.nonzero()[0]]
    peers = {nodes.names[n]: address(n) for n in hosts if not nodes.is_gateway(n)}
    specs = []
    # gateways start first, and are told first that it is over: they ask, satellites answer
    for node in sorted(hosts, key=lambda node: not nodes.is_gateway(node)):
        name = nodes.names[node]
        is_gateway = nodes.is_gateway(node)
        tasks = tasks_of(name, compute, nodes) if is_gateway else ()
        customers = (loads or {}).get(name, ())
        specs.append(
            NodeSpec(
                name=name,
                kind="gateway" if is_gateway else "satellite",
                address=address(node),
                seed=node_seed(seed, name),
                probe=ProbeSpec(
                    kinds=compute.probes.kinds,
                    interval_ns=compute.probes.interval_ns,
                    timeout_ns=compute.probes.timeout_ns,
                ),
                tasks=tasks,
                peers=peers if tasks or customers else {},
                serving=None if is_gateway else (serving or {}).get(node),
                loads=customers,
                training=(training or {}).get(name),
            )
        )
    return specs


def serving_specs(scenario: Scenario, nodes: Nodes, hosting: Bool) -> dict[int, ServingSpec]:
    """What each satellite with a process serves, by node: each at its own platform's exponent."""
    if scenario.serving is None:
        return {}
    usual = serving_spec(scenario.serving, scenario.run.rate_scale)
    if scenario.platform is not None and scenario.platform.load == "measured":
        usual = replace(usual, report_interval_ns=report_interval_ns(scenario.run.step_ns))
    by_shell = [
        replace(usual, power_exponent=chosen(section)[1].power_exponent) for section in platforms_of(scenario)
    ]
    satellites = hosting[: nodes.n_satellites].nonzero()[0].tolist()
    return {node: by_shell[nodes.shell[node]] if by_shell else usual for node in satellites}


def probe_peers(nodes: Nodes, gateways: tuple[int, ...], address: Callable[[int], str]) -> tuple[Peer, ...]:
    return tuple(Peer(nodes.names[g], address(g)) for g in gateways)


def tasks_of(gateway: str, compute: Compute, nodes: Nodes) -> tuple[TaskSpec, ...]:
    """The tasks that a gateway (by node name) sends; the scenario names gateways with or without ``gw-``,
    and satellites by their own name or their file's."""
    station = gateway.removeprefix("gw-")

    def target(satellite: str) -> str:
        return satellite if satellite == NEAREST else nodes.own_name(satellite)

    return tuple(
        TaskSpec(task.kind, task.size, target(task.satellite), task.interval_ns, task.timeout_ns)
        for task in compute.tasks
        if task.gateways == "all" or station in task.gateways or gateway in task.gateways
    )


def schedule_of(nodes: Nodes, hosting: Bool, compute: Compute, seed: int) -> Schedule:
    """The same for the recorder, which counts by it what was due."""
    names = [nodes.names[int(node)] for node in hosting.nonzero()[0]]
    gateways = [name for name in names if nodes.is_gateway(nodes.index[name])]
    return Schedule(
        seed=seed,
        satellites=tuple(name for name in names if not nodes.is_gateway(nodes.index[name])),
        kinds=compute.probes.kinds,
        interval_ns=compute.probes.interval_ns,
        timeout_ns=compute.probes.timeout_ns,
        gateways_each=compute.probes.gateways,
        tasks=tuple(
            TaskDue(gateway, number, task.kind, task.target, task.interval_ns)
            for gateway in gateways
            for number, task in enumerate(tasks_of(gateway, compute, nodes))
        ),
    )
