/* Sunlight and what the Earth radiates, at satellites. */

#include <math.h>
#include <stdint.h>

typedef struct {
    double sun_km[3];       /* from the Earth's centre */
    double sun_radius_km, earth_radius_km, au_km;
    double sunlight_w;      /* absorbed of direct sunlight at 1 au, W */
    double albedo_w;        /* absorbed of what the Earth reflects where it fills the view of the radiator, at 1 au, W */
    double infrared_w;      /* the same of what it radiates, W */
} Sky;

enum { AT_THE_SUN, ABOUT_THE_ORBIT_NORMAL, AT_THE_ZENITH };

static double dot(const double *a, const double *b)
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/*
 * Share of the Sun's disk that the Earth leaves free: two circles of the angles a (Sun) and b (Earth) that they are
 * seen under, c apart, as on a plane (O. Montenbruck, E. Gill, Satellite Orbits, 2000, section 3.4.2).
 */
static double free_share(double a, double b, double c)
{
    if (c >= a + b)
        return 1;
    if (c <= b - a)
        return 0;
    if (c <= a - b)
        return 1 - b * b / (a * a);
    double x = (c * c + a * a - b * b) / (2 * c), y = sqrt(fmax(a * a - x * x, 0));
    double hidden = a * a * acos(x / a) + b * b * acos((c - x) / b) - c * y;
    return fmin(fmax(1 - hidden / (M_PI * a * a), 0), 1);
}

static double incidence(int64_t pointing, const double *r, double r_km, const double *v, const double *to_sun)
{
    if (pointing == AT_THE_ZENITH)
        return fmax(dot(r, to_sun) / r_km, 0);
    if (pointing == ABOUT_THE_ORBIT_NORMAL) {
        double normal[3] = { r[1] * v[2] - r[2] * v[1], r[2] * v[0] - r[0] * v[2], r[0] * v[1] - r[1] * v[0] };
        double out = dot(normal, to_sun) / sqrt(dot(normal, normal));
        return sqrt(fmax(1 - out * out, 0));
    }
    return 1;
}

/*
 * Of n satellites at (n, 3) km with (n, 3) velocities (only for an array that turns about the orbit's normal; inertial,
 * in the axes of the positions): the share of the Sun that they see, sunlight on the array over that of 1 au at right
 * angles, and what the radiator absorbs, W; (n,) each.  A position of NAN gives NAN.
 */
void platform_surroundings(const double *sky_values, int64_t pointing, int64_t n, const double *position_km,
                           const double *velocity, double *sunlit, double *array, double *absorbed_w)
{
    const Sky *sky = (const Sky *)sky_values;
    for (int64_t i = 0; i < n; i++) {
        const double *r = position_km + 3 * i;
        double to_sun[3] = { sky->sun_km[0] - r[0], sky->sun_km[1] - r[1], sky->sun_km[2] - r[2] };
        double r_km = sqrt(dot(r, r)), sun_km = sqrt(dot(to_sun, to_sun));
        for (int k = 0; k < 3; k++)
            to_sun[k] /= sun_km;
        double cosine = dot(r, to_sun) / r_km; /* of the Sun's distance from the zenith */
        double share = 1;
        if (!(cosine >= 0)) /* the Earth is less than 90 degrees in radius */
            share = free_share(asin(sky->sun_radius_km / sun_km), asin(fmin(sky->earth_radius_km / r_km, 1)),
                               acos(fmin(fmax(-cosine, -1), 1)));
        double flux = (sky->au_km / sun_km) * (sky->au_km / sun_km);
        /* a side whose normal is level: the Earth fills this share of its view */
        double height = r_km / sky->earth_radius_km, tangent = sqrt(fmax(height * height - 1, 0));
        double view = (atan2(1, tangent) - tangent / (height * height)) / M_PI;
        double up = fmax(cosine, 0);
        sunlit[i] = r_km == r_km ? share : NAN;
        array[i] = share * flux * incidence(pointing, r, r_km, velocity + 3 * i, to_sun);
        absorbed_w[i] = share * flux * sky->sunlight_w + view * (up * flux * sky->albedo_w + sky->infrared_w);
    }
}
