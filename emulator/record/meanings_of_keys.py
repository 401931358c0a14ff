"""What each file of a record is, and each key of those that are JSON: for docs/record.md.

A line a key: name | unit, clock | meaning; of FILES: name | what it is | when it is written.  Lines that are
indented go on with the one before.
"""

from __future__ import annotations

from . import files

FILES = """
run.json | what was run, and where; by its key `orbitmesh_run` a folder is known as a record | before the
    first packet
samples.parquet | a row for each measurement | in parts in `samples/` each second, made one at the end
path-changes.parquet | a row for each change of a path that was measured on | likewise, in `path-changes/`
handovers.parquet | a row for each gateway that went over to other satellites, and each epoch | likewise,
    in `handovers/`
course.parquet | each second a row of the whole run: how late the link engine was, what all links carried
    and lost; and one of each gateway: its latency | likewise, in `course/`, every ten seconds
platforms.parquet | where the scenario has a [platform](platform.md): a row an epoch for each satellite
    with a process, and one for all others | likewise, in `platforms/`
answers.parquet | a row for each request of a customer, where the scenario has any | likewise, in
    `answers/`
links.parquet | what packets waited on the links by which customers are answered | likewise, in `links/`
training.parquet | where the scenario has [training](training.md): a row for each satellite and step |
    likewise, in `training/`
windows.jsonl | the moments in which the emulation was late or the host stood still | each second; in
    order, and those that touch made one, at the end
elements-N.tle, elements-N.omm | the orbital elements of shell N of the scenario, where it names
    a file of them | when the run begins
events.jsonl | what happened to the record itself | when it happens
ending.json | how the run ended, in room that was taken when the record was opened: a disk that has filled
    up cannot refuse it | when the run fails; it goes once the summary says the same
pairs.parquet | for each pair and kind what was due, sent, answered, and why not | at the end
summary.json | all figures and the verdict | at the end
"""

_WINDOWS = """
from_mono_ns | ns, monotonic | its begin
to_mono_ns | ns, monotonic | its end
cause |  | as above
worst_ns | ns | the most that something was late by in it
"""

_EVENTS = """
host_utc | machine's UTC | when
event |  | `began`, `fault`, `ended`, `intervention`, `intervention ended`, `paused`, `resumed`, `stepped`,
    `speed`, or how the recorder ended without the run
text |  | of a fault: the sentence
ended |  | of `ended`, of which the last counts: as in the summary
reason |  | likewise
intervention, what, by, number, sim_ns, until_sim_ns, rate_bps, extra_delay_ns, loss_ratio |  | of an
    intervention: what was failed or changed, who asked (`scenario`, `chance`, a user), with which epoch,
    and until when
by_ns, ratio |  | of a step (`stepped`), by how many ns; of a `speed`, how many times as fast; `sim_ns` and
    `by`: at which emulated instant, and who asked
"""

_ENDING = """
ended |  | as in the summary, which it stands in for
reason |  | likewise
"""

_RUN = """
orbitmesh_run |  | the format of all files of the folder
run_id |  | the scenario's name, when it began, and four digits
scenario |  | `name`, `title`, and the `sha256` of what was read
content |  | the scenario itself, its defaults filled in: keys and quantities as in a file
seed |  |
start_utc | emulated UTC | the instant of `sim_ns` 0
began_utc | machine's UTC | when the run began
duration_ns | ns | asked for
step_ns | ns | between two epochs
plane |  | `wired` or `fabric`
propagation | km | of each shell, how its satellites are moved, and the error of that
cross_plane_offsets |  | of each shell, which slots lasers join across planes
ground_links |  | by which policy stations choose their satellites, and why
arrangements |  | of each shell from a file: `planes`, `slots`, `order` (`file`: as read, `found`, or `no
    shape`), the largest distance of a satellite's node from its plane's (`node_off_deg`), of a plane from
    even spacing (`plane_off_deg`), of a satellite from an even slot (`slot_off_deg`), of inclinations in
    a plane (`inclination_off_deg`), and `is_poor`
backend |  | what carries the links
clock |  | `real`, `paced` or `stepped`
rate_scale |  | all rates were multiplied by it
machine |  | kernel, processors, memory, clock source, versions; `not_told`: facts that are missing, and why
awake |  | were idle processors kept awake (`held`), and if not, the `reason`
options |  | what else the caller noted
customers | ns | each class: `name`, `one_in`, and the `target` it is judged by
serving |  | what satellites serve, with all figures; null: nothing
training | ns | what satellites train: model, accelerators, tokens and computing of each in a step, bytes
    of the gradient (`gradient_bytes`), of those here (`emulated_bytes`) and of a message at the IP layer,
    and the `ring` in its order; null: nothing
error_budget | ns | what the calibration lets expect, or the `reason` why nothing; `distrusted`: what
    speaks against it
presets |  | that the scenario leans on: `family`, `name`, how many `figures` of each kind, and those of
    its `own`
platform |  | null, or the `preset` of the satellites' platform, its `title`, its `figures` as they were
    used, each with its origin, its `load` (the model's `mean_w` and of what kind it is, whose `hours`,
    and the `accelerators` beside what the platform's computers may draw), and the same of each of
    `shells` that has its own
schedule | ns | who was to measure what, how often, for how long
satellites |  | how many
gateways |  | their names
stations | deg, m | where each gateway stands: `latitude_deg`, `longitude_deg`, `altitude_m`; none where a
    version before this wrote it
known_as |  | of each satellite from a file, by node: its `name` and `catalog_number` there, and the
    `host_names` by which programs find it too
addresses |  | IPv4 by node
"""

