/* Any order of adding and taking: events come by their instants, and those of one instant as they were added. */
#include <stdlib.h>
#include <string.h>

#include "wheel.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

enum { CAPACITY = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct wheel wheel;
    CHECK(wheel_open(&wheel, CAPACITY));
    struct known {
        bool is_in;
        int64_t at_ns;
        uint64_t order;
    } known[CAPACITY] = {0};
    uint64_t order = 0;
    uint32_t held = 0;
    int64_t now_ns = 1000000000;
    for (size_t at = 0; at + 9 <= bytes; at += 9) {
        uint64_t value;
        memcpy(&value, data + at + 1, 8);
        if (data[at] & 1) { /* near, within the wheel, or far beyond it */
            static const uint64_t spans[] = {1, 5000, 2000000000, 100000000000};
            int64_t at_ns = now_ns + (int64_t)(value % spans[data[at] >> 1 & 3]) - (data[at] & 64 ? 3000 : 0);
            uint32_t event = wheel_add(&wheel, at_ns);
            CHECK((event == WHEEL_NONE) == (held == CAPACITY));
            if (event != WHEEL_NONE) {
                CHECK(event < CAPACITY && !known[event].is_in);
                known[event] = (struct known){true, at_ns, order++};
                held++;
            }
            continue;
        }
        if (held == 0) {
            CHECK(wheel_next_ns(&wheel) == NEVER);
            continue;
        }
        uint32_t first = WHEEL_NONE;
        for (uint32_t i = 0; i < CAPACITY; i++)
            if (known[i].is_in && (first == WHEEL_NONE || known[i].at_ns < known[first].at_ns ||
                                   (known[i].at_ns == known[first].at_ns && known[i].order < known[first].order)))
                first = i;
        CHECK(wheel_next_ns(&wheel) == known[first].at_ns);
        uint32_t event = wheel_take(&wheel);
        CHECK(event == first);
        known[event].is_in = false;
        held--;
        if (known[event].at_ns > now_ns)
            now_ns = known[event].at_ns;
        if (data[at] & 2) { /* in again, as a packet that goes on */
            int64_t at_ns = now_ns + (int64_t)(value % 10000000);
            wheel_again(&wheel, event, at_ns);
            known[event] = (struct known){true, at_ns, order++};
            held++;
        } else {
            wheel_give(&wheel, event);
        }
    }
    wheel_close(&wheel);
    return 0;
}
