/* Datagrams that are due together at one port, merged into one segmented write (UDP_L4, "USO").
 *
 *     for each due frame, in order:
 *         if (!merge_add(&merge, frame, bytes)) {
 *             out = merge_take(&merge, &out_bytes, &frames); write(fd, out, out_bytes); ...
 *             merge_add(&merge, frame, bytes);     // the first is always taken
 *         }
 *     and merge_take at the end.
 *
 * The kernel that reads the device splits the write again: each receiver gets
 * the datagrams that it would have got one by one, with the same bytes.  What
 * cannot be so exact is not merged: another flow or time to live, type of
 * service, DF; fragments; IP options and extension headers; lengths that
 * disagree; no payload; a UDP checksum of 0 ("none"); a wrong checksum, of IP or
 * UDP.  Payloads are of equal size, only the last may be shorter.
 *
 * IPv4 identification as in the kernel's own merging: it counts up by one, as
 * splitting will number them; with DF all may also be the same (Linux sends 0),
 * and count up after splitting, where nobody asks for it (RFC 6864).
 *
 * TCP is left alone: it comes in super-packets already, and what a receiver
 * acknowledges depends on how they are cut.
 *
 * Frames are final: time to live and IPv4 checksum are those to be delivered.
 * Only for a device that takes UDP_L4 writes (Linux 6.2 or later).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* The kernel's UDP_MAX_SEGMENTS was 64 and is 128 today. */
enum { MERGE_MAX_DATAGRAMS = 64 };

struct merge {
    uint8_t *buffer;        /* of WIRE_MAX_FRAME_BYTES, the caller's */
    const uint8_t *first;   /* what was added first; NULL: empty */
    size_t frame_bytes;     /* of the first, or of what is in the buffer */
    uint32_t datagrams;     /* frames added */
    uint16_t segment_bytes; /* payload of the first; 0: nothing can be added */
    uint16_t header_bytes;  /* IP and UDP */
    uint16_t id_step;       /* from one IPv4 identification to the next */
};

void merge_open(struct merge *, uint8_t *buffer);

/* False where the frame cannot go into the same write: take that first.  An empty merge takes any frame.
 * The frame added first must stay where it is until merge_take; the others are copied. */
bool merge_add(struct merge *, const uint8_t *frame, size_t frame_bytes);

/* What to write, of how many frames; empty afterwards.  NULL where nothing was added.
 * It is valid until the next merge_add. */
const uint8_t *merge_take(struct merge *, size_t *frame_bytes, uint32_t *frames);
