/* From the lasers of an epoch to the pipes of a bank. */

#include <math.h>
#include <stdint.h>

#define NODE 0x00FFFFFFu
#define GENERATION 0x7F000000u
#define ONE_GENERATION 0x01000000u
#define UP 0x80000000u

/* as in plane/engine/src/fabric_table.h */
typedef struct {
    uint32_t delay_ns;
    float slope_ns_per_s, rate_bps;
    uint32_t word;
} Pipe;

/*
 * pipes (n_satellites * slots,) from neighbours and rows of links, (n_satellites, slots).  word (n_satellites * slots,)
 * comes as it was in the epoch before and goes as it is in this one: its generation grows by one where a pipe that was
 * up goes down or leads elsewhere, so that what is in flight there is lost.  changes: how many pipes came up, and went
 * down.
 */
void laser_pipes(int64_t n_satellites, int64_t slots, const int32_t *neighbour, const int32_t *row,
                 const double *delay_ns, const double *slope_ns_per_s, const int64_t *rate_ab_bps,
                 const int64_t *rate_ba_bps, double rate_scale, double least_rate_bps, uint32_t *word, void *pipes,
                 int64_t *changes)
{
    Pipe *out = pipes;
    int64_t came = 0, went = 0;
    for (int64_t node = 0, i = 0; node < n_satellites; node++)
        for (int64_t k = 0; k < slots; k++, i++) {
            int32_t far = neighbour[i];
            uint32_t before = word[i], after;
            if (far < 0) {
                out[i] = (Pipe){ 0 };
                after = before & (NODE | GENERATION);
            } else {
                int64_t link = row[i];
                double rate = (double)(node < far ? rate_ab_bps[link] : rate_ba_bps[link]);
                out[i].delay_ns = (uint32_t)ceil(delay_ns[link]); /* never less than light takes */
                out[i].slope_ns_per_s = (float)slope_ns_per_s[link];
                out[i].rate_bps = (float)fmax(rint(rate * rate_scale), least_rate_bps);
                after = (uint32_t)far | (before & GENERATION) | UP;
            }
            if (before & UP && after != before)
                after = (after & ~GENERATION) | ((after + ONE_GENERATION) & GENERATION);
            came += after & UP && !(before & UP);
            went += before & UP && !(after & UP);
            out[i].word = word[i] = after;
        }
    changes[0] = came;
    changes[1] = went;
}
