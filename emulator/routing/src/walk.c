/* Ways through a mesh, hop by hop, as its port codes lead. */

#include <math.h>
#include <stdint.h>

#define NO_WAY 255

typedef struct {
    int64_t n_satellites, slots;
    const int32_t *laser_neighbour, *laser_row, *ground_first, *ground_neighbour, *ground_row;
} Ports;

/* Where a code leads from a node, and over which link; -1: nowhere. */
static int64_t step(const Ports *p, int64_t node, uint8_t code, int64_t *row)
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

/* Nodes (most + 1,) and rows of links (most,) of a way; returns its hops, or -1 where it does not get there. */
int64_t walk(int64_t n_satellites, int64_t slots, const int32_t *laser_neighbour, const int32_t *laser_row,
             const int32_t *ground_first, const int32_t *ground_neighbour, const int32_t *ground_row,
             const uint8_t *code, int64_t source, int64_t destination, int64_t most, int32_t *nodes, int32_t *rows)
{
    Ports p = { n_satellites, slots, laser_neighbour, laser_row, ground_first, ground_neighbour, ground_row };
    int64_t node = source, hops = 0, row = -1;
    nodes[0] = (int32_t)source;
    while (node != destination) {
        if (hops == most || (node = step(&p, node, code[node], &row)) < 0)
            return -1;
        rows[hops++] = (int32_t)row;
        nodes[hops] = (int32_t)node;
    }
    return hops;
}

/*
 * cost (n_sources,): the sum of link_cost along the way of each source to the destination, INFINITY where there is
 * none.  known (n_nodes,) comes as NAN throughout and goes so; trail (n_nodes,) is room to work in.
 */
void way_costs(int64_t n_satellites, int64_t slots, const int32_t *laser_neighbour, const int32_t *laser_row,
               const int32_t *ground_first, const int32_t *ground_neighbour, const int32_t *ground_row,
               const uint8_t *code, int64_t destination, const double *link_cost, int64_t n_sources,
               const int32_t *sources, double *cost, double *known, int32_t *trail)
{
    Ports p = { n_satellites, slots, laser_neighbour, laser_row, ground_first, ground_neighbour, ground_row };
    int64_t seen = 0, row = -1;
    known[destination] = 0;
    trail[seen++] = (int32_t)destination;
    for (int64_t i = 0; i < n_sources; i++) {
        int64_t begin = seen, node = sources[i], next;
        double total = INFINITY;
        while (isnan(known[node])) {
            known[node] = INFINITY; /* so that a circle ends, and counts as no way */
            trail[seen++] = (int32_t)node;
            if ((next = step(&p, node, code[node], &row)) < 0)
                goto unwind;
            node = next;
        }
        total = known[node];
    unwind:
        for (int64_t k = seen - 1; k >= begin; k--) {
            if (total < INFINITY) {
                step(&p, trail[k], code[trail[k]], &row);
                total += link_cost[row];
            }
            known[trail[k]] = total;
        }
        cost[i] = known[sources[i]];
    }
    while (seen > 0)
        known[trail[--seen]] = NAN;
}
