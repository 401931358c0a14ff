#include "icmp.h"

#include <string.h>

#include "wire.h"

enum { IPV4 = 20, IPV6 = 40, ERROR_HEAD = 8, MOST_V4_BYTES = 576, MOST_V6_BYTES = 1280, TTL = 64 };
enum { PROTOCOL_ICMP = 1, PROTOCOL_ICMPV6 = 58 };

static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v; }
static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

static uint32_t sum(const uint8_t *p, size_t bytes, uint32_t start) {
    uint64_t total = start;
    for (size_t i = 0; i + 1 < bytes; i += 2)
        total += get16(p + i);
    if (bytes & 1)
        total += (uint32_t)p[bytes - 1] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint32_t)total;
}

static uint32_t pseudo_header(const uint8_t *ip, size_t payload) {
    return sum(ip + 8, 32, (uint32_t)payload + PROTOCOL_ICMPV6);
}

static bool is_error_v4(uint8_t type) { return type == 3 || type == 4 || type == 5 || type == 11 || type == 12; }

static size_t error_v4(const uint8_t *ip, size_t bytes, const uint8_t *from, enum icmp_reason reason, uint32_t mtu,
                       uint8_t *frame) {
    static const uint8_t type[] = {11, 3, 3, 3}, code[] = {0, 0, 3, 4};
    size_t header = (ip[0] & 15u) * 4;
    if (header < IPV4 || header > bytes || (get16(ip + 6) & 0x1fff) != 0 || ip[12] >= 224 || ip[16] >= 224 ||
        ip[12] == 0 || ip[12] == 127 || (ip[9] == PROTOCOL_ICMP && (bytes <= header || is_error_v4(ip[header]))))
        return 0;
    size_t quoted = bytes < MOST_V4_BYTES - IPV4 - ERROR_HEAD ? bytes : MOST_V4_BYTES - IPV4 - ERROR_HEAD;
    size_t total = IPV4 + ERROR_HEAD + quoted;
    memset(frame, 0, VNET_BYTES + IPV4 + ERROR_HEAD);
    uint8_t *out = frame + VNET_BYTES, *icmp = out + IPV4;
    out[0] = 0x45, out[1] = 0xc0, out[8] = TTL, out[9] = PROTOCOL_ICMP;
    put16(out + 2, (uint32_t)total);
    memcpy(out + 12, from, 4);
    memcpy(out + 16, ip + 12, 4);
    put16(out + 10, ~sum(out, IPV4, 0) & 0xffff);
    icmp[0] = type[reason], icmp[1] = code[reason];
    if (reason == ICMP_TOO_BIG)
        put16(icmp + 6, mtu < 0xffff ? mtu : 0xffff);
    memcpy(icmp + ERROR_HEAD, ip, quoted);
    put16(icmp + 2, ~sum(icmp, ERROR_HEAD + quoted, 0) & 0xffff);
    return VNET_BYTES + total;
}

static size_t error_v6(const uint8_t *ip, size_t bytes, const uint8_t *from, enum icmp_reason reason, uint32_t mtu,
                       uint8_t *frame) {
    static const uint8_t type[] = {3, 1, 1, 2}, code[] = {0, 0, 4, 0};
    static const uint8_t unspecified[16];
    /* a packet that is too big is told to a multicast's sender too; the mesh routes none */
    if (bytes < IPV6 || ip[8] == 0xff || ip[24] == 0xff || memcmp(ip + 8, unspecified, 16) == 0 ||
        (ip[6] == PROTOCOL_ICMPV6 && (bytes <= IPV6 || ip[IPV6] < 128)))
        return 0;
    size_t quoted = bytes < MOST_V6_BYTES - IPV6 - ERROR_HEAD ? bytes : MOST_V6_BYTES - IPV6 - ERROR_HEAD;
    memset(frame, 0, VNET_BYTES + IPV6 + ERROR_HEAD);
    uint8_t *out = frame + VNET_BYTES, *icmp = out + IPV6;
    out[0] = 0x60, out[6] = PROTOCOL_ICMPV6, out[7] = TTL;
    put16(out + 4, (uint32_t)(ERROR_HEAD + quoted));
    memcpy(out + 8, from, 16);
    memcpy(out + 24, ip + 8, 16);
    icmp[0] = type[reason], icmp[1] = code[reason];
    if (reason == ICMP_TOO_BIG)
        put16(icmp + 4, mtu >> 16), put16(icmp + 6, mtu & 0xffff);
    memcpy(icmp + ERROR_HEAD, ip, quoted);
    put16(icmp + 2, ~sum(icmp, ERROR_HEAD + quoted, pseudo_header(out, ERROR_HEAD + quoted)) & 0xffff);
    return VNET_BYTES + IPV6 + ERROR_HEAD + quoted;
}

size_t icmp_error(const uint8_t *ip, size_t bytes, const uint8_t *from, enum icmp_reason reason, uint32_t mtu_bytes,
                  uint8_t frame[ICMP_MAX_FRAME_BYTES]) {
    return ip[0] >> 4 == 4 ? error_v4(ip, bytes, from, reason, mtu_bytes, frame)
                           : error_v6(ip, bytes, from, reason, mtu_bytes, frame);
}

static void swap(uint8_t *a, uint8_t *b, size_t bytes) {
    uint8_t kept[16];
    memcpy(kept, a, bytes);
    memcpy(a, b, bytes);
    memcpy(b, kept, bytes);
}

bool icmp_echo(uint8_t *frame, size_t frame_bytes) {
    static const uint8_t no_offload[VNET_BYTES];
    uint8_t *ip = frame + VNET_BYTES;
    size_t bytes = frame_bytes - VNET_BYTES, header;
    uint8_t *icmp;
    if (ip[0] >> 4 == 4) {
        header = (ip[0] & 15u) * 4;
        bytes = get16(ip + 2) < bytes ? get16(ip + 2) : bytes;
        icmp = ip + header;
        if (ip[9] != PROTOCOL_ICMP || bytes < header + ERROR_HEAD || (get16(ip + 6) & 0x3fff) != 0 || icmp[0] != 8 ||
            sum(icmp, bytes - header, 0) != 0xffff)
            return false;
        swap(ip + 12, ip + 16, 4);
        ip[8] = TTL;
        put16(ip + 10, 0);
        put16(ip + 10, ~sum(ip, header, 0) & 0xffff);
        icmp[0] = 0;
    } else {
        header = IPV6;
        icmp = ip + header;
        if (ip[6] != PROTOCOL_ICMPV6 || bytes < header + ERROR_HEAD || icmp[0] != 128)
            return false;
        bytes = header + get16(ip + 4) < bytes ? header + get16(ip + 4) : bytes;
        swap(ip + 8, ip + 24, 16);
        ip[7] = TTL;
        icmp[0] = 129;
    }
    put16(icmp + 2, 0);
    put16(icmp + 2, ~sum(icmp, bytes - header, ip[0] >> 4 == 4 ? 0 : pseudo_header(ip, bytes - header)) & 0xffff);
    memcpy(frame, no_offload, VNET_BYTES); /* its checksum is complete */
    return true;
}
