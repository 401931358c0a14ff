#include "flight.h"

#include "checksum.h"
#include "fragment.h"
#include "table.h" /* table_add, table_subtract */

#define MOST_DELAY_NS 4294967295.0
#define MOST_TRANSMISSION_NS 3600e9

/* splitmix64: Steele, Lea, Flood 2014 */
static double roll(struct fabric *fabric) {
    uint64_t z = (fabric->dice += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static uint32_t largest_bytes(const struct packet *packet) {
    return packet->shape.segments == 1 ? packet->shape.wire_bytes
                                       : (uint32_t)packet->shape.header_bytes + packet->shape.segment_bytes;
}

static uint32_t row_of(struct fabric *fabric, struct flight *flight) {
    if (flight->epoch != (uint32_t)fabric->epoch) { /* rows may have been given anew */
        flight->epoch = (uint32_t)fabric->epoch;
        flight->row = fabric_row(&fabric->table, fabric_bank_of(fabric), flight->destination_ipv4);
    }
    return flight->row;
}

/* What of the work a transmitter had is left at an instant. */
static double work_left_ns(const struct fabric *fabric, uint32_t pipe, int64_t at_ns) {
    const struct pipe_state *state = &fabric->state[pipe];
    int64_t passed_ns = at_ns - state->at_ns;
    double background = fabric->table.background[pipe];
    if (!(background > 0)) /* also where somebody wrote a NaN */
        return state->work_ns > passed_ns ? (double)(state->work_ns - passed_ns) : 0;
    double left = (double)state->work_ns - (double)passed_ns * (1 - (background < 2 ? background : 2));
    if (state->at_ns == 0 || left < 0)
        return 0;
    return left < MOST_TRANSMISSION_NS ? left : MOST_TRANSMISSION_NS; /* a load beyond the rate lets it grow */
}

/* A link's own where it has one, or that of its kind; rolled for where it is above 0: not where it is a NaN. */
static double loss_ratio(const struct fabric *fabric, uint32_t pipe, const struct fabric_kind *kind) {
    float own = fabric->table.header->has_losses ? fabric->table.loss[pipe] : 0;
    return own != 0 ? own : kind->loss_ratio;
}

static int64_t up(double ns) { /* to the whole nanosecond; below 2^62 */
    int64_t whole = (int64_t)ns;
    return whole + ((double)whole < ns);
}

/* Send a packet from its node into a pipe.  When it arrives at the other end, or FLIGHT_GONE with the packet. */
static int64_t send(struct fabric *fabric, struct flight *flight, uint32_t pipe, struct fabric_pipe way,
                    int64_t at_ns) {
    struct fabric_counters *count = &fabric->table.counters[pipe];
    const struct fabric_kind *kind = &fabric->table.kind[pipe >= fabric->table.n_laser_pipes];
    struct pipe_state *state = &fabric->state[pipe];
    uint32_t segments = flight->segments, bytes = flight->wire_bytes;
    uint64_t *dropped = NULL;
    table_add(&count->packets_in, segments);
    table_add(&count->bytes_in, bytes);
    int64_t sending_ns = 0; /* what is before it, and itself */
    if (way.rate_bps > 0) {
        double rate_bps = way.rate_bps, work_ns = work_left_ns(fabric, pipe, at_ns);
        double transmission_ns = bytes * 8e9 / rate_bps;
        if (transmission_ns > MOST_TRANSMISSION_NS)
            transmission_ns = MOST_TRANSMISSION_NS;
        if (work_ns > 0) /* also of one that is dropped: it counts in packets_in */
            table_add(&fabric->table.waited_ns[pipe], segments * (uint64_t)work_ns);
        if (work_ns > 0 && work_ns * rate_bps / 8e9 + bytes > fabric_bound_bytes(kind, rate_bps))
            dropped = &count->dropped_queue;
        else
            state->at_ns = at_ns, state->work_ns = sending_ns = up(work_ns + transmission_ns);
    }
    double loss = loss_ratio(fabric, pipe, kind);
    if (dropped == NULL && loss > 0 && roll(fabric) < loss)
        dropped = &count->dropped_loss; /* it took its time on the wire all the same */
    if (dropped != NULL) {
        table_add(dropped, segments);
        pool_give(fabric->pool, flight->packet);
        return FLIGHT_GONE;
    }
    int64_t out_ns = at_ns + sending_ns;
    double slope = way.slope_ns_per_s;
    struct fabric_head head = *fabric_bank_of(fabric)->head;
    double since_ns = (double)head.ahead_ns + head.ratio * (double)(out_ns - head.t0_mono_ns);
    double delay_ns = way.delay_ns + (slope == slope && since_ns == since_ns ? slope * 1e-9 * since_ns : 0);
    delay_ns = delay_ns > 0 ? delay_ns < MOST_DELAY_NS ? delay_ns : MOST_DELAY_NS : 0;
    int64_t due_ns = out_ns + up(delay_ns);
    if (due_ns < state->last_due_ns)
        due_ns = state->last_due_ns;
    state->last_due_ns = due_ns;
    if (fabric->mirrors > 0)
        flight_mirror(fabric, false, pipe, flight->packet, flight_forwarded(flight), out_ns);
    table_add(&count->held, segments);
    flight->pipe = pipe;
    flight->node = fabric_far_node(way.word);
    flight->generation = fabric_generation(way.word);
    flight->hops++;
    return due_ns;
}

/* A packet that is larger than its next link takes: in fragments where it may be, else its source is told. */
RARE static void send_in_parts(struct fabric *fabric, const struct flight *flight, uint32_t pipe,
                               struct fabric_pipe way, uint32_t mtu_bytes, int64_t at_ns) {
    struct packet *whole = flight->packet;
    for (uint32_t first = 0; first < whole->shape.segments; first++) {
        bool is_one = whole->shape.segments == 1;
        size_t bytes = is_one ? whole->frame_bytes : wire_cut_bytes(&whole->shape, first, 1);
        struct packet *segment = is_one ? whole : pool_take(fabric->pool, bytes);
        if (segment == NULL) {
            table_add(&fabric->table.header->out_of_memory, 1);
            continue;
        }
        if (!is_one) {
            segment->frame_bytes = (uint32_t)bytes;
            segment->shape = wire_cut(whole->frame, &whole->shape, first, 1, segment->frame);
        }
        uint32_t parts = whole->shape.can_cut || is_one ? fragment_count(segment->frame, bytes, mtu_bytes) : 0;
        if (parts == 0) {
            struct flight refused = *flight;
            refused.packet = segment;
            flight_refuse(fabric, &refused, ANSWER_TOO_BIG, mtu_bytes, at_ns);
            if (is_one)
                return;
            break; /* one answer does for all */
        }
        checksum_complete(segment->frame, bytes);
        for (uint32_t part = 0; part < parts; part++) {
            struct packet *fragment = pool_take(fabric->pool, VNET_BYTES + mtu_bytes);
            if (fragment == NULL) {
                table_add(&fabric->table.header->out_of_memory, 1);
                continue;
            }
            fragment->frame_bytes = (uint32_t)fragment_make(segment->frame, bytes, mtu_bytes, part, fragment->frame);
            fragment->shape = (struct shape){.segments = 1, .wire_bytes = fragment->frame_bytes - VNET_BYTES};
            struct flight part_of_it = *flight;
            flight_carry(&part_of_it, fragment);
            int64_t due_ns = send(fabric, &part_of_it, pipe, way, at_ns);
            if (due_ns != FLIGHT_GONE)
                flight_add(fabric, &part_of_it, due_ns);
        }
        pool_give(fabric->pool, segment);
        if (is_one)
            return;
    }
    pool_give(fabric->pool, whole);
}

int64_t flight_hop(struct fabric *fabric, struct flight *flight, int64_t at_ns, int64_t now_ns) {
    const struct fabric_bank *bank = fabric_bank_of(fabric);
    struct packet *packet = flight->packet;
    if (flight->pipe != FABRIC_NO_PIPE) {
        struct fabric_counters *count = &fabric->table.counters[flight->pipe];
        uint32_t word = bank->pipe[flight->pipe].word;
        table_subtract(&count->held, flight->segments);
        if (!fabric_is_up(word) || fabric_generation(word) != flight->generation ||
            flight->node >= fabric->table.n_nodes) {
            table_add(&count->dropped_down, flight->segments);
            pool_give(fabric->pool, packet);
            return FLIGHT_GONE;
        }
        table_add(&count->packets_out, flight->segments);
        table_add(&count->bytes_out, flight->wire_bytes);
    }
    if (fabric->mirrors > 0)
        flight_mirror(fabric, true, flight->node, packet, flight_forwarded(flight), at_ns);
    if (fabric->table.ipv4[flight->node] == flight->destination_ipv4) {
        flight_arrived(fabric, flight, at_ns, now_ns);
        return FLIGHT_GONE;
    }
    /* its own node sends it with the time to live it has; each node that forwards takes one off */
    if (flight->pipe != FABRIC_NO_PIPE && flight->ttl <= flight->hops) {
        flight_refuse(fabric, flight, ANSWER_EXPIRED, 0, at_ns);
        return FLIGHT_GONE;
    }
    uint32_t row = row_of(fabric, flight);
    uint32_t pipe = row == NO_ROW ? FABRIC_NO_PIPE : fabric_next_pipe(&fabric->table, bank, flight->node, row);
    if (pipe == FABRIC_NO_PIPE || flight->hops == MOST_HOPS) {
        flight_refuse(fabric, flight, ANSWER_NO_NET, 0, at_ns);
        return FLIGHT_GONE;
    }
    struct fabric_pipe way = bank->pipe[pipe];
    if (!fabric_is_up(way.word)) {
        struct fabric_counters *count = &fabric->table.counters[pipe];
        table_add(&count->packets_in, flight->segments);
        table_add(&count->bytes_in, flight->wire_bytes);
        table_add(&count->dropped_down, flight->segments);
        pool_give(fabric->pool, packet);
        return FLIGHT_GONE;
    }
    uint64_t mtu_bytes = fabric->table.kind[pipe >= fabric->table.n_laser_pipes].mtu_bytes;
    bool may_be_too_large = mtu_bytes > 0 && mtu_bytes < WIRE_MAX_FRAME_BYTES && flight->wire_bytes > mtu_bytes;
    if (may_be_too_large && largest_bytes(packet) > mtu_bytes) {
        send_in_parts(fabric, flight, pipe, way, (uint32_t)mtu_bytes, at_ns);
        return FLIGHT_GONE;
    }
    return send(fabric, flight, pipe, way, at_ns);
}
