#include "histogram.h"

enum { SUB = 1 << HISTOGRAM_SUB_BITS };

uint32_t histogram_bin(int64_t value_ns) {
    if (value_ns < SUB)
        return value_ns < 0 ? 0 : (uint32_t)value_ns;
    int octave = 63 - __builtin_clzll((uint64_t)value_ns) - HISTOGRAM_SUB_BITS;
    uint64_t bin = ((uint64_t)octave << HISTOGRAM_SUB_BITS) + ((uint64_t)value_ns >> octave);
    return bin < HISTOGRAM_BINS ? (uint32_t)bin : HISTOGRAM_BINS - 1;
}

int64_t histogram_lower_edge_ns(uint32_t bin) {
    if (bin < SUB)
        return bin;
    uint32_t octave = (bin >> HISTOGRAM_SUB_BITS) - 1;
    return (int64_t)(SUB + (bin & (SUB - 1))) << octave;
}
