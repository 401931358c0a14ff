/* What happens next: for each busy pipe the instant it must be looked at, in a 4-ary heap that knows its places.
 *
 * Packets of a pipe keep their order, so only the first of each is in here: the
 * heap is as large as the number of busy pipes, not of packets in flight.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

struct agenda {
    uint32_t busy;
    struct appointment {
        int64_t at_ns;
        uint32_t pipe;
    } *heap;
    uint32_t *place; /* of each pipe in the heap, plus one; 0: it has no appointment */
};

bool agenda_open(struct agenda *, uint32_t pipes);
void agenda_close(struct agenda *);
void agenda_set(struct agenda *, uint32_t pipe, int64_t at_ns); /* NEVER: none */

static inline int64_t agenda_next_ns(const struct agenda *agenda) {
    return agenda->busy > 0 ? agenda->heap[0].at_ns : NEVER;
}
