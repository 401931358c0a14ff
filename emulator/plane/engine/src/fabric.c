#include "fabric.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "checksum.h"
#include "fragment.h"
#include "histogram.h"
#include "table.h" /* table_add, table_subtract */

enum { MIRROR_BUFFER_BYTES = 1 << 20, LEAST_QUEUE_BYTES = 65536, MOST_HOPS = 255, CUT_NS = 100000 };
#define RARE __attribute__((noinline)) /* kept out of what each hop runs through */
static const int64_t GONE = -1; /* for when a packet is at the next node: never */
#define MOST_DELAY_NS 4294967295.0
#define MOST_TRANSMISSION_NS 3600e9

static void *large(size_t n, size_t bytes) { /* zero, and taken as it is touched */
    void *at = mmap(NULL, n * bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* A packet's next hop is some 4 us away: fetch what it will need, of which among a million satellites nothing is in
 * any cache.  Nothing is believed here: an address that is wrong is never read, only asked for. */
static void fetch(void *context, uint32_t event) {
    struct fabric *fabric = context;
    const struct fabric_table *table = &fabric->table;
    const struct fabric_bank *bank = &table->bank[fabric->epoch & 1];
    const struct flight *flight = wheel_data(&fabric->wheel, event);
    uint64_t node = flight->node, pipe = node * table->laser_slots;
    if (flight->pipe != FABRIC_NO_PIPE) {
        __builtin_prefetch(&table->counters[flight->pipe], 1);
        __builtin_prefetch(&bank->pipe[flight->pipe]);
    }
    if (node >= table->n_nodes)
        return;
    __builtin_prefetch(&table->ipv4[node]);
    if (flight->epoch == (uint32_t)fabric->epoch && flight->row < table->destinations)
        __builtin_prefetch(&bank->next[flight->row * (uint64_t)table->n_nodes + node]);
    if (node >= table->n_satellites)
        return;
    __builtin_prefetch(&bank->pipe[pipe]);
    __builtin_prefetch(&table->background[pipe]);
    __builtin_prefetch(&fabric->state[pipe], 1);
    __builtin_prefetch((const char *)&fabric->state[pipe] + 64, 1);
    const char *counters = (const char *)&table->counters[pipe];
    for (uint32_t slot = 0; slot < 4; slot++)
        __builtin_prefetch(counters + slot * sizeof *table->counters, 1);
}

const char *fabric_open(struct fabric *fabric, int fd, struct pool *pool, uint32_t ports, uint32_t flights,
                        uint64_t seed) {
    *fabric = (struct fabric){.pool = pool, .ports = ports, .dice = seed};
    const char *fault = fabric_table_open(&fabric->table, fd);
    if (fault != NULL)
        return fault;
    fabric->state = large(fabric->table.n_pipes, sizeof *fabric->state);
    fabric->port_of_node = large(fabric->table.n_nodes, sizeof *fabric->port_of_node);
    fabric->node_of_port = large(ports, sizeof *fabric->node_of_port);
    if (!wheel_open(&fabric->wheel, flights) || fabric->state == NULL ||
        fabric->port_of_node == NULL || fabric->node_of_port == NULL)
        return "not enough memory for so many nodes";
    fabric->wheel.soon = fetch;
    fabric->wheel.context = fabric;
    return NULL;
}

static void end_mirror(struct fabric *fabric, uint32_t mirror) {
    capture_close(&fabric->mirror[mirror].file);
    close(fabric->mirror[mirror].file.fd);
    fabric->mirror[mirror] = fabric->mirror[--fabric->mirrors];
}

void fabric_close(struct fabric *fabric) {
    while (fabric->mirrors > 0)
        end_mirror(fabric, fabric->mirrors - 1);
    wheel_close(&fabric->wheel);
}

int fabric_bind(struct fabric *fabric, uint32_t port, uint32_t node) {
    if (port >= fabric->ports || node >= fabric->table.n_nodes)
        return EINVAL;
    if (fabric->node_of_port[port] != 0 || fabric->port_of_node[node] != 0)
        return EEXIST;
    fabric->node_of_port[port] = node + 1;
    fabric->port_of_node[node] = port + 1;
    return 0;
}

int fabric_unbind(struct fabric *fabric, uint32_t port) {
    if (port >= fabric->ports || fabric->node_of_port[port] == 0)
        return ENOENT;
    fabric->port_of_node[fabric->node_of_port[port] - 1] = 0;
    fabric->node_of_port[port] = 0;
    return 0;
}

static const struct fabric_bank *bank_of(const struct fabric *fabric) {
    return &fabric->table.bank[fabric->epoch & 1];
}

int fabric_read(struct fabric *fabric, uint32_t pipe, struct fabric_reading *reading) {
    if (pipe >= fabric->table.n_pipes)
        return ENOENT;
    *reading = (struct fabric_reading){.t0_mono_ns = bank_of(fabric)->head[0],
                                       .pipe = bank_of(fabric)->pipe[pipe],
                                       .background_ratio = fabric->table.background[pipe]};
    return 0;
}

int fabric_mirror(struct fabric *fabric, uint32_t of_node, uint32_t index, int fd) {
    if (of_node > 1 || index >= (of_node ? fabric->table.n_nodes : fabric->table.n_pipes))
        return EINVAL;
    if (fabric->mirrors == FABRIC_MIRRORS)
        return ENOSPC;
    struct mirror *mirror = &fabric->mirror[fabric->mirrors];
    *mirror = (struct mirror){.of_node = of_node, .index = index};
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t offset_ns = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec - mono_ns();
    char name[32];
    snprintf(name, sizeof name, "%s %u", of_node ? "node" : "pipe", index);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (capture_open(&mirror->file, fd, name, 0, MIRROR_BUFFER_BYTES, offset_ns) != NULL)
        return ENOMEM;
    fabric->mirrors++;
    return 0;
}

int fabric_end_mirror(struct fabric *fabric, uint32_t of_node, uint32_t index) {
    for (uint32_t i = 0; i < fabric->mirrors; i++)
        if (fabric->mirror[i].of_node == of_node && fabric->mirror[i].index == index) {
            end_mirror(fabric, i);
            return 0;
        }
    return ENOENT;
}

RARE static void mirror_packet(struct fabric *fabric, bool of_node, uint32_t index, const struct packet *packet,
                          uint8_t hops, int64_t at_ns) {
    for (uint32_t i = 0; i < fabric->mirrors; i++)
        if (fabric->mirror[i].of_node == of_node && fabric->mirror[i].index == index)
            capture_packet(&fabric->mirror[i].file, at_ns, 0, hops, packet->frame, packet->frame_bytes, &packet->shape);
}

/* splitmix64: Steele, Lea, Flood 2014 */
static double roll(struct fabric *fabric) {
    uint64_t z = (fabric->dice += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Take up the epoch that was published, once the instant from which it is valid has come. */
static void latch(struct fabric *fabric, int64_t at_ns) {
    uint64_t published = __atomic_load_n(&fabric->table.header->published, __ATOMIC_ACQUIRE);
    if (published != fabric->epoch && at_ns >= fabric->table.bank[published & 1].head[1]) {
        fabric->epoch = published;
        __atomic_store_n(&fabric->table.header->in_force, published, __ATOMIC_RELEASE);
    }
}

/* ---- a packet's own facts */

static const uint8_t *ip_of(const struct packet *packet) { return packet->frame + VNET_BYTES; }
static uint32_t get32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }
static bool is_v4(const uint8_t *ip) { return ip[0] >> 4 == 4; }

/* Whether an address is one of the mesh's: then its last four bytes. */
static bool mesh_address(const struct fabric *fabric, const uint8_t *ip, unsigned v4_at, unsigned v6_at, uint32_t *ipv4) {
    if (is_v4(ip))
        return *ipv4 = get32(ip + v4_at), true;
    *ipv4 = get32(ip + v6_at + 12);
    return memcmp(ip + v6_at, fabric->table.header->ipv6_prefix, 12) == 0;
}

static uint8_t ttl_of(const uint8_t *ip) { return is_v4(ip) ? ip[8] : ip[7]; }

/* Take hops off the time to live; of IPv4 the checksum follows (RFC 1624). */
static void age(uint8_t *ip, uint8_t hops) {
    if (!is_v4(ip)) {
        ip[7] = (uint8_t)(ip[7] - hops);
        return;
    }
    ip[8] = (uint8_t)(ip[8] - hops);
    uint32_t checksum = ((uint32_t)ip[10] << 8 | ip[11]) + ((uint32_t)hops << 8);
    checksum = (checksum & 0xffff) + (checksum >> 16);
    ip[10] = (uint8_t)(checksum >> 8), ip[11] = (uint8_t)checksum;
}

static uint32_t largest_bytes(const struct packet *packet) {
    return packet->shape.segments == 1 ? packet->shape.wire_bytes
                                       : (uint32_t)packet->shape.header_bytes + packet->shape.segment_bytes;
}

/* By how many nodes a packet has been forwarded: its own node sends it with the time to live it has. */
static uint8_t forwarded(const struct flight *flight) { return flight->hops > 0 ? (uint8_t)(flight->hops - 1) : 0; }

/* ---- flights */

static void fly(struct fabric *fabric, const struct flight *flight, int64_t at_ns) {
    uint32_t event = wheel_add(&fabric->wheel, at_ns);
    if (event == WHEEL_NONE) {
        table_add(&fabric->table.header->out_of_memory, flight->segments);
        if (flight->pipe != FABRIC_NO_PIPE) {
            struct fabric_counters *count = &fabric->table.counters[flight->pipe];
            table_add(&count->dropped_queue, flight->segments);
            table_subtract(&count->held, flight->segments);
        }
        pool_give(fabric->pool, flight->packet);
        return;
    }
    *(struct flight *)wheel_data(&fabric->wheel, event) = *flight;
}

static void carry(struct flight *flight, struct packet *packet) {
    flight->packet = packet;
    flight->wire_bytes = packet->shape.wire_bytes;
    flight->segments = (uint16_t)packet->shape.segments; /* each has a byte, of less than 65,536 */
}

static void begin(struct fabric *fabric, uint32_t node, struct packet *packet, uint32_t destination_ipv4,
                  int64_t at_ns) {
    struct flight flight = {.node = node, .pipe = FABRIC_NO_PIPE, .row = NO_ROW, .destination_ipv4 = destination_ipv4,
                            .epoch = FABRIC_NO_EPOCH, .ttl = ttl_of(ip_of(packet))};
    carry(&flight, packet);
    fly(fabric, &flight, at_ns);
}

/* The node tells the source why a packet goes no further; takes the packet. */
RARE static void refuse(struct fabric *fabric, const struct flight *flight, enum answer_reason reason, uint32_t mtu_bytes,
                   int64_t at_ns) {
    struct packet *packet = flight->packet;
    uint8_t frame[ANSWER_ERROR_MAX_FRAME_BYTES], from[16];
    const uint8_t *ip = ip_of(packet);
    uint32_t ipv4 = fabric->table.ipv4[flight->node], source;
    memcpy(from, fabric->table.header->ipv6_prefix, 12);
    uint8_t last[4] = {(uint8_t)(ipv4 >> 24), (uint8_t)(ipv4 >> 16), (uint8_t)(ipv4 >> 8), (uint8_t)ipv4};
    memcpy(is_v4(ip) ? from : from + 12, last, 4);
    size_t bytes = 0;
    if (mesh_address(fabric, ip, 12, 8, &source))
        bytes = answer_error(reason, packet->frame, packet->frame_bytes, forwarded(flight), from, mtu_bytes, frame);
    pool_give(fabric->pool, packet);
    struct packet *answer = bytes == 0 ? NULL : pool_take(fabric->pool, bytes);
    if (answer == NULL)
        return;
    memcpy(answer->frame, frame, bytes);
    answer->frame_bytes = (uint32_t)bytes;
    answer->shape = (struct shape){.segments = 1, .wire_bytes = (uint32_t)bytes - VNET_BYTES};
    table_add(&fabric->table.header->icmp_sent, 1);
    begin(fabric, flight->node, answer, source, at_ns);
}

static void record_lateness(struct fabric *fabric, int64_t late_ns, uint32_t packets) {
    table_add(&fabric->table.histogram[histogram_bin(late_ns)], packets);
    if (late_ns > 0 && (uint64_t)late_ns > fabric->table.header->max_late_ns)
        __atomic_store_n(&fabric->table.header->max_late_ns, (uint64_t)late_ns, __ATOMIC_RELAXED);
}

/* At its destination: out of the port, or, where no host is, what a host without any socket would say. */
RARE static void arrive_for_good(struct fabric *fabric, const struct flight *flight, int64_t at_ns, int64_t now_ns) {
    struct packet *packet = flight->packet;
    uint32_t port = fabric->port_of_node[flight->node], source;
    if (port != 0) {
        age(packet->frame + VNET_BYTES, forwarded(flight));
        record_lateness(fabric, now_ns - at_ns, packet->shape.segments);
        fabric->deliver(fabric->context, port - 1, packet);
        return;
    }
    struct packet *answer = packet->shape.segments == 1 ? pool_take(fabric->pool, packet->frame_bytes) : NULL;
    size_t bytes = 0;
    if (answer != NULL && mesh_address(fabric, ip_of(packet), 12, 8, &source))
        bytes = answer_echo(packet->frame, packet->frame_bytes, answer->frame);
    if (bytes == 0) {
        if (answer != NULL)
            pool_give(fabric->pool, answer);
        refuse(fabric, flight, ANSWER_NO_PORT, 0, at_ns);
        return;
    }
    answer->frame_bytes = (uint32_t)bytes;
    answer->shape = (struct shape){.segments = 1, .wire_bytes = (uint32_t)bytes - VNET_BYTES};
    pool_give(fabric->pool, packet);
    begin(fabric, flight->node, answer, source, at_ns);
}

/* ---- a hop */

static uint32_t row_of(struct fabric *fabric, struct flight *flight) {
    if (flight->epoch != (uint32_t)fabric->epoch) { /* rows may have been given anew */
        flight->epoch = (uint32_t)fabric->epoch;
        flight->row = fabric_row(&fabric->table, bank_of(fabric), flight->destination_ipv4);
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

static double bound_bytes(const struct fabric_kind *kind, double rate_bps) {
    if (kind->queue_bytes > 0)
        return (double)kind->queue_bytes;
    double bytes = rate_bps * (double)kind->queue_ns / 8e9;
    return bytes > LEAST_QUEUE_BYTES ? bytes : LEAST_QUEUE_BYTES;
}

static int64_t up(double ns) { /* to the whole nanosecond; below 2^62 */
    int64_t whole = (int64_t)ns;
    return whole + ((double)whole < ns);
}

/* Send a packet from its node into a pipe.  When it arrives at the other end, or GONE with the packet. */
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
        if (work_ns > 0 && work_ns * rate_bps / 8e9 + bytes > bound_bytes(kind, rate_bps))
            dropped = &count->dropped_queue;
        else
            state->at_ns = at_ns, state->work_ns = sending_ns = up(work_ns + transmission_ns);
    }
    if (dropped == NULL && kind->loss_ratio > 0 && roll(fabric) < kind->loss_ratio)
        dropped = &count->dropped_loss; /* it took its time on the wire all the same */
    if (dropped != NULL) {
        table_add(dropped, segments);
        pool_give(fabric->pool, flight->packet);
        return GONE;
    }
    int64_t out_ns = at_ns + sending_ns;
    double slope = way.slope_ns_per_s;
    double delay_ns = way.delay_ns + (slope == slope ? slope * 1e-9 * (double)(out_ns - bank_of(fabric)->head[0]) : 0);
    delay_ns = delay_ns > 0 ? delay_ns < MOST_DELAY_NS ? delay_ns : MOST_DELAY_NS : 0;
    int64_t due_ns = out_ns + up(delay_ns);
    if (due_ns < state->last_due_ns)
        due_ns = state->last_due_ns;
    state->last_due_ns = due_ns;
    if (fabric->mirrors > 0)
        mirror_packet(fabric, false, pipe, flight->packet, forwarded(flight), out_ns);
    table_add(&count->held, segments);
    flight->pipe = pipe;
    flight->node = fabric_far_node(way.word);
    flight->generation = fabric_generation(way.word);
    flight->hops++;
    return due_ns;
}

/* A packet that is larger than its next link takes: in fragments where it may be, else its source is told. */
RARE static void send_in_parts(struct fabric *fabric, const struct flight *flight, uint32_t pipe, struct fabric_pipe way,
                          uint32_t mtu_bytes, int64_t at_ns) {
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
            refuse(fabric, &refused, ANSWER_TOO_BIG, mtu_bytes, at_ns);
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
            carry(&part_of_it, fragment);
            int64_t due_ns = send(fabric, &part_of_it, pipe, way, at_ns);
            if (due_ns != GONE)
                fly(fabric, &part_of_it, due_ns);
        }
        pool_give(fabric->pool, segment);
        if (is_one)
            return;
    }
    pool_give(fabric->pool, whole);
}

/* A packet is at a node, and its link behind it.  When it is at the next one, or GONE. */
static int64_t arrive(struct fabric *fabric, struct flight *flight, int64_t at_ns, int64_t now_ns) {
    const struct fabric_bank *bank = bank_of(fabric);
    struct packet *packet = flight->packet;
    if (flight->pipe != FABRIC_NO_PIPE) {
        struct fabric_counters *count = &fabric->table.counters[flight->pipe];
        uint32_t word = bank->pipe[flight->pipe].word;
        table_subtract(&count->held, flight->segments);
        if (!fabric_is_up(word) || fabric_generation(word) != flight->generation ||
            flight->node >= fabric->table.n_nodes) {
            table_add(&count->dropped_down, flight->segments);
            pool_give(fabric->pool, packet);
            return GONE;
        }
        table_add(&count->packets_out, flight->segments);
        table_add(&count->bytes_out, flight->wire_bytes);
    }
    if (fabric->mirrors > 0)
        mirror_packet(fabric, true, flight->node, packet, forwarded(flight), at_ns);
    if (fabric->table.ipv4[flight->node] == flight->destination_ipv4) {
        arrive_for_good(fabric, flight, at_ns, now_ns);
        return GONE;
    }
    /* its own node sends it with the time to live it has; each node that forwards takes one off */
    if (flight->pipe != FABRIC_NO_PIPE && flight->ttl <= flight->hops) {
        refuse(fabric, flight, ANSWER_EXPIRED, 0, at_ns);
        return GONE;
    }
    uint32_t row = row_of(fabric, flight);
    uint32_t pipe = row == NO_ROW ? FABRIC_NO_PIPE : fabric_next_pipe(&fabric->table, bank, flight->node, row);
    if (pipe == FABRIC_NO_PIPE || flight->hops == MOST_HOPS) {
        refuse(fabric, flight, ANSWER_NO_NET, 0, at_ns);
        return GONE;
    }
    struct fabric_pipe way = bank->pipe[pipe];
    if (!fabric_is_up(way.word)) {
        struct fabric_counters *count = &fabric->table.counters[pipe];
        table_add(&count->packets_in, flight->segments);
        table_add(&count->bytes_in, flight->wire_bytes);
        table_add(&count->dropped_down, flight->segments);
        pool_give(fabric->pool, packet);
        return GONE;
    }
    uint64_t mtu_bytes = fabric->table.kind[pipe >= fabric->table.n_laser_pipes].mtu_bytes;
    bool may_be_too_large = mtu_bytes > 0 && mtu_bytes < WIRE_MAX_FRAME_BYTES && flight->wire_bytes > mtu_bytes;
    if (may_be_too_large && largest_bytes(packet) > mtu_bytes) {
        send_in_parts(fabric, flight, pipe, way, (uint32_t)mtu_bytes, at_ns);
        return GONE;
    }
    return send(fabric, flight, pipe, way, at_ns);
}

/* ---- the way in */

/* How many segments may travel as one, so that none waits for the others longer than CUT_NS at any hop. */
static uint32_t segments_in_a_cut(struct fabric *fabric, uint32_t node, uint32_t destination_ipv4,
                                  const struct shape *shape) {
    if (!shape->can_cut || shape->segments == 1)
        return shape->segments;
    if (fabric->table.kind[0].loss_ratio > 0 || fabric->table.kind[1].loss_ratio > 0)
        return 1; /* each is lost for itself */
    const struct fabric_bank *bank = bank_of(fabric);
    uint32_t row = fabric_row(&fabric->table, bank, destination_ipv4);
    double most_bytes = INFINITY;
    for (int hops = 0; row != NO_ROW && hops < MOST_HOPS && fabric->table.ipv4[node] != destination_ipv4; hops++) {
        uint32_t pipe = fabric_next_pipe(&fabric->table, bank, node, row);
        if (pipe == FABRIC_NO_PIPE)
            break;
        double rate_bps = bank->pipe[pipe].rate_bps, bytes = rate_bps * (CUT_NS / 8e9);
        if (rate_bps > 0) {
            double queue = bound_bytes(&fabric->table.kind[pipe >= fabric->table.n_laser_pipes], rate_bps) / 8;
            bytes = bytes < queue ? bytes : queue;
            most_bytes = bytes < most_bytes ? bytes : most_bytes;
        }
        node = fabric_far_node(bank->pipe[pipe].word);
        if (node >= fabric->table.n_nodes)
            break;
    }
    double segments = most_bytes / ((double)shape->header_bytes + shape->segment_bytes);
    return segments < 1 ? 1 : segments > shape->segments ? shape->segments : (uint32_t)segments;
}

void fabric_accept(struct fabric *fabric, uint32_t port, struct packet *packet, int64_t at_ns) {
    const uint8_t *ip = ip_of(packet);
    uint32_t source, destination;
    bool is_multicast = is_v4(ip) ? ip[16] >= 224 : ip[24] == 0xff;
    bool is_bound = port < fabric->ports && fabric->node_of_port[port] != 0;
    if (is_multicast || !is_bound) {
        if (!is_multicast) /* the kernel's own reports are nobody's doing */
            table_add(&fabric->table.header->no_port, packet->shape.segments);
        pool_give(fabric->pool, packet);
        return;
    }
    uint32_t node = fabric->node_of_port[port] - 1;
    bool ours = mesh_address(fabric, ip, 12, 8, &source) && source == fabric->table.ipv4[node];
    if (!ours && !fabric->table.allows_spoofing) {
        table_add(&fabric->table.header->spoofed, packet->shape.segments);
        pool_give(fabric->pool, packet);
        return;
    }
    if (!mesh_address(fabric, ip, 16, 24, &destination)) {
        refuse(fabric, &(struct flight){.packet = packet, .node = node}, ANSWER_NO_NET, 0, at_ns);
        return;
    }
    uint32_t step = segments_in_a_cut(fabric, node, destination, &packet->shape);
    if (step == packet->shape.segments) {
        begin(fabric, node, packet, destination, at_ns);
        return;
    }
    for (uint32_t first = 0; first < packet->shape.segments; first += step) {
        uint32_t count = packet->shape.segments - first < step ? packet->shape.segments - first : step;
        size_t bytes = wire_cut_bytes(&packet->shape, first, count);
        struct packet *cut = pool_take(fabric->pool, bytes);
        if (cut == NULL) {
            table_add(&fabric->table.header->out_of_memory, count);
            continue;
        }
        cut->frame_bytes = (uint32_t)bytes;
        cut->shape = wire_cut(packet->frame, &packet->shape, first, count, cut->frame);
        begin(fabric, node, cut, destination, at_ns);
    }
    pool_give(fabric->pool, packet);
}

void fabric_turn(struct fabric *fabric, int64_t now_ns, int most) {
    for (int done = 0; done < most; done++) {
        int64_t at_ns = wheel_next_ns(&fabric->wheel);
        if (at_ns > now_ns)
            break;
        latch(fabric, at_ns);
        uint32_t event = wheel_take(&fabric->wheel);
        int64_t due_ns = arrive(fabric, wheel_data(&fabric->wheel, event), at_ns, now_ns);
        if (due_ns == GONE)
            wheel_give(&fabric->wheel, event);
        else
            wheel_again(&fabric->wheel, event, due_ns);
    }
    if (wheel_next_ns(&fabric->wheel) > now_ns)
        latch(fabric, now_ns);
    for (uint32_t i = 0; i < fabric->mirrors; i++)
        capture_flush(&fabric->mirror[i].file);
}

int64_t fabric_next_ns(struct fabric *fabric) {
    int64_t next_ns = wheel_next_ns(&fabric->wheel);
    uint64_t published = __atomic_load_n(&fabric->table.header->published, __ATOMIC_ACQUIRE);
    if (published != fabric->epoch) {
        int64_t valid_ns = fabric->table.bank[published & 1].head[1];
        next_ns = valid_ns < next_ns ? valid_ns : next_ns;
    }
    return next_ns;
}
