/* What happens when, of very many things at once: a timing wheel.
 *
 * 2^18 slots of 4,096 ns hold lists of events, a bitmap of three levels finds the
 * next slot that holds any, and only those of the slot that is open are put in
 * order: all at once while they are few, by insertion who comes later, else in a heap.  What lies more than a
 * second ahead waits in a heap of its own.  Events of one instant come in the order
 * in which they were added.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

enum { WHEEL_SLOT_BITS = 12, WHEEL_BITS = 18, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_NONE = UINT32_MAX };
enum { WHEEL_DATA_BYTES = 40 };

struct wheel_event { /* a cache line with all that there is about it */
    _Alignas(64) int64_t at_ns;
    uint64_t order;
    uint32_t next; /* in its slot's list, or in the list of free ones */
    _Alignas(8) uint8_t data[WHEEL_DATA_BYTES]; /* the caller's */
};
_Static_assert(sizeof(struct wheel_event) == 64, "a cache line");

struct wheel_heap {
    struct wheel_entry {
        int64_t at_ns;
        uint64_t order;
        uint32_t event;
    } *entry;
    uint32_t held, room;
};

struct wheel {
    struct wheel_event *event; /* as many as may be held at a time */
    uint32_t capacity, fresh, freed;
    uint64_t order;
    int64_t open_slot; /* the number of the slot that is open, counted from the clock's zero */
    uint32_t held;
    uint32_t *first; /* of each slot */
    uint64_t leaf[WHEEL_SLOTS / 64], branch[WHEEL_SLOTS / 64 / 64], root;
    struct wheel_heap open, far;
    bool is_heap; /* else what is open is sorted, the first one last */
    void (*soon)(void *context, uint32_t event); /* told of each event of a slot that opens; may be NULL */
    void *context;
};

bool wheel_open(struct wheel *, uint32_t capacity);
void wheel_close(struct wheel *);
uint32_t wheel_add(struct wheel *, int64_t at_ns); /* the event's index, or WHEEL_NONE where all are in use */
int64_t wheel_next_ns(struct wheel *);             /* NEVER: there is none */
uint32_t wheel_take(struct wheel *);               /* the next one, which must be there; to be given back */
void wheel_give(struct wheel *, uint32_t event);
void wheel_again(struct wheel *, uint32_t event, int64_t at_ns); /* instead of giving it back */

static inline void *wheel_data(struct wheel *wheel, uint32_t event) { return wheel->event[event].data; }
