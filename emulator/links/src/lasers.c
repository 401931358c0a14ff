/* The links of an instant: which lasers close, how long every link is, how fast that changes, what it carries. */

#include <math.h>
#include <stdint.h>

#define LEAST_RANGE_KM 1e-3 /* nearer, the far field is not reached; keeps two satellites in one place from 1/0 */

enum { LASER, GROUND };

/* Of all lasers alike.  No limit: INFINITY. */
typedef struct {
    double max_range_km;
    double least_radius_km; /* the chord stays outside of this */
    double cross_plane_max_sine;
    double rate_at_1_m_bps; /* falls with the square of the range */
    double ceiling_bps;
} Optics;

static int64_t rate_bps(const Optics *o, int64_t n_steps, const double *step_bps, double range_km)
{
    double range_m = fmax(range_km, LEAST_RANGE_KM) * 1e3;
    double rate = fmin(o->rate_at_1_m_bps / (range_m * range_m), o->ceiling_bps);
    if (n_steps > 0) {
        double step = 0;
        for (int64_t i = 0; i < n_steps && step_bps[i] <= rate; i++)
            step = step_bps[i];
        rate = step;
    }
    return (int64_t)rate;
}

void laser_rates(const double *optics, int64_t n_steps, const double *step_bps, int64_t n, const double *range_km,
                 int64_t *rates)
{
    const Optics *o = (const Optics *)optics;
    for (int64_t i = 0; i < n; i++)
        rates[i] = range_km[i] <= o->max_range_km ? rate_bps(o, n_steps, step_bps, range_km[i]) : 0;
}

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static int clears(double least_radius_km, const double *a, const double *along, double squared)
{
    /* the chord's point nearest to the Earth's centre, kept between its ends */
    double t = -dot(a, along) / fmax(squared, 1e-12);
    t = fmin(fmax(t, 0), 1);
    double x = a[0] + t * along[0], y = a[1] + t * along[1], z = a[2] + t * along[2];
    return x * x + y * y + z * z >= least_radius_km * least_radius_km;
}

/* whether the chords between a and b, (n, 3) km each, stay outside of a sphere */
void chords_clear(int64_t n, const double *a, const double *b, double least_radius_km, uint8_t *is_clear)
{
    for (int64_t i = 0; i < n; i++) {
        const double *p = a + 3 * i, *q = b + 3 * i;
        double along[3] = { q[0] - p[0], q[1] - p[1], q[2] - p[2] };
        is_clear[i] = (uint8_t)clears(least_radius_km, p, along, dot(along, along));
    }
}

static int is_low(const Optics *o, const double *p)
{
    double z = fabs(p[2]), limit = o->cross_plane_max_sine;
    return z * z <= limit * limit * dot(p, p);
}

/* bit/s of lasers between pairs (n, 2) of nodes; 0 where there is none */
void lasers_between(const double *optics, int64_t n_steps, const double *step_bps, int64_t n, const int32_t *pairs,
                    const double *position_km, const int32_t *plane, int64_t *rates)
{
    const Optics *o = (const Optics *)optics;
    for (int64_t i = 0; i < n; i++) {
        int64_t a = pairs[2 * i], b = pairs[2 * i + 1];
        const double *p = position_km + 3 * a, *q = position_km + 3 * b;
        double along[3] = { q[0] - p[0], q[1] - p[1], q[2] - p[2] };
        double squared = dot(along, along), range_km = sqrt(squared);
        int there = range_km <= o->max_range_km && clears(o->least_radius_km, p, along, squared) &&
                    (o->cross_plane_max_sine > 1 || plane[a] == plane[b] || (is_low(o, p) && is_low(o, q)));
        rates[i] = there ? rate_bps(o, n_steps, step_bps, range_km) : 0;
    }
}

/*
 * All links by (a, b): of n_lasers pairs with their rates those that have one, and n_ground pairs; both come sorted.
 * Positions and velocities (n_nodes, 3), km and km/s, of one frame.  terminal[2 i] and terminal[2 i + 1] are the
 * slots of laser i at its ends; neighbour and row, (n_satellites, slots), come filled with -1.
 * Returns how many links there are.
 */
int64_t merge_links(int64_t n_lasers, const int32_t *lasers, const uint8_t *terminal, const int64_t *rates,
                    int64_t n_ground, const int32_t *ground, double down_bps, double up_bps, int64_t slots,
                    const double *position_km, const double *velocity_km_per_s, double ns_per_km, int32_t *out_a,
                    int32_t *out_b, uint8_t *out_kind, double *delay_ns, double *slope_ns_per_s, int64_t *rate_ab,
                    int64_t *rate_ba, int32_t *neighbour, int32_t *row)
{
    int64_t n = 0, i = 0, j = 0;
    while (i < n_lasers || j < n_ground) {
        if (i < n_lasers && rates[i] == 0) {
            i++;
            continue;
        }
        int is_laser = i < n_lasers && (j == n_ground || lasers[2 * i] < ground[2 * j] ||
                                        (lasers[2 * i] == ground[2 * j] && lasers[2 * i + 1] < ground[2 * j + 1]));
        const int32_t *pair = is_laser ? lasers + 2 * i : ground + 2 * j;
        int64_t a = pair[0], b = pair[1];
        const double *p = position_km + 3 * a, *q = position_km + 3 * b;
        const double *v = velocity_km_per_s + 3 * a, *w = velocity_km_per_s + 3 * b;
        double along[3] = { q[0] - p[0], q[1] - p[1], q[2] - p[2] };
        double relative[3] = { w[0] - v[0], w[1] - v[1], w[2] - v[2] };
        double range_km = sqrt(dot(along, along));
        out_a[n] = (int32_t)a;
        out_b[n] = (int32_t)b;
        out_kind[n] = is_laser ? LASER : GROUND;
        delay_ns[n] = range_km * ns_per_km;
        /* two satellites in one place stay there: nothing to divide by */
        slope_ns_per_s[n] = dot(along, relative) / fmax(range_km, 1e-9) * ns_per_km;
        if (is_laser) {
            rate_ab[n] = rate_ba[n] = rates[i];
            int64_t here = a * slots + terminal[2 * i], there = b * slots + terminal[2 * i + 1];
            neighbour[here] = (int32_t)b;
            neighbour[there] = (int32_t)a;
            row[here] = row[there] = (int32_t)n;
            i++;
        } else {
            rate_ab[n] = (int64_t)down_bps;
            rate_ba[n] = (int64_t)up_bps;
            j++;
        }
        n++;
    }
    return n;
}
