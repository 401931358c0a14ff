/* The mesh of lasers as the sweeps of trees.c take it. */

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "sweep.h"

/* Neighbours by falling index; itself, by NO_WAY, where a slot has no laser.  row: of the link; -1 there. */
static void sort_slots(int64_t n_satellites, int64_t slots, const int32_t *laser_neighbour, const int32_t *laser_row,
                       int32_t *neighbour, int32_t *row, uint8_t *slot)
{
    for (int64_t v = 0; v < n_satellites; v++) {
        const int32_t *from = laser_neighbour + v * slots, *from_row = laser_row + v * slots;
        int32_t *to = neighbour + v * slots, *r = row + v * slots;
        uint8_t *s = slot + v * slots;
        int64_t n = 0;
        for (int64_t k = 0; k < slots; k++) {
            if (from[k] < 0)
                continue;
            int64_t i = n++;
            for (; i > 0 && to[i - 1] < from[k]; i--) {
                to[i] = to[i - 1];
                r[i] = r[i - 1];
                s[i] = s[i - 1];
            }
            to[i] = from[k];
            r[i] = from_row[k];
            s[i] = (uint8_t)k;
        }
        for (; n < slots; n++) {
            to[n] = (int32_t)v;
            r[n] = -1;
            s[n] = NO_WAY;
        }
    }
}

/* What a laser is to the block it begins in, for the sweeps. */
enum { NOTHING, AHEAD, BEHIND, CLOSING, NEAR, LONE };

static int kind_of(const int32_t *first, const int32_t *block_of, const int32_t *lasers, int64_t b, int64_t v,
                   int64_t there)
{
    if (there == v)
        return NOTHING;
    if (block_of[there] != b)
        return lasers[block_of[there]] < 0 ? NEAR : LONE;
    int64_t least = first[b], last = first[b + 1] - 1;
    if (there == v + 1)
        return AHEAD;
    if (there == v - 1)
        return BEHIND;
    return (v == least && there == last) || (v == last && there == least) ? CLOSING : NEAR;
}

/*
 * From the ports of an epoch, sorts what does not depend on delays.  neighbour, row and slot (n_satellites, slots):
 * see sort_slots.  A block is first[b] up to first[b + 1]: within it the sweeps go along the chain of satellites that
 * follow each other, and the link that closes it to a ring; ahead_row (n_satellites,) and closing_row (n_blocks,), -1:
 * none.  Blocks to which it has many lasers are adjacent[adjacent_first[b]] up to [adjacent_first[b + 1]], itself if it
 * has other lasers within; those lasers are near and near_row (n_satellites, width), filled up by itself and -1.  The
 * places in neighbour of all others are lone[lone_first[b]] up to [lone_first[b + 1]].  There is room for
 * n_satellites * slots of each; lasers (n_blocks,) is room to work in.  Returns width.
 */
int64_t join_blocks(int64_t n_satellites, int64_t slots, const int32_t *laser_neighbour, const int32_t *laser_row,
                    int64_t n_blocks, const int32_t *first, const int32_t *block_of, int32_t *neighbour, int32_t *row,
                    uint8_t *slot, int32_t *ahead_row, int32_t *closing_row, int32_t *near, int32_t *near_row,
                    int32_t *adjacent_first, int32_t *adjacent, int32_t *lone_first, int64_t *lone, int32_t *lasers)
{
    int32_t n = 0, n_lone = 0;
    int64_t width = 0;
    sort_slots(n_satellites, slots, laser_neighbour, laser_row, neighbour, row, slot);
    memset(lasers, 0, (size_t)n_blocks * sizeof *lasers);
    for (int64_t b = 0; b < n_blocks; b++) {
        int32_t mine = first[b + 1] - first[b];
        int has_more_within = 0;
        adjacent_first[b] = n;
        lone_first[b] = n_lone;
        for (int64_t i = first[b] * slots; i < first[b + 1] * slots; i++) {
            int32_t other = block_of[neighbour[i]], theirs = first[other + 1] - first[other];
            int32_t many = (mine < theirs ? mine : theirs) / 4; /* alike from both sides */
            if (other != b && lasers[other] >= 0 && ++lasers[other] > many) {
                lasers[other] = -1; /* is adjacent */
                adjacent[n++] = other;
            }
        }
        for (int64_t v = first[b]; v < first[b + 1]; v++) {
            int64_t found = 0;
            for (int64_t i = v * slots; i < (v + 1) * slots; i++) {
                int kind = kind_of(first, block_of, lasers, b, v, neighbour[i]);
                found += kind == NEAR;
                if (kind == NEAR && block_of[neighbour[i]] == b)
                    has_more_within = 1;
                if (kind == LONE)
                    lone[n_lone++] = i;
            }
            width = found > width ? found : width;
        }
        if (has_more_within)
            adjacent[n++] = (int32_t)b;
        for (int64_t i = first[b] * slots; i < first[b + 1] * slots; i++)
            lasers[block_of[neighbour[i]]] = 0;
    }
    adjacent_first[n_blocks] = n;
    lone_first[n_blocks] = n_lone;
    memset(ahead_row, -1, (size_t)n_satellites * sizeof *ahead_row);
    memset(closing_row, -1, (size_t)n_blocks * sizeof *closing_row);
    for (int64_t b = 0; b < n_blocks; b++) {
        for (int32_t i = adjacent_first[b]; i < adjacent_first[b + 1]; i++)
            lasers[adjacent[i]] = -1;
        for (int64_t v = first[b]; v < first[b + 1]; v++) {
            int64_t found = v * width;
            for (int64_t i = v * slots; i < (v + 1) * slots; i++) {
                int kind = kind_of(first, block_of, lasers, b, v, neighbour[i]);
                if (kind == AHEAD)
                    ahead_row[v] = row[i];
                else if (kind == CLOSING)
                    closing_row[b] = row[i];
                else if (kind == NEAR) {
                    near[found] = neighbour[i];
                    near_row[found++] = row[i];
                }
            }
            for (; found < (v + 1) * width; found++) {
                near[found] = (int32_t)v;
                near_row[found] = -1;
            }
        }
        for (int32_t i = adjacent_first[b]; i < adjacent_first[b + 1]; i++)
            lasers[adjacent[i]] = 0;
    }
    return width;
}

/* Whole units of delay, at least one; where there is no link (row -1) what outweighs every way. */
#define WEIGHTS(name, Weight, none)                                                                                    \
    int64_t name(int64_t n, const int32_t *row, const double *link_weight, double units, Weight *weight)               \
    {                                                                                                                  \
        int64_t too_long = 0;                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            double w = row[i] < 0 ? (double)(none) : fmax(rint(link_weight[row[i]] * units), 1);                       \
            too_long |= row[i] >= 0 && w >= (double)(none);                                                            \
            weight[i] = (Weight)fmin(w, (double)(none));                                                               \
        }                                                                                                              \
        return too_long;                                                                                               \
    }

WEIGHTS(narrow_weights, uint32_t, NARROW_NONE)
WEIGHTS(wide_weights, int64_t, WIDE_NONE)
