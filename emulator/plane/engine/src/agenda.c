#include "agenda.h"

#include <stdlib.h>

bool agenda_open(struct agenda *agenda, uint32_t pipes) {
    *agenda = (struct agenda){.heap = calloc(pipes, sizeof *agenda->heap),
                              .place = calloc(pipes, sizeof *agenda->place)};
    return agenda->heap != NULL && agenda->place != NULL;
}

void agenda_close(struct agenda *agenda) {
    free(agenda->heap);
    free(agenda->place);
}

static void put(struct agenda *agenda, uint32_t at, struct appointment item) {
    agenda->heap[at] = item;
    agenda->place[item.pipe] = at + 1;
}

/* Let an item find its place, from a hole. */
static void settle(struct agenda *agenda, uint32_t hole, struct appointment item) {
    struct appointment *heap = agenda->heap;
    while (hole > 0 && item.at_ns < heap[(hole - 1) / 4].at_ns) {
        put(agenda, hole, heap[(hole - 1) / 4]);
        hole = (hole - 1) / 4;
    }
    for (;;) {
        uint32_t child = 4 * hole + 1, last = child + 4 < agenda->busy ? child + 4 : agenda->busy;
        if (child >= agenda->busy)
            break;
        uint32_t least = child;
        while (++child < last)
            if (heap[child].at_ns < heap[least].at_ns)
                least = child;
        if (heap[least].at_ns >= item.at_ns)
            break;
        put(agenda, hole, heap[least]);
        hole = least;
    }
    put(agenda, hole, item);
}

void agenda_set(struct agenda *agenda, uint32_t pipe, int64_t at_ns) {
    uint32_t place = agenda->place[pipe];
    if (at_ns != NEVER) {
        if (place == 0)
            place = ++agenda->busy;
        settle(agenda, place - 1, (struct appointment){at_ns, pipe});
    } else if (place != 0) {
        agenda->place[pipe] = 0;
        agenda->busy--;
        if (place - 1 < agenda->busy)
            settle(agenda, place - 1, agenda->heap[agenda->busy]);
    }
}
