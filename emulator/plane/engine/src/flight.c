#include "flight.h"

#include "histogram.h"
#include "table.h" /* table_add, table_subtract */

void flight_add(struct fabric *fabric, const struct flight *flight, int64_t at_ns) {
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

void flight_begin(struct fabric *fabric, uint32_t node, struct packet *packet, uint32_t destination_ipv4,
                  int64_t at_ns) {
    struct flight flight = {.node = node, .pipe = FABRIC_NO_PIPE, .row = NO_ROW, .destination_ipv4 = destination_ipv4,
                            .epoch = FABRIC_NO_EPOCH, .ttl = packet_ttl(packet_ip(packet))};
    flight_carry(&flight, packet);
    flight_add(fabric, &flight, at_ns);
}

RARE void flight_refuse(struct fabric *fabric, const struct flight *flight, enum answer_reason reason,
                         uint32_t mtu_bytes, int64_t at_ns) {
    struct packet *packet = flight->packet;
    uint8_t frame[ANSWER_ERROR_MAX_FRAME_BYTES], from[16];
    const uint8_t *ip = packet_ip(packet);
    uint32_t ipv4 = fabric->table.ipv4[flight->node], source;
    memcpy(from, fabric->table.header->ipv6_prefix, 12);
    uint8_t last[4] = {(uint8_t)(ipv4 >> 24), (uint8_t)(ipv4 >> 16), (uint8_t)(ipv4 >> 8), (uint8_t)ipv4};
    memcpy(packet_is_v4(ip) ? from : from + 12, last, 4);
    size_t bytes = 0;
    if (fabric_address(fabric, ip, 12, 8, &source))
        bytes = answer_error(reason, packet->frame, packet->frame_bytes, flight_forwarded(flight), from, mtu_bytes,
                             frame);
    pool_give(fabric->pool, packet);
    struct packet *answer = bytes == 0 ? NULL : pool_take(fabric->pool, bytes);
    if (answer == NULL)
        return;
    memcpy(answer->frame, frame, bytes);
    answer->frame_bytes = (uint32_t)bytes;
    answer->shape = (struct shape){.segments = 1, .wire_bytes = (uint32_t)bytes - VNET_BYTES};
    table_add(&fabric->table.header->icmp_sent, 1);
    flight_begin(fabric, flight->node, answer, source, at_ns);
}

static void record_lateness(struct fabric *fabric, int64_t late_ns, uint32_t packets) {
    table_add(&fabric->table.histogram[histogram_bin(late_ns)], packets);
    if (late_ns > 0 && (uint64_t)late_ns > fabric->table.header->max_late_ns)
        __atomic_store_n(&fabric->table.header->max_late_ns, (uint64_t)late_ns, __ATOMIC_RELAXED);
}

RARE void flight_arrived(struct fabric *fabric, const struct flight *flight, int64_t at_ns, int64_t now_ns) {
    struct packet *packet = flight->packet;
    uint32_t port = fabric->port_of_node[flight->node], source;
    if (port != 0) {
        packet_age(packet->frame + VNET_BYTES, flight_forwarded(flight));
        record_lateness(fabric, now_ns - at_ns, packet->shape.segments);
        fabric->deliver(fabric->context, port - 1, packet);
        return;
    }
    struct packet *answer = packet->shape.segments == 1 ? pool_take(fabric->pool, packet->frame_bytes) : NULL;
    size_t bytes = 0;
    if (answer != NULL && fabric_address(fabric, packet_ip(packet), 12, 8, &source))
        bytes = answer_echo(packet->frame, packet->frame_bytes, answer->frame);
    if (bytes == 0) {
        if (answer != NULL)
            pool_give(fabric->pool, answer);
        flight_refuse(fabric, flight, ANSWER_NO_PORT, 0, at_ns);
        return;
    }
    answer->frame_bytes = (uint32_t)bytes;
    answer->shape = (struct shape){.segments = 1, .wire_bytes = (uint32_t)bytes - VNET_BYTES};
    pool_give(fabric->pool, packet);
    flight_begin(fabric, flight->node, answer, source, at_ns);
}
