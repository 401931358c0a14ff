/* Events in and out of a wheel: whatever is taken is the first of all that wait, by instant, then by order of adding.
 * Prints how many were taken, and how many of them were not the first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wheel.h"

enum { MOST = 4096, SLOT_NS = 1 << WHEEL_SLOT_BITS };

static struct wheel wheel;
static struct {
    int64_t at_ns;
    uint32_t number;
} waits[MOST];
static uint32_t n_waits, number, taken, wrong;
static uint64_t state = 88172645463325252ull;

static uint32_t draw(uint32_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static void add(int64_t at_ns) {
    uint32_t event = wheel_add(&wheel, at_ns);
    if (event == WHEEL_NONE)
        exit(1);
    memcpy(wheel_data(&wheel, event), &number, sizeof number);
    waits[n_waits].at_ns = at_ns;
    waits[n_waits++].number = number++;
}

static int64_t take(void) {
    uint32_t first = 0, got;
    for (uint32_t i = 1; i < n_waits; i++)
        if (waits[i].at_ns < waits[first].at_ns ||
            (waits[i].at_ns == waits[first].at_ns && waits[i].number < waits[first].number))
            first = i;
    int64_t at_ns = waits[first].at_ns;
    wrong += wheel_next_ns(&wheel) != at_ns;
    uint32_t event = wheel_take(&wheel);
    memcpy(&got, wheel_data(&wheel, event), sizeof got);
    wheel_give(&wheel, event);
    wrong += got != waits[first].number;
    taken++;
    waits[first] = waits[--n_waits];
    return at_ns;
}

int main(void) {
    if (!wheel_open(&wheel, MOST))
        return 1;
    int64_t now_ns = 1000 * (int64_t)SLOT_NS;
    /* slots of each number of events around where sorting gives way to a heap; few instants, so that many are equal */
    for (uint32_t n = 1; n <= 60; n++)
        for (uint32_t instants = 1; instants <= SLOT_NS; instants *= 8) {
            now_ns = (now_ns / SLOT_NS + 2) * SLOT_NS;
            for (uint32_t i = 0; i < n; i++)
                add(now_ns + draw(instants) * (SLOT_NS / instants));
            while (n_waits > 0)
                take();
        }
    /* and while some of a slot are taken others come into it, into later ones, and beyond the wheel */
    for (uint32_t turn = 0; turn < 20000; turn++) {
        uint32_t reach = draw(3);
        if (n_waits < 200 && draw(2) == 0)
            add(now_ns + (reach == 0   ? draw(64)
                          : reach == 1 ? draw(40 * SLOT_NS)
                                       : ((int64_t)WHEEL_SLOTS - 20 + draw(40)) * SLOT_NS));
        else if (n_waits > 0)
            now_ns = take();
    }
    while (n_waits > 0)
        take();
    printf("%u %u %d\n", taken, wrong, wheel_next_ns(&wheel) == NEVER);
    return 0;
}
