#include "wheel.h"

#include <stdlib.h>

enum { MASK = WHEEL_SLOTS - 1, CHILDREN = 4, MOST_SORTED = 24 };

bool wheel_open(struct wheel *wheel, uint32_t capacity) {
    *wheel = (struct wheel){.capacity = capacity, .freed = WHEEL_NONE};
    wheel->event = aligned_alloc(sizeof *wheel->event, (size_t)capacity * sizeof *wheel->event); /* touched as used */
    wheel->first = malloc(WHEEL_SLOTS * sizeof *wheel->first);
    wheel->open.room = wheel->far.room = capacity;
    wheel->open.entry = malloc((size_t)capacity * sizeof *wheel->open.entry);
    wheel->far.entry = malloc((size_t)capacity * sizeof *wheel->far.entry);
    if (wheel->event == NULL || wheel->first == NULL || wheel->open.entry == NULL || wheel->far.entry == NULL)
        return false;
    for (uint32_t i = 0; i < WHEEL_SLOTS; i++)
        wheel->first[i] = WHEEL_NONE;
    return true;
}

void wheel_close(struct wheel *wheel) {
    free(wheel->event);
    free(wheel->first);
    free(wheel->open.entry);
    free(wheel->far.entry);
}

static bool before(const struct wheel_entry *a, const struct wheel_entry *b) {
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static void heap_add(struct wheel_heap *heap, struct wheel_entry entry) {
    uint32_t at = heap->held++;
    while (at > 0 && before(&entry, &heap->entry[(at - 1) / CHILDREN])) {
        heap->entry[at] = heap->entry[(at - 1) / CHILDREN];
        at = (at - 1) / CHILDREN;
    }
    heap->entry[at] = entry;
}

static struct wheel_entry heap_take(struct wheel_heap *heap) {
    struct wheel_entry top = heap->entry[0], last = heap->entry[--heap->held];
    uint32_t at = 0;
    for (;;) {
        uint32_t first = at * CHILDREN + 1, least = first;
        if (first >= heap->held)
            break;
        for (uint32_t child = first + 1; child < first + CHILDREN && child < heap->held; child++)
            if (before(&heap->entry[child], &heap->entry[least]))
                least = child;
        if (!before(&heap->entry[least], &last))
            break;
        heap->entry[at] = heap->entry[least];
        at = least;
    }
    if (heap->held > 0)
        heap->entry[at] = last;
    return top;
}

static void open_add(struct wheel *wheel, struct wheel_entry entry) {
    struct wheel_heap *open = &wheel->open;
    if (!wheel->is_heap && open->held == MOST_SORTED) {
        for (uint32_t i = 0; i < MOST_SORTED / 2; i++) { /* the other way round it is a heap */
            struct wheel_entry one = open->entry[i];
            open->entry[i] = open->entry[MOST_SORTED - 1 - i];
            open->entry[MOST_SORTED - 1 - i] = one;
        }
        wheel->is_heap = true;
    }
    if (wheel->is_heap) {
        heap_add(open, entry);
        return;
    }
    uint32_t at = open->held++;
    for (; at > 0 && before(&open->entry[at - 1], &entry); at--)
        open->entry[at] = open->entry[at - 1];
    open->entry[at] = entry;
}

/* All events of a slot that opens, where nothing else is open and they are few, put in order without a branch: which of
 * two is first is a coin's throw, and a processor that guesses it wrong loses more than all comparisons cost.
 * The first that was not taken, or WHEEL_NONE. */
static uint32_t open_all(struct wheel *wheel, uint32_t index) {
    uint64_t key[MOST_SORTED];
    uint32_t event[MOST_SORTED], rank[MOST_SORTED], n = 0;
    for (; index != WHEEL_NONE && n < MOST_SORTED; n++) {
        const struct wheel_event *one = &wheel->event[index];
        if (one->next != WHEEL_NONE)
            __builtin_prefetch(&wheel->event[one->next]);
        /* of one slot: the instant differs in its last bits alone */
        key[n] = (uint64_t)one->at_ns << (64 - WHEEL_SLOT_BITS) | one->order;
        event[n] = index;
        uint32_t behind = 0; /* how many come after it */
        for (uint32_t i = 0; i < n; i++) {
            uint32_t is_after = key[i] > key[n];
            behind += is_after;
            rank[i] += !is_after;
        }
        rank[n] = behind;
        if (wheel->soon != NULL)
            wheel->soon(wheel->context, index);
        index = one->next;
    }
    for (uint32_t i = 0; i < n; i++) /* the first one last */
        wheel->open.entry[rank[i]] =
            (struct wheel_entry){wheel->event[event[i]].at_ns, wheel->event[event[i]].order, event[i]};
    wheel->open.held = n;
    return index;
}

static uint32_t open_take(struct wheel *wheel) {
    if (!wheel->is_heap)
        return wheel->open.entry[--wheel->open.held].event;
    uint32_t event = heap_take(&wheel->open).event;
    wheel->is_heap = wheel->open.held > 0;
    return event;
}

static void mark(struct wheel *wheel, uint32_t slot) {
    wheel->leaf[slot >> 6] |= 1ull << (slot & 63);
    wheel->branch[slot >> 12] |= 1ull << (slot >> 6 & 63);
    wheel->root |= 1ull << (slot >> 12);
}

static void unmark(struct wheel *wheel, uint32_t slot) {
    if ((wheel->leaf[slot >> 6] &= ~(1ull << (slot & 63))) == 0 &&
        (wheel->branch[slot >> 12] &= ~(1ull << (slot >> 6 & 63))) == 0)
        wheel->root &= ~(1ull << (slot >> 12));
}

/* The first marked slot from `slot` on, not past the end of the wheel; WHEEL_NONE where there is none. */
static uint32_t find(const struct wheel *wheel, uint32_t slot) {
    uint64_t bits = wheel->leaf[slot >> 6] >> (slot & 63) << (slot & 63);
    if (bits != 0)
        return (slot & ~63u) + (uint32_t)__builtin_ctzll(bits);
    uint32_t word = (slot >> 6) + 1;
    if (word & 63 && (bits = wheel->branch[word >> 6] >> (word & 63) << (word & 63)) != 0) {
        word = (word & ~63u) + (uint32_t)__builtin_ctzll(bits);
        return word * 64 + (uint32_t)__builtin_ctzll(wheel->leaf[word]);
    }
    uint32_t part = (word + 63) >> 6;
    if (part > 63 || (bits = wheel->root >> part << part) == 0)
        return WHEEL_NONE;
    part = (uint32_t)__builtin_ctzll(bits);
    word = part * 64 + (uint32_t)__builtin_ctzll(wheel->branch[part]);
    return word * 64 + (uint32_t)__builtin_ctzll(wheel->leaf[word]);
}

/* Where an event belongs, as things stand. */
static void place(struct wheel *wheel, uint32_t index) {
    struct wheel_event *event = &wheel->event[index];
    int64_t slot = event->at_ns >> WHEEL_SLOT_BITS;
    if (slot <= wheel->open_slot) {
        open_add(wheel, (struct wheel_entry){event->at_ns, event->order, index});
    } else if (slot - wheel->open_slot < WHEEL_SLOTS) {
        uint32_t at = (uint32_t)slot & MASK;
        event->next = wheel->first[at];
        wheel->first[at] = index;
        if (event->next == WHEEL_NONE)
            mark(wheel, at);
    } else {
        heap_add(&wheel->far, (struct wheel_entry){event->at_ns, event->order, index});
    }
}

uint32_t wheel_add(struct wheel *wheel, int64_t at_ns) {
    uint32_t index = wheel->freed;
    if (index != WHEEL_NONE)
        wheel->freed = wheel->event[index].next;
    else if (wheel->fresh < wheel->capacity)
        index = wheel->fresh++;
    else
        return WHEEL_NONE;
    wheel_again(wheel, index, at_ns);
    return index;
}

void wheel_again(struct wheel *wheel, uint32_t event, int64_t at_ns) {
    if (wheel->held++ == 0) /* nothing is in any slot: begin here, so that time without events costs nothing */
        wheel->open_slot = at_ns >> WHEEL_SLOT_BITS;
    wheel->event[event].at_ns = at_ns;
    wheel->event[event].order = wheel->order++;
    place(wheel, event);
}

/* Open the next slot that holds anything, where the open one is used up. */
static void advance(struct wheel *wheel) {
    while (wheel->open.held == 0 && wheel->held > 0) {
        uint32_t here = (uint32_t)wheel->open_slot & MASK, slot = find(wheel, here);
        if (slot == WHEEL_NONE && here > 0)
            slot = find(wheel, 0);
        int64_t number = slot == WHEEL_NONE ? INT64_MAX : wheel->open_slot + ((slot - here) & MASK);
        if (wheel->far.held > 0 && wheel->far.entry[0].at_ns >> WHEEL_SLOT_BITS < number)
            number = wheel->far.entry[0].at_ns >> WHEEL_SLOT_BITS;
        wheel->open_slot = number;
        if (slot != WHEEL_NONE && ((uint32_t)number & MASK) == slot) {
            uint32_t index = wheel->first[slot];
            wheel->first[slot] = WHEEL_NONE;
            unmark(wheel, slot);
            index = open_all(wheel, index);
            for (uint32_t next; index != WHEEL_NONE; index = next) {
                next = wheel->event[index].next;
                if (next != WHEEL_NONE)
                    __builtin_prefetch(&wheel->event[next]);
                open_add(wheel, (struct wheel_entry){wheel->event[index].at_ns, wheel->event[index].order, index});
                if (wheel->soon != NULL)
                    wheel->soon(wheel->context, index);
            }
        }
        while (wheel->far.held > 0 && (wheel->far.entry[0].at_ns >> WHEEL_SLOT_BITS) - number < WHEEL_SLOTS)
            place(wheel, heap_take(&wheel->far).event);
    }
}

int64_t wheel_next_ns(struct wheel *wheel) {
    advance(wheel);
    if (wheel->held == 0)
        return NEVER;
    return wheel->open.entry[wheel->is_heap ? 0 : wheel->open.held - 1].at_ns;
}

uint32_t wheel_take(struct wheel *wheel) {
    advance(wheel);
    wheel->held--;
    return open_take(wheel);
}

void wheel_give(struct wheel *wheel, uint32_t event) {
    wheel->event[event].next = wheel->freed;
    wheel->freed = event;
}
