/* What computers of satellites would draw of which nobody says more. */

#include <math.h>
#include <stdint.h>

enum { HOURS = 24 };

/*
 * Of n satellites at (n, 3) km, Earth-fixed, (n,) W by the local hour below them: straight lines between hourly_w,
 * (24,) W at the middles of the hours; utc_hour is Greenwich's.  A position of NAN gives NAN.
 */
void platform_load(const double *hourly_w, double utc_hour, int64_t n, const double *position_km, double *load_w)
{
    for (int64_t i = 0; i < n; i++) {
        double hour = utc_hour + atan2(position_km[3 * i + 1], position_km[3 * i]) * (HOURS / 2 / M_PI) - 0.5;
        hour -= HOURS * floor(hour / HOURS);
        if (!(hour >= 0 && hour <= HOURS)) {
            load_w[i] = NAN;
            continue;
        }
        int64_t from = hour < HOURS ? (int64_t)hour : HOURS - 1;
        double a = hourly_w[from], b = hourly_w[(from + 1) % HOURS];
        load_w[i] = a + (b - a) * (hour - (double)from);
    }
}
