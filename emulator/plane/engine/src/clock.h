/* The one clock of the engine: CLOCK_MONOTONIC in nanoseconds. */
#pragma once
#include <stdint.h>
#include <time.h>

#define NEVER INT64_MAX

static inline int64_t mono_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
