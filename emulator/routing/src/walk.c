/* Ways through a mesh, hop by hop, as its port codes lead. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "ports.h"

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

/* One of the marks by which ways are told apart, made of the mark of what is left of the way (splitmix64). */
static uint64_t marked(uint64_t rest, int64_t node)
{
    uint64_t z = rest * 3 + (uint64_t)(node + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/*
 * cost (n_sources,): the sum of link_cost along the way of each source to the destination, INFINITY where there is
 * none.  known (n_nodes,) comes as NAN throughout and goes so; trail (n_nodes,) is room to work in.
 * mark (n_sources,), or NULL: a number that goes by the nodes of the way alone, 0 where there is none; then
 * known_mark (n_nodes,) is room for them.
 */
static void costs_to(const Ports *p, const uint8_t *code, int64_t destination, const double *link_cost,
                     int64_t n_sources, const int32_t *sources, double *cost, double *known, int32_t *trail,
                     uint64_t *mark, uint64_t *known_mark)
{
    int64_t seen = 0, row = -1;
    known[destination] = 0;
    if (mark)
        known_mark[destination] = marked(0, destination);
    trail[seen++] = (int32_t)destination;
    for (int64_t i = 0; i < n_sources; i++) {
        int64_t begin = seen, node = sources[i], next;
        double total = INFINITY;
        while (isnan(known[node])) {
            known[node] = INFINITY; /* so that a circle ends, and counts as no way */
            trail[seen++] = (int32_t)node;
            if ((next = step(p, node, code[node], &row)) < 0)
                goto unwind;
            node = next;
        }
        total = known[node];
    unwind:
        for (int64_t k = seen - 1; k >= begin; k--) {
            if (total < INFINITY) {
                next = step(p, trail[k], code[trail[k]], &row);
                total += link_cost[row];
                if (mark)
                    known_mark[trail[k]] = marked(known_mark[next], trail[k]);
            }
            known[trail[k]] = total;
        }
        cost[i] = known[sources[i]];
        if (mark)
            mark[i] = cost[i] < INFINITY ? known_mark[sources[i]] : 0;
    }
    while (seen > 0)
        known[trail[--seen]] = NAN;
}

/*
 * cost (n_destinations, n_sources), and mark likewise or NULL: of each destination, whose codes (n_nodes,) are in
 * that row of codes.  The rest as above.
 */
void way_costs(int64_t n_satellites, int64_t slots, const int32_t *laser_neighbour, const int32_t *laser_row,
               const int32_t *ground_first, const int32_t *ground_neighbour, const int32_t *ground_row,
               const uint8_t *codes, int64_t n_nodes, int64_t n_destinations, const int32_t *destinations,
               const int64_t *code_row, const double *link_cost, int64_t n_sources, const int32_t *sources,
               double *cost, double *known, int32_t *trail, uint64_t *mark, uint64_t *known_mark)
{
    Ports p = { n_satellites, slots, laser_neighbour, laser_row, ground_first, ground_neighbour, ground_row };
    for (int64_t d = 0; d < n_destinations; d++)
        costs_to(&p, codes + code_row[d] * n_nodes, destinations[d], link_cost, n_sources, sources,
                 cost + d * n_sources, known, trail, mark ? mark + d * n_sources : NULL, known_mark);
}
