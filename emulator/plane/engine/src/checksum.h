/* Bytes in network order and the Internet checksum (RFC 1071), for the modules that make packets.
 *
 * A sum is kept folded to 16 bits and not inverted.  0 and 0xffff are the same number in it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* linux/virtio_net.h, which not every libc's headers bring in full */
enum { VNET_NEEDS_CSUM = 1, VNET_DATA_VALID = 2, VNET_GSO_NONE = 0, VNET_GSO_UDP_L4 = 5 };
struct virtio_header {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset; /* in the machine's byte order */
};
_Static_assert(sizeof(struct virtio_header) == VNET_BYTES, "the virtio-net header has no padding");

enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMP6 = 58 };

static inline uint32_t load16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static inline void store16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v; }
static inline void store32(uint8_t *p, uint32_t v) { store16(p, v >> 16), store16(p + 2, v & 0xffff); }

/* `sum` with these bytes added; an odd last byte is padded with zero, so only the last part may be odd. */
uint32_t checksum_add(uint32_t sum, const uint8_t *bytes, size_t n);

/* Sum of the pseudo-header of an IPv4 or IPv6 packet for `bytes` of the protocol. */
uint32_t checksum_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t bytes);

/* Write the checksum of an IPv4 header into it. */
void checksum_ipv4(uint8_t *ip);

/* An IPv4 header with the right checksum; its length must have been checked. */
bool checksum_ipv4_is_right(const uint8_t *ip);

/* Lower the time to live or hop limit of an IP packet by `hops`, at most to 0, and set the IPv4 checksum. */
void checksum_age(uint8_t *ip, uint32_t hops);

/* Do what the device would have to: if the frame's checksum is partial (NEEDS_CSUM) write the whole one.
 * The virtio header is zero afterwards.  Only for a frame that wire_parse took, of one segment. */
void checksum_complete(uint8_t *frame, size_t frame_bytes);
