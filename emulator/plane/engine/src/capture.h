/* A capture in pcapng (draft-ietf-opsawg-pcapng) to a descriptor that is never waited for.
 *
 * Blocks go through a bounded buffer and enter it whole or not at all: what a
 * slow reader does not take in time is dropped and counted, in the structure and
 * in the file (epb_dropcount of the next packet that is written), and a block
 * that was written in part is finished before anything else.  One section, one
 * interface: raw IP packets, stamps in nanoseconds since 1970.
 *
 * The caller owns the descriptor, which is O_NONBLOCK, and ignores SIGPIPE.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

enum { CAPTURE_LINKTYPE_RAW = 101, CAPTURE_NAME_BYTES = 64 };

struct capture {
    int fd;
    int fault;                 /* errno of the write that ended it: everything after is dropped; 0: none */
    int64_t unix_minus_mono_ns;
    uint32_t snap_bytes;       /* of each packet at most so many; 0: all */
    uint8_t *ring;
    size_t ring_bytes, first, used; /* what is to be written: `used` bytes from `first`, around the end */
    uint8_t *scratch;
    uint64_t packets;          /* taken into the buffer: as the wire has them, segments of super-packets each */
    uint64_t dropped;          /* not taken */
    uint64_t dropped_told;     /* of these, told in the file */
};

/* NULL, or what is wrong in words.  `name` of the interface: up to CAPTURE_NAME_BYTES; NULL: the
 * descriptor has the section and its interface already.
 * `unix_minus_mono_ns`: CLOCK_REALTIME less CLOCK_MONOTONIC, which the capture keeps to its end.
 * The buffer must hold a packet of snap_bytes; the header waits in it. */
const char *capture_open(struct capture *, int fd, const char *name, uint32_t snap_bytes, size_t buffer_bytes,
                        int64_t unix_minus_mono_ns);

/* Take a packet into the buffer.  Its stamp is `mono_ns`; the segments of a super-packet follow each other by
 * `segment_ns`.  A super-packet that cannot be cut is written as the large packet it is.
 * Time to live is lowered by `hops` and partial checksums are completed, in what is written, not in `frame`. */
void capture_packet(struct capture *, int64_t mono_ns, int64_t segment_ns, uint32_t hops, const uint8_t *frame,
                   size_t frame_bytes, const struct shape *);

/* Write what the descriptor takes; true where nothing is left.  Taking a packet does it by itself only when the
 * buffer is half full: call it before waiting, and now and then while something is left. */
bool capture_flush(struct capture *);

/* Flush once more and free the buffer; true where the file is whole.  The descriptor stays open. */
bool capture_close(struct capture *);
