#include "flight.h"

#include <math.h>

#include "table.h" /* table_add */

enum { CUT_NS = 100000 };

/* How many segments may travel as one, so that none waits for the others longer than CUT_NS at any hop. */
static uint32_t segments_in_a_cut(struct fabric *fabric, uint32_t node, uint32_t destination_ipv4,
                                  const struct shape *shape) {
    if (!shape->can_cut || shape->segments == 1)
        return shape->segments;
    if (fabric->table.kind[0].loss_ratio > 0 || fabric->table.kind[1].loss_ratio > 0)
        return 1; /* each is lost for itself */
    const struct fabric_bank *bank = fabric_bank_of(fabric);
    uint32_t row = fabric_row(&fabric->table, bank, destination_ipv4);
    double most_bytes = INFINITY;
    for (int hops = 0; row != NO_ROW && hops < MOST_HOPS && fabric->table.ipv4[node] != destination_ipv4; hops++) {
        uint32_t pipe = fabric_next_pipe(&fabric->table, bank, node, row);
        if (pipe == FABRIC_NO_PIPE)
            break;
        double rate_bps = bank->pipe[pipe].rate_bps, bytes = rate_bps * (CUT_NS / 8e9);
        if (rate_bps > 0) {
            double queue = fabric_bound_bytes(&fabric->table.kind[pipe >= fabric->table.n_laser_pipes], rate_bps) / 8;
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
    const uint8_t *ip = packet_ip(packet);
    uint32_t source, destination;
    bool is_multicast = packet_is_v4(ip) ? ip[16] >= 224 : ip[24] == 0xff;
    bool is_bound = port < fabric->ports && fabric->node_of_port[port] != 0;
    if (is_multicast || !is_bound) {
        if (!is_multicast) /* the kernel's own reports are nobody's doing */
            table_add(&fabric->table.header->no_port, packet->shape.segments);
        pool_give(fabric->pool, packet);
        return;
    }
    uint32_t node = fabric->node_of_port[port] - 1;
    bool ours = fabric_address(fabric, ip, 12, 8, &source) && source == fabric->table.ipv4[node];
    if (!ours && !fabric->table.allows_spoofing) {
        table_add(&fabric->table.header->spoofed, packet->shape.segments);
        pool_give(fabric->pool, packet);
        return;
    }
    if (!fabric_address(fabric, ip, 16, 24, &destination)) {
        flight_refuse(fabric, &(struct flight){.packet = packet, .node = node}, ANSWER_NO_NET, 0, at_ns);
        return;
    }
    uint32_t step = segments_in_a_cut(fabric, node, destination, &packet->shape);
    if (step == packet->shape.segments) {
        flight_begin(fabric, node, packet, destination, at_ns);
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
        flight_begin(fabric, node, cut, destination, at_ns);
    }
    pool_give(fabric->pool, packet);
}
