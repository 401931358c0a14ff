/* What a packet is, what it costs on the wire, and how a large one is cut into its segments.
 *
 * A frame is what a TUN device with IFF_VNET_HDR gives: a virtio-net header of
 * ten bytes, then an IP packet, which with segmentation offload is a
 * super-packet of many segments under one header.  On the wire each segment has
 * headers of its own: those are charged too.  Bytes are those of the IP packets;
 * a link layer below has none here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VNET_BYTES = 10, WIRE_MAX_FRAME_BYTES = VNET_BYTES + 40 + 65535 };

struct shape {
    uint32_t segments;      /* packets on the wire */
    uint32_t wire_bytes;    /* all of them together */
    uint32_t payload_bytes; /* after the headers; 0 unless a super-packet */
    uint16_t segment_bytes; /* payload of each segment but the last */
    uint16_t transport;     /* where in the IP packet the TCP or UDP header begins */
    uint16_t header_bytes;  /* IP and transport headers */
    bool can_cut;           /* the checksum is left to the hardware, so cutting is arithmetic on headers */
};

/* False where the frame is not a whole, consistent IP packet.  Nothing in it is believed before it is checked. */
bool wire_parse(const uint8_t *frame, size_t frame_bytes, struct shape *);

/* Size of a cut of segments [first, first + count) of a super-packet. */
size_t wire_cut_bytes(const struct shape *, uint32_t first, uint32_t count);

/* Write that cut as a frame of its own, itself a super-packet where count > 1; `cut` is not inside `frame`. */
struct shape wire_cut(const uint8_t *frame, const struct shape *, uint32_t first, uint32_t count, uint8_t *cut);
