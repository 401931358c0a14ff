/* States of satellites that share all mean elements but mean anomaly and node, by interpolation in anomaly. */

#include <stdint.h>

/* Lagrange's polynomials over six even steps, at u in 0..1 of the third step: they sum to one. */
static inline void weights(double u, double weight[6])
{
    double a = u + 2, b = u + 1, d = u - 1, e = u - 2, f = u - 3;
    double ab = a * b, ud = u * d, ef = e * f;

    weight[0] = b * ud * ef * (-1.0 / 120);
    weight[1] = a * ud * ef * (1.0 / 24);
    weight[2] = ab * d * ef * (-1.0 / 12);
    weight[3] = ab * u * ef * (1.0 / 12);
    weight[4] = ab * ud * f * (-1.0 / 24);
    weight[5] = ab * ud * e * (1.0 / 120);
}

/*
 * A run is satellites of one plane, evenly spaced in mean anomaly, in rows that follow each other.  Of each of
 * n_runs: its first row, how many satellites, the anomaly of the first and the distance between two in steps
 * of the references (0 <= first_step < n_references, and all within one turn of it), and cosine and sine of
 * the node's longitude in the frame wanted.  ``reference``, (n_references + 5, 6): position and velocity of a
 * satellite with node 0 and anomaly k - 2 steps in row k, so that six rows that follow each other surround any
 * anomaly.  Positions and velocities are (n, n_instants, 3); one instant is written.
 */
void family_states(int64_t n_runs, const int64_t *first_row, const int64_t *satellites,
                   const double *first_step, const double *spacing_steps, const double *cosine,
                   const double *sine, int64_t n_references, const double *reference, int64_t n_instants,
                   int64_t instant, double *position_km, double *velocity_km_per_s)
{
    for (int64_t run = 0; run < n_runs; run++) {
        double c = cosine[run], s = sine[run];
        int64_t at = 3 * (first_row[run] * n_instants + instant);

        for (int64_t k = 0; k < satellites[run]; k++, at += 3 * n_instants) {
            double step = first_step[run] + (double)k * spacing_steps[run];
            double weight[6], sum[6] = {0};

            if (step >= (double)n_references)
                step -= (double)n_references;
            int64_t base = (int64_t)step;
            const double *near = reference + 6 * base;
            weights(step - (double)base, weight);
            for (int row = 0; row < 6; row++)
                for (int part = 0; part < 6; part++)
                    sum[part] += weight[row] * near[6 * row + part];
            position_km[at] = c * sum[0] - s * sum[1];
            position_km[at + 1] = s * sum[0] + c * sum[1];
            position_km[at + 2] = sum[2];
            velocity_km_per_s[at] = c * sum[3] - s * sum[4];
            velocity_km_per_s[at + 1] = s * sum[3] + c * sum[4];
            velocity_km_per_s[at + 2] = sum[5];
        }
    }
}
