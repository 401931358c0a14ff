"""The truth of a sample: in which epoch it flew, by which path, what light needs; and what changes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from record_fakes import C_KM_PER_NS, ROW, STEP_NS, T0, history_of, sample, small_world

from orbitmesh.emulator.course import Course
from orbitmesh.emulator.errors import RunError
from orbitmesh.emulator.record.truth import History


class TestTruth:
    def test_the_path_is_as_long_as_at_the_instant_of_sending(self) -> None:
        world = small_world()
        epoch = world.epoch(0, 0, ROW)
        sent = T0 + 400_000_000
        found = history_of(world, epoch).truth(sample("sat-0-1", "gw-tokyo", 1, sent, 30_000_000))
        assert found is not None
        path = epoch.path(1, 5)
        assert path == (1, 2, 3, 5)
        assert found.path == "sat-0-1>sat-0-2>sat-0-3>gw-tokyo"
        assert found.path_backward == "gw-tokyo>sat-0-3>sat-0-2>sat-0-1"
        assert found.hops == 3
        # there and back, by Epoch's own arithmetic at that instant
        assert found.propagation_ns == pytest.approx(2 * epoch.path_delay_ns(path, 400_000_000), abs=1e-3)
        assert found.sim_ns == 400_000_000
        assert not found.straddles_epoch

    def test_the_instant_of_sending_goes_on_while_a_tick_is_late_and_stands_while_the_clock_does(
        self,
    ) -> None:
        world = small_world()
        epochs = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW)
        sent = sample("sat-0-0", "gw-london", 1, T0 + STEP_NS + 70_000_000, 1)
        late = history_of(world, *epochs, late_ns=90_000_000).truth(sent)
        assert late is not None
        assert (late.epoch_number, late.sim_ns) == (0, STEP_NS + 70_000_000)

        paced = History(world.who, 0.001)
        paced.add(epochs[0], T0, T0, T0 + 1)
        held_until = T0 + STEP_NS + 90_000_000
        paced.add(epochs[1], held_until, held_until, held_until + 1_000_000)
        held = paced.truth(sent)
        assert held is not None
        assert (held.epoch_number, held.sim_ns) == (0, STEP_NS)

    def test_across_a_pause_and_a_speed_a_sample_stands_at_the_emulated_instant_when_it_flew(self) -> None:
        world = small_world()
        epoch = world.epoch(0, 0, ROW)
        history = history_of(world, epoch)
        paused, resumed = T0 + 300_000_000, T0 + 900_000_000
        history.turn(Course(300_000_000, paused, 0.0), paused, paused + 1)
        history.turn(Course(300_000_000, resumed, 4.0), resumed, resumed + 1)
        path = epoch.path(1, 5)
        assert path is not None
        for at_ns, sim_ns in ((200, 200), (300, 300), (700, 300), (900, 300), (950, 500)):
            found = history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + at_ns * 1_000_000, 30_000_000))
            assert found is not None
            assert found.sim_ns == sim_ns * 1_000_000
            assert found.epoch_number == 0
            assert found.propagation_ns == pytest.approx(
                2 * epoch.path_delay_ns(path, found.sim_ns), abs=1e-3
            )
        # while time stands still, so do the nodes
        lines = {
            history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + at_ns * 1_000_000, 1)).straight_line_ns  # type: ignore[union-attr]
            for at_ns in (400, 600, 800)
        }
        assert len(lines) == 1

    def test_a_step_stands_beside_the_epochs_that_it_passed(self) -> None:
        world = small_world()
        history = History(world.who, 0.001)
        for number in range(3):  # a millisecond each, of the machine's time
            at = T0 + number * 1_000_000
            epoch = world.epoch(number, number * STEP_NS, ROW)
            history.add(epoch, Course(epoch.sim_ns, at, 0.0), at, at + 1)
        for at_ns, number in ((500_000, 0), (1_500_000, 1), (9_000_000_000, 2)):
            found = history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + at_ns, 1))
            assert found is not None
            assert (found.epoch_number, found.sim_ns) == (number, number * STEP_NS)

    def test_straight_line_by_hand(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW))
        found = history.truth(sample("sat-0-0", "gw-london", 1, T0 + 500_000_000, 4_000_000))
        assert found is not None
        # halfway between the epochs the satellite is at x = 3.5 km, the gateway at 100 km, 550 km below
        assert found.straight_line_ns == pytest.approx(2 * math.hypot(96.5, 550) / C_KM_PER_NS, abs=0.01)

    def test_the_narrowest_link_of_both_ways_and_its_emulated_rate(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW))
        found = history.truth(sample("sat-0-0", "gw-london", 1, T0 + 5_000_000, 4_000_000))
        assert found is not None
        assert found.narrowest_rate_bps == 10_000_000_000  # up the ground link; down it is twice that
        assert found.narrowest_emulated_bps == 10_000_000
        # 76 bytes at 10 Mbit/s one way, at 20 Mbit/s the other
        assert found.serialisation_ns == pytest.approx(60_800 + 30_400)

    def test_serialisation_is_unknown_where_the_sample_does_not_say_its_size(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW))
        found = history.truth(
            sample("sat-0-0", "gw-london", 1, T0 + 5_000_000, 4_000_000, bytes_up=0, bytes_down=0)
        )
        assert found is not None
        assert found.serialisation_ns is None

    def test_the_old_epoch_goes_on_while_the_next_one_is_late(self) -> None:
        world = small_world()
        old, new = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW)
        history = history_of(world, old, new, late_ns=200_000_000, commit_ns=10_000_000)
        for ahead_ns, expected in ((1_100_000_000, 0), (1_205_000_000, 0), (1_211_000_000, 1)):
            found = history.truth(sample("sat-0-0", "gw-london", 1, T0 + ahead_ns, 1_000))
            assert found is not None
            assert found.epoch_number == expected
            epoch = (old, new)[expected]
            assert found.propagation_ns == pytest.approx(2 * epoch.path_delay_ns((0, 4), ahead_ns), abs=1e-3)

    def test_a_sample_over_a_boundary_says_so_and_whether_its_path_changed(self) -> None:
        world = small_world()
        rows = {}
        for name, pairs in (("same", ROW), ("changed", [*ROW[:-1], (2, 5)])):
            history = history_of(world, world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, pairs))
            found = history.truth(sample("sat-0-1", "gw-tokyo", 1, T0 + STEP_NS - 10_000_000, 30_000_000))
            assert found is not None
            assert found.straddles_epoch
            rows[name] = found
        assert rows["same"].one_path
        assert not rows["changed"].one_path
        assert rows["changed"].path == "sat-0-1>sat-0-2>sat-0-3>gw-tokyo"  # as of sending

    def test_unreachable_and_before_the_first_epoch(self) -> None:
        world = small_world()
        history = history_of(world, world.epoch(0, 0, ROW[:-1]))
        found = history.truth(sample("sat-0-0", "gw-tokyo", 1, T0 + 5_000_000, 1))
        assert found is not None
        assert (found.path, found.hops, found.propagation_ns) == (None, None, None)
        assert history.truth(sample("sat-0-0", "gw-london", 1, T0 - 1, 1)) is None

    def test_old_epochs_are_let_go_and_the_one_still_in_force_is_kept(self) -> None:
        world = small_world()
        history = History(world.who, 1.0, keep_ns=10 * STEP_NS)
        epoch = world.epoch(0, 0, ROW)
        for number in range(100):
            t0 = T0 + number * STEP_NS
            history.add(replace(epoch, number=number, sim_ns=number * STEP_NS), t0, t0, t0)
        assert len(history) <= 12
        oldest = T0 + 89 * STEP_NS
        found = history.truth(sample("sat-0-0", "gw-london", 1, oldest, 1))
        assert found is not None
        assert found.epoch_number == 89
        assert history.truth(sample("sat-0-0", "gw-london", 1, T0, 1)) is None

    def test_a_route_over_a_link_that_is_not_there_is_named(self) -> None:
        world = small_world()
        whole, without = world.epoch(0, 0, ROW), world.epoch(0, 0, ROW[1:])
        history = history_of(world, replace(without, routes=whole.routes))
        with pytest.raises(RunError, match="epoch 0 routes sat-0-0 to gw-tokyo over sat-0-0 and sat-0-1"):
            history.truth(sample("sat-0-0", "gw-tokyo", 1, T0 + 5_000_000, 1))


class TestChanges:
    def test_a_changed_path_is_told_with_both_delays(self) -> None:
        world = small_world()
        old, new = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, [*ROW[:-1], (2, 5)])
        history = history_of(world, old, new)
        (change,) = history.changes([("sat-0-1", "gw-tokyo"), ("sat-0-0", "gw-london")])
        assert (change.src, change.dst, change.sim_ns, change.epoch_number) == (
            "sat-0-1",
            "gw-tokyo",
            STEP_NS,
            1,
        )
        assert change.old_path == "sat-0-1>sat-0-2>sat-0-3>gw-tokyo"
        assert change.new_path == "sat-0-1>sat-0-2>gw-tokyo"
        assert change.old_delay_ns == pytest.approx(old.path_delay_ns((1, 2, 3, 5), STEP_NS))
        assert change.new_delay_ns == pytest.approx(new.path_delay_ns((1, 2, 5)))

    def test_a_way_that_ends_and_one_that_begins(self) -> None:
        world = small_world()
        with_it, without = world.epoch(0, 0, ROW), world.epoch(1, STEP_NS, ROW[:-1])
        (gone,) = history_of(world, with_it, without).changes([("sat-0-3", "gw-tokyo")])
        assert (gone.new_path, gone.new_delay_ns) == (None, None)
        back = replace(with_it, number=2, sim_ns=2 * STEP_NS)
        (come,) = history_of(world, without, back).changes([("sat-0-3", "gw-tokyo")])
        assert (come.old_path, come.old_delay_ns) == (None, None)
        assert come.new_path == "sat-0-3>gw-tokyo"

    def test_the_first_epoch_changes_nothing(self) -> None:
        world = small_world()
        assert not list(history_of(world, world.epoch(0, 0, ROW)).changes([("sat-0-3", "gw-tokyo")]))