_SUMMARY = """
format |  | as `orbitmesh_run`
run_id |  |
scenario |  |
seed |  |
ended |  | [how](concepts.md#how-a-run-ends): `completed`, `interrupted`, `failed`; of one without an end
    `killed`, `running`
reason |  | of a failure
trusted |  | is `doubts` empty?
doubts |  | what speaks against the run's figures
remarks |  | what was found, and is marked or counted: outages, losses, late moments
not_known |  | what would belong to the verdict and was not looked at
soundness | ns | `samples`, those `sound`, `sound_ratio`, the `bounds` beyond which a moment is a window;
    by cause the windows, their time, and the samples marked
start_utc | emulated UTC |
began_utc | machine's UTC |
ended_utc | machine's UTC |
duration_asked_ns | ns |
emulated_ns | ns, emulated | how much ran, from `began_sim_ns` on
began_sim_ns | ns, emulated | the instant at which the run began, once the mesh was built: its clock goes
    from its first epoch on
build_ns | ns | what building took
machine |  |
awake |  |
options |  |
plane |  |
backend |  |
clock |  |
clock_held_ns | ns | how long a paced clock stood still
clock_paused_ns | ns, real | how long emulated time stood still because [it was told to](how-to/time.md)
clock_pauses |  | how often it was paused; by whom, and at which emulated instant, is in `events.jsonl`
clock_steps |  | how many steps it was moved by
clock_speeds |  | the speeds that were asked for, in their order
satellites |  |
rate_scale |  |
rates | bit/s | of lasers and ground links, least and greatest, physical and emulated
ticks | ns | how many, how many over 10 ms late and by how much, what they cost
engine_lateness | ns | how late packets left: p50, p99, most; null on netem
error_budget | ns |
schedule | ns |
measurements |  | `due`, `sent`, `answered` in all, and `not_sent` by reason, with `no-way`
samples |  | received, lost, `lost_on_way` (there was a way), and what did not reach the record
light | ns | samples faster than light, and how near any came
presets |  |
platform |  | null, or the `preset`; over all satellites and `epochs` the means `sunlit_ratio` and
    `capacity_ratio`, the shares `held_back` by cause, `temperature_most_k` and `battery_least_j`;
    `shells` with a preset of their own; `load`: `by` what the scenario asks for it, the model's mean, how
    many `hosts` there are, in what share of their epochs it was measured (`measured_ratio`), and whether
    anything of it `depends_on_host`
path_changes |  | how many
handovers |  | `count`: how many times gateways went over to other satellites; `not_in_table`: of these, only
    counted, since more than 10,000 came at one instant; null: a version that recorded none
packets_dropped |  | by cause
interventions |  | null, or what was [failed or changed](how-to/faults.md): how many (`count`), the
    `packets_failed` (in flight on what failed, or sent there before routes knew) and `packets_lost` (by a
    loss that was set), and the `most` costly with their numbers, names, and who asked; both are among
    `packets_dropped`, as `down` and `loss`
dead_nodes |  | how each ended
gateways | ns | for each: `available_ratio`, `longest_gap_ns`, `due`, `sent`, `answered`, `lost_by_error`,
    and by kind the distributions of `measured`, `physical`, `remainder`; `sound`: the same of sound
    samples alone; `mean`: the parts, which add up
customers | ns | of each class: requests, answered, refused, quantiles with intervals, the share within
    the target (`met`: null where too few tell), goodput, `joules_per_request` and `joules_per_token`
    (what accelerators drew for those answered), `moved` (requests, moves, those without their cache,
    bytes), and the `causes` of what missed it
training | ns, bit/s | null, or [what a step took](training.md): p50 and `most` of `step_ns`,
    `compute_ns`, `all_reduce_ns` and its parts `bound_ns`, `headers_ns`, `host_ns`; `algorithm_bps` and
    `bus_bps` as nccl-tests have them, physical; what physics alone would allow (`…_bound_…`);
    `stragglers`, steps `failed` by reason, and those that the end `cut_off`
"""

#: By the file's name.
KEYS = {
    files.WINDOWS: _WINDOWS,
    files.EVENTS: _EVENTS,
    files.ENDING: _ENDING,
    files.RUN: _RUN,
    files.SUMMARY: _SUMMARY,
}
