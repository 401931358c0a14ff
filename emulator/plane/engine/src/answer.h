/* What a node says to a packet that it cannot forward or deliver, and its answer to an echo request.
 *
 * An answer is a whole frame: a virtio header of zeros, an IP packet with a time
 * to live of 64 and all its checksums.  No answer (0) where RFC 1122, 1812 or
 * 4443 forbid one, and where the packet is not sound:
 * - errors about ICMP errors, or about ICMP messages that nobody knows;
 * - fragments but the first (in IPv6 too: what they belong to cannot be seen);
 * - packets from or to a multicast, broadcast, unspecified or loopback address,
 *   the reserved 240.0.0.0/4, or an IPv6 link-local address;
 * - IPv4 headers with a wrong checksum.
 * A limit on the rate of errors is the caller's.
 *
 * Frames are those that wire_parse took; none of these calls believes it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

enum answer_reason {
    ANSWER_EXPIRED,      /* time to live or hop limit used up */
    ANSWER_NO_NET,       /* IPv4: network unreachable; IPv6: no route to destination */
    ANSWER_NO_HOST,      /* IPv4: host unreachable; IPv6: address unreachable */
    ANSWER_NO_PROTOCOL,  /* IPv4: protocol unreachable; IPv6: parameter problem, unknown next header */
    ANSWER_NO_PORT,
    ANSWER_TOO_BIG,      /* IPv4: fragmentation needed; IPv6: packet too big */
};

/* RFC 1812 4.3.2.3: an IPv4 error has at most 576 bytes; RFC 4443 2.4 (c): an IPv6 one 1,280. */
enum { ANSWER_IPV4_ERROR_BYTES = 576, ANSWER_IPV6_ERROR_BYTES = 1280,
       ANSWER_ERROR_MAX_FRAME_BYTES = VNET_BYTES + ANSWER_IPV6_ERROR_BYTES };

enum { ANSWER_TIME_TO_LIVE = 64 };

/* Bytes of the error written to `answer` (room for ANSWER_ERROR_MAX_FRAME_BYTES), or 0: none may be sent.
 *
 * `from` is the answering node's address, 4 or 16 bytes in network order as the packet is IPv4 or IPv6.
 * `hops` is by how much the quoted packet's time to live is lower than in `frame`.
 * A super-packet is answered once, about its first segment, which is quoted as it would be on the wire.
 * `mtu_bytes` counts for ANSWER_TOO_BIG only. */
size_t answer_error(enum answer_reason, const uint8_t *frame, size_t frame_bytes, uint32_t hops, const uint8_t *from,
                  uint32_t mtu_bytes, uint8_t *answer);

/* Bytes of the echo reply written to `answer` (room for frame_bytes), or 0: the frame is no echo request that
 * a host answers.  Its source is the request's destination; the caller has checked that it is the node's.
 *
 * As Linux does: type of service or traffic class are the request's, DF is clear.  IPv4 options and IPv6
 * extension headers are left off.  Requests in fragments are not put together. */
size_t answer_echo(const uint8_t *frame, size_t frame_bytes, uint8_t *answer);
