"""What each column of a record's tables means, with its unit and clock.

For docs/record.md (see described.py) and the schemas of the tables themselves.

A line a column: name | unit, clock | meaning.  Lines that are indented go on with the one before.
"""

from __future__ import annotations

from . import files

_SAMPLES = """
sim_utc | emulated UTC | when it was sent
sim_ns | ns, emulated | when it was sent, since the scenario's start
sent_mono_ns | ns, monotonic | just before the call
done_mono_ns | ns, monotonic | after the answer, or when it was given up
kind |  | `udp`, `grpc` or `task`
src |  | the node that asked
dst |  | the node that was asked; null where a task found nobody to go to
seq |  | number, counted by `src` for each stream
ok |  | did an answer come in time?
error |  | why no answer came; null where one did
task |  | of a task, what was computed
path |  | nodes that the request was routed over, joined by `>`; null: no way
path_backward |  | nodes that the answer was routed over
hops |  | links on `path`
propagation_ns | ns | what light needs along both paths, there and back
straight_line_ns | ns | what light would need through the Earth, there and back: nothing can be faster
serialisation_ns | ns | sending the bytes over each link, both ways
narrowest_rate_bps | bit/s | the least physical rate on both paths
narrowest_emulated_bps | bit/s | that rate as it is emulated (times `rate_scale`)
measured_ns | ns | from `sent` to the answer, as the process saw it; null without one
remainder_ns | ns | measured less propagation, serialisation, queue and compute; null where the path
    changed meanwhile
forward_ns | ns | the way there alone, where the far end said when it came
backward_ns | ns | the way back alone
queue_ns | ns | of a task, how long it waited in the serving node
compute_ns | ns | of a task, how long it was computed
first_ns | ns | of a task that streams, until the first of its answers
bytes_up | bytes | of the request, without headers
bytes_down | bytes | of the answer
epoch_number |  | the epoch in force when it was sent; null: not known
straddles_epoch |  | did another one come into force on its way?
sound |  | did it touch no moment of `windows.jsonl`? null in a part of a run that has not ended
doubt |  | if not sound, the gravest cause (below)
"""

_PATH_CHANGES = """
sim_utc | emulated UTC | the instant of the epoch that changed it
sim_ns | ns, emulated | that instant, since the scenario's start
epoch_number |  | the epoch that changed it
src |  | from which node
dst |  | to which node
old_path |  | the nodes before, joined by `>`; null: there was no way
new_path |  | the nodes since; null: there is none
old_delay_ns | ns | one way, along the old one
new_delay_ns | ns | one way, along the new one
"""

_HANDOVERS = """
sim_utc | emulated UTC | the instant of the epoch with which it came
sim_ns | ns, emulated | that instant, since the scenario's start
epoch_number |  | the epoch with which it came
gateway |  | which gateway
left |  | the satellites that it has a link to no more, joined by `+`; null: none
joined |  | the satellites that it has a link to from then on, joined by `+`; null: none
cause |  | why those were left: `failed` (the satellite, the gateway, their link or an antenna, as far as
    routes know), `set` (in sight no more), `chosen` (in sight still, and the policy took another); of
    several the first of these; null: none was left
"""

_COURSE = """
sim_utc | emulated UTC | the end of the second
sim_ns | ns, emulated | the end of the second, since the scenario's start
mono_ns | ns, monotonic | the end of the second
lasted_ns | ns | how long it was: since the row before; null in a row of a gateway
late_packets |  | packets that left the link engine in it, of which the next three are
late_p50_ns | ns | by how much they left later than they should, median
late_p99_ns | ns | by how much, of 99 in a hundred at most
late_max_ns | ns | by how much, the latest, to within its bin
bytes | bytes | carried by all links together in it, both ways, at emulated rates; null: not counted
packets |  | carried by all links together
lost |  | packets that links lost: by a full queue, a loss ratio, or since they were down
gateway |  | of which the row is; null: of the whole run, and the next three are null
samples |  | its measurements of the last ten seconds, as the next two
measured_p50_ns | ns | the median of its UDP probes there and back; of gRPC probes where there are no others
physical_p50_ns | ns | the median of what light needs for the same
"""

_PLATFORMS = """
sim_utc | emulated UTC | the instant of the epoch
sim_ns | ns, emulated | that instant, since the scenario's start
epoch_number |  | the epoch
satellite |  | of which the row is; null: of all others together
satellites |  | how many the row is of
sunlit_ratio | share | what part of the Sun's disk in sight
battery_j | J | held by the battery
battery_least_j | J | the least of any of them
temperature_k | K | of the radiator
temperature_most_k | K | the highest of any of them
demand_w | W | what the computers would draw if nothing held them back
power_w | W | what computers and bus drew
throttle_ratio | share | of the demand that was not granted
capacity_ratio | share | of the rate at peak power that was possible
held_back |  | how many were allowed less than they asked for
cause |  | of one: `heat`, `eclipse` or `energy`; null: nothing held it back
measured |  | how many of them reported what their accelerators drew: that row depends on the machine; 0:
    it follows from scenario and seed
"""

