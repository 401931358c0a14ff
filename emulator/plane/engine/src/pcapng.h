/* A capture: packets with nanosecond stamps, as wireshark and tcpdump read them (pcapng, link type RAW).
 *
 * Writing never blocks and never leaves half a block: what does not fit at once
 * is finished before the next, and packets that come meanwhile are counted.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PCAPNG_SNAP_BYTES = 65575, PCAPNG_BLOCK_BYTES = 32 + PCAPNG_SNAP_BYTES + 4 + 4 };

struct pcapng {
    int fd;
    uint64_t missed;
    size_t left, sent; /* of block[]: still to be written */
    uint8_t *block;
};

bool pcapng_open(struct pcapng *, int fd); /* a section of its own; false where there is no memory */
void pcapng_close(struct pcapng *);
void pcapng_packet(struct pcapng *, const uint8_t *ip, size_t bytes, uint64_t unix_ns);
