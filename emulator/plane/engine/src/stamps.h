/* When a packet came to its device, by the kernel's own clock.
 *
 * The engine sees a packet when it has been woken, tens of microseconds after it
 * was sent.  A BPF program on each device (../stamps.py) therefore notes the
 * instant at which the kernel hands a packet over, in a table indexed by a
 * signature of the packet's first bytes.  Whoever sends two equal packets within
 * a wake-up gets the later one's instant for both: never too early.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { STAMPS_SLOTS = 1 << 16, STAMPS_HEAD_BYTES = 64, STAMPS_SHORT_HEAD_BYTES = 28 };

struct stamps {
    const struct stamp {
        uint64_t signature, mono_ns;
    } *slot; /* NULL: this kernel gives none */
};

const char *stamps_open(struct stamps *, int map_fd); /* takes the fd; NULL, or what is wrong in words */

/* The instant at which this IP packet, read at now_ns, came; now_ns where the kernel has not told. */
int64_t stamps_arrival_ns(const struct stamps *, const uint8_t *ip, size_t bytes, int64_t now_ns);
