/* How far apart the two ends of each link are, and how fast that changes. */

#include <math.h>
#include <stdint.h>

/* Positions (n_nodes, 3) km and velocities (n_nodes, 3) km/s in one frame; ends a, b of n_links. */
void ranges_of_links(int64_t n_links, const int32_t *a, const int32_t *b, const double *position_km,
                     const double *velocity_km_per_s, double *range_km, double *range_rate_km_per_s)
{
    for (int64_t i = 0; i < n_links; i++) {
        const double *pa = position_km + 3 * (int64_t)a[i], *pb = position_km + 3 * (int64_t)b[i];
        const double *va = velocity_km_per_s + 3 * (int64_t)a[i], *vb = velocity_km_per_s + 3 * (int64_t)b[i];
        double x = pb[0] - pa[0], y = pb[1] - pa[1], z = pb[2] - pa[2];
        double range = sqrt(x * x + y * y + z * z);
        double towards = x * (vb[0] - va[0]) + y * (vb[1] - va[1]) + z * (vb[2] - va[2]);
        range_km[i] = range;
        /* two satellites in one place stay there: nothing to divide by */
        range_rate_km_per_s[i] = towards / fmax(range, 1e-9);
    }
}
