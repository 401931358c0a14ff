/* Which satellites each station sees, without looking at each of them. */

#include <math.h>
#include <stdint.h>

#define BLOCK 16            /* satellites that lie together: they follow each other in a plane */
#define ROUNDING_KM 1e-6

typedef struct {
    double low[3], high[3];
} Box;

static Box box_of(const double *position_km, int64_t first, int64_t last)
{
    Box box = { { INFINITY, INFINITY, INFINITY }, { -INFINITY, -INFINITY, -INFINITY } };
    for (int64_t i = first; i < last; i++)
        for (int k = 0; k < 3; k++) {
            double x = position_km[3 * i + k]; /* NAN, where it is not in orbit, is in no box */
            box.low[k] = x < box.low[k] ? x : box.low[k];
            box.high[k] = x > box.high[k] ? x : box.high[k];
        }
    return box;
}

typedef struct {
    const double *position_km, *zenith;
    double sine_mask, max_range_km;
} Station;

/* No point of the box is higher over the station's horizon than ``height``, nor nearer than ``distance``. */
static int may_be_seen(const Box *box, const Station *s)
{
    double height = 0, squared = 0;
    for (int k = 0; k < 3; k++) {
        double p = s->position_km[k], up = s->zenith[k];
        double out = fmax(fmax(box->low[k] - p, p - box->high[k]), 0);
        height += ((up > 0 ? box->high[k] : box->low[k]) - p) * up;
        squared += out * out;
    }
    double distance = sqrt(squared);
    return !(distance > s->max_range_km + ROUNDING_KM) &&
           (s->sine_mask < 0 || height + ROUNDING_KM >= s->sine_mask * distance);
}

/*
 * Pairs of a station and a satellite (n_satellites, 3) km that it sees, by station, then satellite: at a sine of the
 * elevation of at least sine_mask, within max_range_km, both (n_stations,).  boxes is room for one of each BLOCK
 * satellites.  Writes at most ``room`` pairs; returns how many there are.
 */
int64_t in_sight(int64_t n_satellites, const double *position_km, int64_t n_stations, const double *station_km,
                 const double *zenith, const double *sine_mask, const double *max_range_km, double *boxes,
                 int64_t room, int32_t *station, int32_t *satellite, double *range_km, double *sine)
{
    int64_t n = 0, n_blocks = (n_satellites + BLOCK - 1) / BLOCK;
    Box *box = (Box *)boxes;
    for (int64_t k = 0; k < n_blocks; k++)
        box[k] = box_of(position_km, k * BLOCK, k + 1 < n_blocks ? (k + 1) * BLOCK : n_satellites);
    for (int64_t s = 0; s < n_stations; s++) {
        Station here = { station_km + 3 * s, zenith + 3 * s, sine_mask[s], max_range_km[s] };
        const double *p = here.position_km, *up = here.zenith;
        for (int64_t k = 0; k < n_blocks; k++) {
            if (!may_be_seen(&box[k], &here))
                continue;
            int64_t last = k + 1 < n_blocks ? (k + 1) * BLOCK : n_satellites;
            for (int64_t i = k * BLOCK; i < last; i++) {
                const double *q = position_km + 3 * i;
                double x = q[0] - p[0], y = q[1] - p[1], z = q[2] - p[2];
                double range = sqrt(x * x + y * y + z * z);
                double elevation = (up[0] * x + up[1] * y + up[2] * z) / fmax(range, 1e-9);
                if (!(elevation >= here.sine_mask && range <= here.max_range_km))
                    continue;
                if (n < room) {
                    station[n] = (int32_t)s;
                    satellite[n] = (int32_t)i;
                    range_km[n] = range;
                    sine[n] = elevation;
                }
                n++;
            }
        }
    }
    return n;
}
