/*
 * Shortest paths from every node to some destinations, sixteen at a time.
 *
 * Satellites lie by plane and slot, so most neighbours are a slot or a plane away, and distances settle in a few
 * sweeps over the array instead of by a queue (Zhao, "A fast sweeping method for Eikonal equations", 2005).  Along a
 * plane the least ways are found at once, since none turns back there; so a way that goes around the planes in one
 * direction is found by one sweep over them.  Whether there are others is seen when ports are chosen, for which all
 * neighbours are looked at anyway: what can still fall is swept again.  What comes out is the least distance on any
 * graph: only the number of sweeps depends on its shape.
 *
 * Distances are whole units of delay: 32 bits do for most meshes, and make sixteen of them a cache line.  Where a way
 * is longer, or hops are counted, they have 64.
 */

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "sweep.h"

#define INLINE static inline __attribute__((always_inline))
#define SELECT(mask, one, other) (((mask) & (one)) | (~(mask) & (other)))
#define LEAST_BY_COMPARISON(a, b)                                                                                      \
    __extension__({                                                                                                    \
        Vector a_ = (a), b_ = (b), falls_ = (Vector)(a_ < b_);                                                         \
        SELECT(falls_, a_, b_);                                                                                        \
    })

#define Weight uint32_t
#define NONE NARROW_NONE
#define LEAST LEAST_BY_COMPARISON
#define OPTIONS
#define NAMED(name) narrow_##name
#include "lanes.h"
#undef Weight
#undef NONE
#undef NAMED

#define Weight int64_t
#define NONE WIDE_NONE
#define NAMED(name) wide_##name
#include "lanes.h"
#undef OPTIONS
#undef NAMED

#ifdef __x86_64__
#define OPTIONS __attribute__((target("avx2")))
#define NAMED(name) wide_avx2_##name
#include "lanes.h"
#undef Weight
#undef NONE
#undef LEAST
#undef NAMED

#define Weight uint32_t
#define NONE NARROW_NONE
#define LEAST(a, b) ((Vector)_mm256_min_epu32((__m256i)(a), (__m256i)(b)))
#define NAMED(name) narrow_avx2_##name
#include "lanes.h"
#undef OPTIONS
#undef NAMED
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#endif
#undef Weight
#undef NONE
#undef LEAST

#define GROW(kind)                                                                                                     \
    do {                                                                                                               \
        kind##_Weights w_ = { weight, near_weight, ahead, closing, ground_weight };                                    \
        kind##_Trees t_ = { &m, &w_, state, distance, 0 };                                                             \
        return kind##_grow(&t_, tie, (int)relay, n_lanes, destination, codes, code);                                   \
    } while (0)

/*
 * code (n_lanes, n_nodes): the port by which each node sends towards each destination, NO_WAY where there is none.
 * Weights are uint32 or, where ``is_wide``, int64; tie, in their unit, is less than the least of them that matters.
 * distance (n_nodes, LANES) of weights, by 32 bytes, states (4, n_blocks) and codes (n of the largest block, LANES)
 * are room to work in.  ``is_plain``: without AVX2, wherever this runs.  Returns whether all ways could be told in weights of this kind.
 */
int64_t trees(int64_t n_satellites, int64_t n_nodes, int64_t slots, int64_t width, int64_t n_blocks,
              const int32_t *first, const int32_t *block_of, const int32_t *neighbour, const uint8_t *slot,
              const int32_t *near, const int32_t *adjacent_first, const int32_t *adjacent, const int32_t *lone_first,
              const int64_t *lone, const int32_t *ground_first, const int32_t *ground_neighbour, int64_t is_wide,
              const void *weight, const void *near_weight, const void *ahead, const void *closing,
              const void *ground_weight, int64_t n_lanes, const int32_t *destination, int64_t relay, int64_t tie,
              int64_t is_plain, void *distance, uint8_t *states, uint8_t *codes, uint8_t *code)
{
    Mesh m = { n_satellites,   n_nodes,  slots,      width, n_blocks,     first,           block_of, neighbour, slot, near,
               adjacent_first, adjacent, lone_first, lone,  ground_first, ground_neighbour };
    State state = { states, states + n_blocks, states + 2 * n_blocks, states + 3 * n_blocks };
    memset(states, 0, (size_t)(3 * n_blocks));
    memset(state.stale, 1, (size_t)n_blocks);
    for (int64_t l = 0; l < n_lanes; l++)
        memset(code + l * n_nodes + n_satellites, NO_WAY, (size_t)(n_nodes - n_satellites));
#ifdef HAS_AVX2
    if (!is_plain && HAS_AVX2 && is_wide)
        GROW(wide_avx2);
    if (!is_plain && HAS_AVX2)
        GROW(narrow_avx2);
#endif
    if (is_wide)
        GROW(wide);
    GROW(narrow);
}
