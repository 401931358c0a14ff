/* Detours of those next to a broken link, while routes do not know of it yet. */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "ports.h"

#define MOST_HOPS 4096

/* What is left of a way from a node as it is routed; INFINITY where it leads nowhere, or back. */
static double rest(const Ports *p, const uint8_t *code, const double *cost, int64_t node, int64_t destination,
                   int64_t back, int64_t beyond, bool *is_beyond)
{
    double total = 0;
    int64_t row = -1;
    for (int hops = 0; node != destination; hops++) {
        if (node == back || hops == MOST_HOPS)
            return INFINITY;
        *is_beyond |= node == beyond;
        node = step(p, node, code[node], &row);
        if (node < 0 || row < 0)
            return INFINITY;
        total += cost[row];
    }
    return total;
}

/*
 * For each (node, port) whose link is broken, and each destination that the node sends to by it: another port, whose
 * neighbour's own way leads neither back nor through the node behind the broken link (RFC 5286: a loop-free alternate
 * that protects the node; where there is none, one whose neighbour is nearer to the destination).  By the least cost;
 * without any the route stays.  code is what is changed, old what neighbours go by.  Returns how many were changed.
 */
int64_t repair(int64_t n_satellites, int64_t slots, const int32_t *laser_neighbour, const int32_t *laser_row,
               const int32_t *ground_first, const int32_t *ground_neighbour, const int32_t *ground_row, int64_t n_nodes,
               int64_t n_destinations, const int32_t *destinations, const uint8_t *old, uint8_t *code,
               const uint8_t *down, const double *cost, int64_t n_ends, const int32_t *end_node, const uint8_t *end_port,
               int64_t relay)
{
    Ports p = { n_satellites, slots, laser_neighbour, laser_row, ground_first, ground_neighbour, ground_row };
    int64_t changed = 0;
    for (int64_t d = 0; d < n_destinations; d++) {
        const uint8_t *of_old = old + d * n_nodes;
        for (int64_t e = 0; e < n_ends; e++) {
            int64_t node = end_node[e], port = end_port[e], row = -1, destination = destinations[d];
            if (of_old[node] != port)
                continue;
            bool ignored = false;
            int64_t beyond = step(&p, node, (uint8_t)port, &row);
            double own = row < 0 ? INFINITY : cost[row] + rest(&p, of_old, cost, beyond, destination, node, -1, &ignored);
            double best[2] = { INFINITY, INFINITY };
            int64_t by[2] = { NO_WAY, NO_WAY };
            int64_t n_ports = slots + ground_first[node + 1] - ground_first[node];
            for (int64_t other = 0; other < n_ports && other < NO_WAY; other++) {
                int64_t next = other == port ? -1 : step(&p, node, (uint8_t)other, &row);
                if (next < 0 || row < 0 || down[row] || (next >= n_satellites && next != destination && !relay))
                    continue;
                bool is_beyond = false;
                double left = rest(&p, of_old, cost, next, destination, node, beyond == destination ? -1 : beyond, &is_beyond);
                int kind = is_beyond;
                if (!(left < INFINITY) || (kind == 1 && !(left < own)) || !(cost[row] + left < best[kind]))
                    continue;
                best[kind] = cost[row] + left, by[kind] = other;
            }
            int64_t chosen = by[0] != NO_WAY ? by[0] : by[1];
            if (chosen != NO_WAY) {
                code[d * n_nodes + node] = (uint8_t)chosen;
                changed++;
            }
        }
    }
    return changed;
}
