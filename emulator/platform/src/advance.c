/* Battery and temperature of satellites, from one instant to the next. */

#include <math.h>
#include <stdint.h>

typedef struct {
    double peak_w, idle_w, bus_w, grid_w, array_w; /* array: at 1 au, at right angles, at its age */
    double battery_j, battery_w, charge, discharge, floor_j;
    double radiation;      /* emissivity, Stefan-Boltzmann constant and area: W/K4 */
    double sink_k, conductance, heat_capacity, warning_k, maximum_k, exponent;
} Platform;

enum { NOTHING, HEAT, ECLIPSE, ENERGY }; /* what holds the computing back */

/* What is written for each satellite; (N_OUT, n) float64. */
enum { ARRAY_W, UNUSED_W, BUS_W, COMPUTE_W, ALLOWED_W, CAPACITY, CHARGE_W, DISCHARGE_W, HEAT_W, RADIATED_W, N_OUT };

typedef struct {
    double battery_j, temperature_k, out[N_OUT];
    uint8_t cause;
} Now;

static double radiated_w(const Platform *p, double t)
{
    double t2 = t * t, s2 = p->sink_k * p->sink_k;
    return p->radiation * (t2 * t2 - s2 * s2) + p->conductance * (t - p->sink_k);
}

static double losses_w(const Platform *p, double charge_w, double discharge_w)
{
    return charge_w * (1 - p->charge) + discharge_w * (1 / p->discharge - 1);
}

/* The battery takes what is over, and gives what is lacking, as far as it can. */
static void battery(const Platform *p, double battery_j, double over_w, double dt, double *charge_w, double *discharge_w)
{
    double room_w = fmin(p->battery_w, fmax(p->battery_j - battery_j, 0) / (p->charge * dt));
    *charge_w = fmin(fmax(over_w, 0), room_w);
    *discharge_w = fmax(-over_w, 0);
}

/*
 * The computing that is still allowed at a temperature at the step's end, which is base + warming * compute: all of it
 * up to the warning, at rest from the maximum on, in a line between.
 */
static double allowed_by_heat_w(const Platform *p, double base_k, double warming)
{
    double slope = (p->peak_w - p->idle_w) / (p->maximum_k - p->warning_k);
    if (base_k + warming * p->peak_w <= p->warning_k)
        return p->peak_w;
    double allowed = (p->idle_w + slope * (p->maximum_k - base_k)) / (1 + slope * warming);
    return fmin(fmax(allowed, p->idle_w), p->peak_w);
}

static double capacity(const Platform *p, double allowed_w)
{
    if (allowed_w >= p->peak_w)
        return 1;
    double share = (allowed_w - p->idle_w) / (p->peak_w - p->idle_w);
    return share <= 0 ? 0 : pow(share, p->exponent);
}

/*
 * One step of at most a few tens of seconds.  Heat is followed by the exponential Rosenbrock-Euler method (M. Hochbruck,
 * A. Ostermann, Acta Numerica 2010): of second order, stable, at rest where the closed form is.  What was radiated is
 * the heat less what warmed the satellite, so that no energy is lost to the method.
 */
static void step(const Platform *p, double array, double absorbed_w, double demand_w, double most_w, int dark,
                 double dt, Now *s)
{
    double array_w = p->array_w * array + p->grid_w;
    double gives_w = fmin(p->battery_w, fmax(s->battery_j, 0) * p->discharge / dt);
    double for_computing_w = fmin(p->battery_w, fmax(s->battery_j - p->floor_j, 0) * p->discharge / dt);
    double bus_w = fmin(p->bus_w, array_w + gives_w);
    double energy_w = fmax(array_w - bus_w, 0) + fmax(for_computing_w - fmax(bus_w - array_w, 0), 0);
    double charge_w, discharge_w;
    battery(p, s->battery_j, array_w - bus_w - fmin(fmin(demand_w, p->peak_w), energy_w), dt, &charge_w, &discharge_w);

    double t = s->temperature_k;
    double rate = (4 * p->radiation * t * t * t + p->conductance) / p->heat_capacity;
    double warming = (rate * dt > 1e-9 ? -expm1(-rate * dt) / rate : dt) / p->heat_capacity; /* K for each W */
    double base_k = t + warming * (bus_w + losses_w(p, charge_w, discharge_w) + absorbed_w - radiated_w(p, t));
    double heat_w = allowed_by_heat_w(p, base_k, warming);

    double allowed_w = fmin(energy_w, heat_w);
    if (allowed_w < p->idle_w)
        allowed_w = 0; /* too little to keep the computers on */
    double compute_w = fmin(demand_w, allowed_w);
    battery(p, s->battery_j, array_w - bus_w - compute_w, dt, &charge_w, &discharge_w);
    double made_w = bus_w + compute_w + losses_w(p, charge_w, discharge_w);
    double warmed_k = warming * (made_w + absorbed_w - radiated_w(p, t));
    s->temperature_k = t + warmed_k;
    s->battery_j += (charge_w * p->charge - discharge_w / p->discharge) * dt;
    if (allowed_w < most_w)
        s->cause = heat_w <= energy_w ? HEAT : dark ? ECLIPSE : ENERGY;

    double now[N_OUT] = {
        [ARRAY_W] = array_w, [UNUSED_W] = array_w + discharge_w - bus_w - compute_w - charge_w, [BUS_W] = bus_w,
        [COMPUTE_W] = compute_w, [ALLOWED_W] = allowed_w, [CAPACITY] = capacity(p, allowed_w),
        [CHARGE_W] = charge_w, [DISCHARGE_W] = discharge_w, [HEAT_W] = made_w,
        [RADIATED_W] = made_w + absorbed_w - p->heat_capacity * warmed_k / dt,
    };
    for (int k = 0; k < N_OUT; k++)
        s->out[k] += now[k];
}

/*
 * n satellites over ``steps`` steps of dt seconds each: battery (J) and temperature (K), (n,), are written in place;
 * out, (N_OUT, n), is the mean of the steps, cause, (n,), that of the last
 * in which less was allowed than was asked for at any instant, most_w, (n,).
 */
void platform_advance(const double *values, int64_t steps, double dt, int64_t n, const double *sunlit,
                      const double *array, const double *absorbed_w, const double *demand_w, const double *most_w,
                      double *battery_j, double *temperature_k, double *out, uint8_t *cause)
{
    const Platform *p = (const Platform *)values;
    for (int64_t i = 0; i < n; i++) {
        Now now = { .battery_j = battery_j[i], .temperature_k = temperature_k[i], .cause = NOTHING };
        for (int64_t k = 0; k < steps; k++)
            step(p, array[i], absorbed_w[i], demand_w[i], most_w[i], sunlit[i] < 1, dt, &now);
        battery_j[i] = now.battery_j;
        temperature_k[i] = now.temperature_k;
        cause[i] = now.cause;
        for (int k = 0; k < N_OUT; k++)
            out[k * n + i] = now.out[k] / (double)steps;
    }
}