_ANSWERS = """
sim_utc | emulated UTC | when it was sent
sim_ns | ns, emulated | when it was sent, since the scenario's start
customer_class |  | the class's name in the scenario
src |  | the gateway
dst |  | the satellite; null: there was none to ask
number |  | its number among those of the class at its gateway, from 0; those without packets count too
due_mono_ns | ns, monotonic | when the customer asked
sent_mono_ns | ns, monotonic | when the gateway sent it
done_mono_ns | ns, monotonic | when the last token came
ok |  | was it answered in full?
refused |  | was that the satellite's own word, or that of the policy that [places](how-to/placement.md)
    requests?
error |  | why there was no answer; `cut-off`: under way when the run ended
retry_ns | ns | in how long it was told to ask again: by the satellite's status, or by the policy; null
    where nobody said
prompt_tokens |  | tokens of its prompt
output_tokens |  | tokens that came
bytes_up | bytes | of the request, without headers
bytes_down | bytes | of the answer, without headers
late_ns | ns | from when it was due to when it left: the gateway's process, or a connection still being
    made
ttft_ns | ns | from when it was due to its first token
answer_ns | ns | from when it was due to its last token
propagation_ns | ns | light along the path, there and back, when it was sent
propagation_done_ns | ns | light along the path, there and back, when the last token came
serialisation_ns | ns | sending the request and of the first message on the links of the path
queue_ns | ns | in the accelerator's queue, by the model
prefill_ns | ns | computing its prompt, by the model
decode_ns | ns | computing its tokens after the first, by the model
throttled_ns | ns | part of queue, prefill and decode: what they took longer for want of power
throttled_queue_ns | ns | part of `throttled_ns`: before its own first step
throttled_prefill_ns | ns | part of `throttled_ns`: from its first step to its first token
throttled_by |  | what held its satellite back: `heat`, `eclipse` or `energy`
preempted |  | how often it lost its place in the batch
moved_ns | ns | between two satellites: from its pause at one to when another went on with it
moved_first_ns | ns | part of `moved_ns`: before the first token
moves |  | how often it moved
recomputed |  | how many of its moves were without its KV cache, which was computed anew
moved_bytes | bytes | of KV cache, sent over the links
moved_to |  | the satellite that answered it to the end; null: it did not move
energy_j | J | what computing it took, by the model
node_late_p50_ns | ns | how much later than modelled its tokens left the satellite
node_late_p99_ns | ns | how much later than modelled, of the latest in a hundred of its messages
links_first_ns | ns | what packets waited on its links behind others when its request and its first
    message passed; 0 also where nothing counts that (netem)
links_done_ns | ns | what packets waited on its links behind others, of its request and its last message
link |  | on which of its links packets waited most, `a>b`; where sending took longer than waiting,
    the narrowest
lost_first |  | packets, of whomever, that the links of its way lost until its first token came
lost_done |  | packets, of whomever, that the links of its way lost until its last token came
path |  | its way when it was sent, node names joined by `>`
path_done |  | its way when the last token came
epoch_number |  | the epoch in force when it was sent
sound |  | was no slow moment of this machine under way?
doubt |  | if one was, of which kind (see windows.jsonl)
"""

_LINKS = """
since_mono_ns | ns, monotonic | the look before
until_mono_ns | ns, monotonic | this look
link |  | from its first node to its second, `a>b`
packets |  | packets that came to it
waited_ns | ns | that they waited there for those before them, all together
lost |  | packets lost by its loss ratio, or since its queue was full
"""

_TRAINING = """
sim_utc | emulated UTC | when it was ready to all-reduce
sim_ns | ns, emulated | when it was ready to all-reduce, since the scenario's start
step |  | its number, from 0
satellite |  | of which the row is
place |  | its place in the ring: it sends to the next
began_mono_ns | ns, monotonic | when it began the step
sent_mono_ns | ns, monotonic | when it was ready to all-reduce
computed_mono_ns | ns, monotonic | when its computing ended, by the model
done_mono_ns | ns, monotonic | when it had the sum
ok |  | has it the sum, and is it right?
error |  | why not: `timeout`, `a neighbour closed`, `wrong sum in N` (numbers of it)
compute_ns | ns | what its computing took
held_ns | ns | part of `compute_ns`: what it took longer than at full speed
held_by |  | what held it back: `heat`, `eclipse` or `energy`
all_reduce_ns | ns | what its all-reduce took, waiting for others included
waited_ns | ns | part of `all_reduce_ns`: until the first message of the one before it was there
bytes_sent | bytes | on its link, without headers of TCP and IP
bound_ns | ns | the least that the all-reduce takes by the rates and delays of the links of that instant;
    null: a member had no way to the next
headers_ns | ns | what the headers of TCP and IP add to `bound_ns`
most_hops |  | the longest way from a member to the next
sound |  | did it touch no moment of `windows.jsonl`? An all-reduce of seconds touches some late
    moment nearly always
doubt |  | if not sound, the gravest cause
"""

_PAIRS = """
src |  | who measures
dst |  | what is measured; null for tasks
kind |  | `udp`, `grpc` or `task`
available_ratio | share | of the time, there was a way between them (of a task: to any satellite with a
    process)
longest_gap_ns | ns | the longest time without a way
due |  | how many were due; null: not known
sent |  | how many were sent
answered |  | how many of these were answered
sound |  | how many of those sent are sound
overslept |  | not sent: the node's process did not run at the instant
unheard |  | due, and neither a sample nor a reason came
connecting |  | not sent: the gRPC connection was still being made
starting |  | not sent: the peer was only just starting
cut_off |  | under way when the run ended
measured_p50_ns | ns | median of `measured_ns` of its samples
physical_p50_ns | ns | median of `propagation_ns` of the same
"""

#: By the table's name.
TABLES = {
    files.SAMPLES: _SAMPLES,
    files.PATH_CHANGES: _PATH_CHANGES,
    files.HANDOVERS: _HANDOVERS,
    files.COURSE: _COURSE,
    files.PLATFORMS: _PLATFORMS,
    files.ANSWERS: _ANSWERS,
    files.LINKS: _LINKS,
    files.TRAINING: _TRAINING,
    files.PAIRS.removesuffix(".parquet"): _PAIRS,
}
