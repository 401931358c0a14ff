/* A packet under way in the fabric: between the fabric's own files, and for nobody else.
 *
 * flight_begin() puts it on its way, flight_hop() brings it to a node and sends it on,
 * flight_arrived() lets it out.  Whatever ends it on the way gives the packet back.
 */
#pragma once
#include <string.h>

#include "answer.h"
#include "fabric.h"
#include "packet.h"

enum { MOST_HOPS = 255, LEAST_QUEUE_BYTES = 65536 };
#define RARE __attribute__((noinline)) /* kept out of what each hop runs through */
#define FLIGHT_GONE ((int64_t)-1)      /* for when a packet is at the next node: never */

static inline const struct fabric_bank *fabric_bank_of(const struct fabric *fabric) {
    return &fabric->table.bank[fabric->epoch & 1];
}

/* Whether an address is one of the mesh's: then its last four bytes. */
static inline bool fabric_address(const struct fabric *fabric, const uint8_t *ip, unsigned v4_at, unsigned v6_at,
                                  uint32_t *ipv4) {
    if (packet_is_v4(ip))
        return *ipv4 = packet_get32(ip + v4_at), true;
    *ipv4 = packet_get32(ip + v6_at + 12);
    return memcmp(ip + v6_at, fabric->table.header->ipv6_prefix, 12) == 0;
}

/* By how many nodes a packet has been forwarded: its own node sends it with the time to live it has. */
static inline uint8_t flight_forwarded(const struct flight *flight) {
    return flight->hops > 0 ? (uint8_t)(flight->hops - 1) : 0;
}

static inline void flight_carry(struct flight *flight, struct packet *packet) {
    flight->packet = packet;
    flight->wire_bytes = packet->shape.wire_bytes;
    flight->segments = (uint16_t)packet->shape.segments; /* each has a byte, of less than 65,536 */
}

static inline double fabric_bound_bytes(const struct fabric_kind *kind, double rate_bps) {
    if (kind->queue_bytes > 0)
        return (double)kind->queue_bytes;
    double bytes = rate_bps * (double)kind->queue_ns / 8e9;
    return bytes > LEAST_QUEUE_BYTES ? bytes : LEAST_QUEUE_BYTES;
}

/* flight.c */
void flight_add(struct fabric *, const struct flight *, int64_t at_ns);
void flight_begin(struct fabric *, uint32_t node, struct packet *, uint32_t destination_ipv4, int64_t at_ns);
/* The node tells the source why a packet goes no further; takes the packet. */
void flight_refuse(struct fabric *, const struct flight *, enum answer_reason, uint32_t mtu_bytes, int64_t at_ns);
/* At its destination: out of the port, or, where no host is, what a host without any socket would say. */
void flight_arrived(struct fabric *, const struct flight *, int64_t at_ns, int64_t now_ns);

/* hop.c: a packet is at a node, and its link behind it.  When it is at the next one, or FLIGHT_GONE. */
int64_t flight_hop(struct fabric *, struct flight *, int64_t at_ns, int64_t now_ns);

/* mirror.c */
void flight_mirror(struct fabric *, bool of_node, uint32_t index, const struct packet *, uint8_t hops, int64_t at_ns);
void fabric_end_mirrors(struct fabric *);
