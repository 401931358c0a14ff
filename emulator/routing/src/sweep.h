/* What trees.c and grid.c agree upon. */

#ifndef SWEEP_H
#define SWEEP_H

#include <stdint.h>

#define LANES 16 /* destinations at a time */
#define NO_WAY 255

/* The weight of no link, and the distance where there is no way: the sum of two does not overflow. */
#define NARROW_NONE 0x7FFFFFFF
#define WIDE_NONE (INT64_C(1) << 61)

/* Satellites in blocks: see join_blocks. */
typedef struct {
    int64_t n_satellites, n_nodes, slots, width, n_blocks;
    const int32_t *first, *block_of;
    const int32_t *neighbour;
    const uint8_t *slot;
    const int32_t *near;
    const int32_t *adjacent_first, *adjacent;
    const int32_t *lone_first;
    const int64_t *lone;
    const int32_t *ground_first;     /* (n_nodes + 1,) */
    const int32_t *ground_neighbour; /* by rising index */
} Mesh;

/* What is still to be done to a block; (n_blocks,) each, and all but ``due`` 0 or 1. */
typedef struct {
    uint8_t *due;   /* a set of Due */
    uint8_t *there; /* its distances are written */
    uint8_t *fell;  /* since its lone lasers were looked at */
    uint8_t *stale; /* since its ports were chosen, a distance may have fallen there or beside */
} State;

/* From where news has come: a block below, one above, anywhere. */
enum Due { FROM_BELOW = 1, FROM_ABOVE = 2, FROM_ANYWHERE = 4 };

#endif
