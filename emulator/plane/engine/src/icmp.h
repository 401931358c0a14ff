/* What a node says of a packet that it could not forward, and its answer to an echo request. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum icmp_reason { ICMP_TIME_EXCEEDED, ICMP_NO_ROUTE, ICMP_NO_PORT, ICMP_TOO_BIG };
enum { ICMP_MAX_FRAME_BYTES = 10 + 1280 };

/* Write the message about a packet to its source, as a frame; `from` is the node's address, 4 or 16 bytes as the
 * packet's version has it.  Bytes of the frame, or 0 where none may be sent (RFC 1122, 1812, 4443): about an error,
 * a later fragment, or what was not sent by or to a single node. */
size_t icmp_error(const uint8_t *ip, size_t bytes, const uint8_t *from, enum icmp_reason, uint32_t mtu_bytes,
                  uint8_t frame[ICMP_MAX_FRAME_BYTES]);

/* Turn an echo request, whole in its frame, into the answer to it; false where it is none. */
bool icmp_echo(uint8_t *frame, size_t frame_bytes);
