/* The ports of a mesh's nodes, as Epoch's Ports has them, and where a code leads. */

#ifndef ORBITMESH_PORTS_H
#define ORBITMESH_PORTS_H

#include <stdint.h>

#define NO_WAY 255

typedef struct {
    int64_t n_satellites, slots;
    const int32_t *laser_neighbour, *laser_row, *ground_first, *ground_neighbour, *ground_row;
} Ports;

/* Where a code leads from a node, and over which link; -1: nowhere. */
static inline int64_t step(const Ports *p, int64_t node, uint8_t code, int64_t *row)
{
    if (code == NO_WAY)
        return -1;
    if (code < p->slots) {
        if (node >= p->n_satellites)
            return -1;
        *row = p->laser_row[node * p->slots + code];
        return p->laser_neighbour[node * p->slots + code];
    }
    int64_t at = p->ground_first[node] + (code - p->slots);
    if (at >= p->ground_first[node + 1])
        return -1;
    *row = p->ground_row[at];
    return p->ground_neighbour[at];
}

#endif
