"""The snapshot: paths, delays and rates along them, and what one differs from another by."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitmesh.emulator.epoch import UNREACHABLE, Epoch, Links, Nodes, Routes
from orbitmesh.emulator.epoch.diff import diff

N = 6


def links(*rows: tuple[int, int, float, float, int, int]) -> Links:
    """a, b, delay_ns, slope, rate a→b, rate b→a."""
    ordered = sorted(rows)
    a, b, delay, slope, there, back = (
        np.array([row[i] for row in ordered], dtype)
        for i, dtype in enumerate((np.int32, np.int32, np.float64, np.float64, np.int64, np.int64))
    )
    return Links(a, b, np.zeros(len(rows), np.uint8), delay, slope, there, back)


def routes(table: dict[int, dict[int, int]]) -> Routes:
    """destination -> node -> next node."""
    next_node = np.full((len(table), N), UNREACHABLE, np.int32)
    for row, destination in enumerate(sorted(table)):
        for node, step in table[destination].items():
            if step != node:
                next_node[row, node] = step
    row, node = np.nonzero(next_node != UNREACHABLE)
    beside = np.unique(np.sort(np.column_stack([node, next_node[row, node]]), axis=1), axis=0).tolist()
    joined = links(*((a, b, 1.0, 0.0, 1, 1) for a, b in beside))
    return Routes.from_next_nodes(np.array(sorted(table), np.int32), next_node, joined, N)


def epoch(links: Links, routes: Routes, sim_ns: int = 0) -> Epoch:
    return Epoch(0, sim_ns, np.zeros((N, 3)), links, routes)


LINE = epoch(
    links((0, 1, 1e6, 10.0, 100, 90), (1, 2, 2e6, -20.0, 80, 70), (2, 5, 3e6, 0.0, 60, 50)),
    routes({0: {5: 2, 2: 1, 1: 0}, 5: {0: 1, 1: 2, 2: 5}}),
    sim_ns=10**9,
)


def test_nodes_by_name() -> None:
    number = np.arange(2, dtype=np.int32)
    nodes = Nodes(("sat-0-0", "sat-0-1", "gw-here"), 2, number * 0, number * 0, number)
    assert (len(nodes), nodes.n_gateways, nodes.index["gw-here"]) == (3, 1, 2)
    assert [nodes.is_gateway(i) for i in range(3)] == [False, False, True]


def test_a_link_is_found_from_both_sides() -> None:
    assert LINE.links.find(1, 2) == LINE.links.find(2, 1) == 1
    assert LINE.links.find(2, 5) == 2
    assert LINE.links.find(0, 5) == LINE.links.find(5, 4) == LINE.links.find(3, 3) == -1
    assert links().find(0, 1) == -1
    assert LINE.links.find(np.int32(2), np.int32(5)) == 2  # type: ignore[arg-type]
    assert (np.diff(LINE.links.key()) > 0).all()


def test_a_path_as_it_is_routed() -> None:
    assert LINE.path(0, 5) == (0, 1, 2, 5)
    assert LINE.path(5, 0) == (5, 2, 1, 0)
    assert LINE.path(3, 3) == (3,)
    assert LINE.path(3, 5) is None  # no way
    assert LINE.path(0, 4) is None  # not routed to
    assert LINE.path(0, 2) is None


def test_a_loop_is_no_path() -> None:
    assert epoch(LINE.links, routes({5: {0: 1, 1: 0}})).path(0, 5) is None


def test_delay_along_a_path_now_and_at_another_instant() -> None:
    assert LINE.path_delay_ns((0, 1, 2, 5)) == 6e6
    assert LINE.path_delay_ns((0, 1, 2, 5), at_sim_ns=3 * 10**9) == 6e6 - 20
    assert LINE.path_delay_ns((5, 2, 1, 0), at_sim_ns=0) == 6e6 + 10
    assert LINE.path_delay_ns((4,)) == 0.0
    assert isinstance(LINE.path_delay_ns((0, 1)), float)


def test_the_narrowest_rate_is_that_of_the_direction() -> None:
    assert LINE.narrowest_rate_bps((0, 1, 2)) == 80
    assert LINE.narrowest_rate_bps((2, 1, 0)) == 70
    assert LINE.narrowest_rate_bps((5, 2)) == 50
    assert LINE.narrowest_rate_bps((3,)) == 0


@pytest.mark.parametrize("path", [(0, 2), (0, 1, 5)])
def test_a_path_without_a_link_is_an_error(path: tuple[int, ...]) -> None:
    with pytest.raises(KeyError, match=f"no link between nodes {path[-2]} and {path[-1]}"):
        LINE.path_delay_ns(path)
    with pytest.raises(KeyError, match="no link between"):
        LINE.narrowest_rate_bps(path)


# -- diff -----------------------------------------------------------------------------------------

pairs = st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda p: p[0] < p[1])
some_links = st.dictionaries(pairs, st.tuples(st.floats(1, 1e7), st.floats(-1e4, 1e4)), max_size=12).map(
    lambda found: links(*((a, b, delay, slope, 1, 1) for (a, b), (delay, slope) in found.items()))
)
some_routes = st.dictionaries(
    st.integers(0, N - 1), st.dictionaries(st.integers(0, N - 1), st.integers(0, N - 1)), max_size=4
).map(routes)
epochs = st.builds(epoch, some_links, some_routes)


class Network:
    """What an emulated network holds, changed by diffs alone."""

    def __init__(self) -> None:
        self.links: dict[tuple[int, int], tuple[float, float]] = {}
        self.routes: dict[tuple[int, int], int] = {}

    def apply(self, old: Epoch | None, new: Epoch) -> None:
        change = diff(old, new)
        if old is not None:
            for row in change.removed:
                del self.links[int(old.links.a[row]), int(old.links.b[row])]
        for row in (*change.added, *change.kept):
            pair = int(new.links.a[row]), int(new.links.b[row])
            assert (pair in self.links) == (row in change.kept)
            self.links[pair] = float(new.links.delay_ns[row]), float(new.links.delay_slope_ns_per_s[row])
        for node, destination, step in zip(
            change.route_node.tolist(),
            change.route_destination.tolist(),
            change.route_next.tolist(),
            strict=True,
        ):
            if step == UNREACHABLE:
                del self.routes[node, destination]
            else:
                assert self.routes.get((node, destination)) != step  # only what changes is touched
                self.routes[node, destination] = step


def whole(wanted: Epoch) -> tuple[dict[tuple[int, int], tuple[float, float]], dict[tuple[int, int], int]]:
    rows = wanted.links
    held = {
        (int(a), int(b)): (float(delay), float(slope))
        for a, b, delay, slope in zip(rows.a, rows.b, rows.delay_ns, rows.delay_slope_ns_per_s, strict=True)
    }
    table = {
        (node, destination): int(step)
        for row, destination in enumerate(wanted.routes.destinations.tolist())
        for node, step in enumerate(wanted.routes.next_node[row])
        if step != UNREACHABLE
    }
    return held, table


@given(st.lists(epochs, min_size=1, max_size=4))
def test_diffs_replayed_are_the_last_epoch(series: list[Epoch]) -> None:
    network, old = Network(), None
    for new in series:
        network.apply(old, new)
        assert (network.links, network.routes) == whole(new)
        old = new


@given(epochs)
def test_the_diff_to_itself_changes_nothing(same: Epoch) -> None:
    change = diff(same, same)
    assert len(change.removed) == len(change.added) == len(change.route_node) == 0
    assert change.kept.tolist() == list(range(len(same.links)))


@given(epochs, epochs)
def test_rows_are_split_between_added_and_kept(old: Epoch, new: Epoch) -> None:
    change = diff(old, new)
    assert sorted([*change.added, *change.kept]) == list(range(len(new.links)))
    assert len(change.kept) + len(change.removed) == len(old.links)


def test_a_destination_that_is_no_longer_routed_to_is_withdrawn_everywhere() -> None:
    change = diff(LINE, epoch(LINE.links, routes({5: {0: 1, 1: 2, 2: 5}})))
    found = set(zip(change.route_node.tolist(), change.route_destination.tolist(), strict=True))
    assert found == {(5, 0), (2, 0), (1, 0)}
    assert (change.route_next == UNREACHABLE).all()
    assert change.route_node.dtype == change.route_destination.dtype == change.route_next.dtype == np.int32
