#include "checksum.h"

#include <string.h>

static uint32_t fold(uint64_t sum) {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

uint32_t checksum_add(uint32_t sum, const uint8_t *bytes, size_t n) {
    /* words as they lie in memory: the sum comes out in the machine's byte order (RFC 1071) */
    uint64_t words = 0;
    uint32_t four;
    for (; n >= 16; bytes += 16, n -= 16) {
        uint32_t block[4];
        memcpy(block, bytes, sizeof block);
        words += (uint64_t)block[0] + block[1] + block[2] + block[3];
    }
    for (; n >= 4; bytes += 4, n -= 4) {
        memcpy(&four, bytes, 4);
        words += four;
    }
    four = 0;
    memcpy(&four, bytes, n);
    uint16_t native = (uint16_t)fold(words + four);
    uint8_t network[2];
    memcpy(network, &native, 2);
    return fold((uint64_t)sum + load16(network));
}

uint32_t checksum_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t bytes) {
    uint32_t sum = fold((uint64_t)bytes + protocol);
    return ip[0] >> 4 == 4 ? checksum_add(sum, ip + 12, 8) : checksum_add(sum, ip + 8, 32);
}

void checksum_ipv4(uint8_t *ip) {
    store16(ip + 10, 0);
    store16(ip + 10, ~checksum_add(0, ip, (ip[0] & 15u) * 4) & 0xffff);
}

bool checksum_ipv4_is_right(const uint8_t *ip) { return checksum_add(0, ip, (ip[0] & 15u) * 4) == 0xffff; }

void checksum_age(uint8_t *ip, uint32_t hops) {
    uint8_t *left = ip[0] >> 4 == 4 ? ip + 8 : ip + 7;
    *left = (uint8_t)(*left > hops ? *left - hops : 0);
    if (ip[0] >> 4 == 4)
        checksum_ipv4(ip);
}

void checksum_complete(uint8_t *frame, size_t frame_bytes) {
    struct virtio_header vnet;
    memcpy(&vnet, frame, sizeof vnet);
    memset(frame, 0, VNET_BYTES);
    if (!(vnet.flags & VNET_NEEDS_CSUM))
        return;
    const uint8_t *ip = frame + VNET_BYTES;
    uint32_t field = (uint32_t)vnet.csum_start + vnet.csum_offset;
    size_t bytes = ip[0] >> 4 == 4 ? load16(ip + 2) : 40 + load16(ip + 4); /* without what lies behind the packet */
    if (field + 2 > bytes || bytes > frame_bytes - VNET_BYTES)
        return;
    /* the field holds the sum of the pseudo-header, so it is added like the rest; 0 would say "none" */
    uint32_t sum = ~checksum_add(0, ip + vnet.csum_start, bytes - vnet.csum_start) & 0xffff;
    store16(frame + VNET_BYTES + field, sum == 0 ? 0xffff : sum);
}
