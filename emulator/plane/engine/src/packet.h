/* What a packet says of itself, and its time to live: as its IP header has them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "wire.h"

static inline const uint8_t *packet_ip(const struct packet *packet) { return packet->frame + VNET_BYTES; }
static inline uint32_t packet_get32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline bool packet_is_v4(const uint8_t *ip) { return ip[0] >> 4 == 4; }

static inline uint8_t packet_ttl(const uint8_t *ip) { return packet_is_v4(ip) ? ip[8] : ip[7]; }

/* Take hops off the time to live; of IPv4 the checksum follows (RFC 1624). */
static inline void packet_age(uint8_t *ip, uint8_t hops) {
    if (!packet_is_v4(ip)) {
        ip[7] = (uint8_t)(ip[7] - hops);
        return;
    }
    ip[8] = (uint8_t)(ip[8] - hops);
    uint32_t checksum = ((uint32_t)ip[10] << 8 | ip[11]) + ((uint32_t)hops << 8);
    checksum = (checksum & 0xffff) + (checksum >> 16);
    ip[10] = (uint8_t)(checksum >> 8), ip[11] = (uint8_t)checksum;
}
