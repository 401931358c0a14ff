/* Lateness in log-linear bins: exact below 32 ns, then 32 bins to the octave (3 % wide), up to 2^40 ns. */
#pragma once
#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 5, HISTOGRAM_OCTAVES = 36, HISTOGRAM_BINS = HISTOGRAM_OCTAVES << HISTOGRAM_SUB_BITS };

uint32_t histogram_bin(int64_t value_ns);         /* negative counts as 0, beyond the last as the last */
int64_t histogram_lower_edge_ns(uint32_t bin);    /* bin == HISTOGRAM_BINS: the upper edge of the last */
