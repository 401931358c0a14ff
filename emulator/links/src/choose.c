/* Which satellites stations are linked to, by the ways that lead over them: see least_delay.py. */

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* One station: what each of n candidates makes of each of d destinations, weighted, and of none. */
typedef struct {
    int64_t n, d, antennas;
    const double *delay_ns; /* (n, d) */
    const double *no_way_ns; /* (d,) */
    double *least, *without; /* (d,) each: room */
    int32_t *chosen; /* (antennas,) candidates */
    int64_t n_chosen;
} Station;

/* The least over those chosen but for the one at a place (-1: for none), and no more than without a way. */
static void least_over(const Station *s, int64_t but, double *least)
{
    memcpy(least, s->no_way_ns, (size_t)s->d * sizeof *least);
    for (int64_t c = 0; c < s->n_chosen; c++) {
        const double *delay = s->delay_ns + s->chosen[c] * s->d;
        if (c == but)
            continue;
        for (int64_t i = 0; i < s->d; i++)
            least[i] = delay[i] < least[i] ? delay[i] : least[i];
    }
}

static double sum_of_least(const double *a, const double *b, int64_t d)
{
    double sum = 0;
    for (int64_t i = 0; i < d; i++)
        sum += a[i] < b[i] ? a[i] : b[i];
    return sum;
}

static int is_chosen(const Station *s, int64_t candidate)
{
    for (int64_t c = 0; c < s->n_chosen; c++)
        if (s->chosen[c] == candidate)
            return 1;
    return 0;
}

/* On each free antenna who shortens the mean most, of equals the one of the least mean, of those the first. */
static void fill(Station *s)
{
    assert(s->n > s->antennas);
    while (s->n_chosen < s->antennas) {
        double best_ns = INFINITY, best_own_ns = INFINITY;
        int32_t best = -1;
        least_over(s, -1, s->least);
        for (int32_t j = 0; j < s->n; j++) {
            const double *delay = s->delay_ns + j * s->d;
            double with_ns, own_ns;
            if (is_chosen(s, j))
                continue;
            with_ns = sum_of_least(s->least, delay, s->d);
            if (with_ns > best_ns)
                continue;
            own_ns = sum_of_least(delay, delay, s->d);
            if (with_ns < best_ns || own_ns < best_own_ns) {
                best = j;
                best_ns = with_ns;
                best_own_ns = own_ns;
            }
        }
        assert(best >= 0);
        s->chosen[s->n_chosen++] = best;
    }
}

/* One for another while that shortens the mean by the margin. */
static void swap(Station *s, double margin_ns)
{
    for (int64_t turn = 0; turn < s->antennas; turn++) {
        double now_ns, best_ns = INFINITY;
        int64_t out = -1;
        int32_t into = -1;
        least_over(s, -1, s->least);
        now_ns = sum_of_least(s->least, s->least, s->d);
        for (int64_t c = 0; c < s->n_chosen; c++) {
            least_over(s, c, s->without);
            for (int32_t j = 0; j < s->n; j++) {
                double with_ns = sum_of_least(s->without, s->delay_ns + j * s->d, s->d);
                if (with_ns < best_ns) {
                    best_ns = with_ns;
                    out = c;
                    into = j;
                }
            }
        }
        if (out < 0 || now_ns - best_ns < margin_ns || now_ns <= best_ns)
            return;
        s->chosen[out] = into;
    }
}

/*
 * Station k has candidates first[k] up to first[k + 1], more than antennas[k]: over_ns (d, n_columns), in the column
 * of each, and up_ns on top; weight (m, d).  chosen (sum of antennas,): of each station its candidates, counted from
 * its first, those held first, in no order else.  room: (most candidates + 3) * d.
 */
void choose_links(int64_t m, const int64_t *first, const int32_t *antennas, const int32_t *column,
                  const double *up_ns, const uint8_t *is_held, int64_t d, int64_t n_columns, const double *over_ns,
                  const double *weight, double no_way_ns, double margin_ns, double *room, int32_t *chosen)
{
    for (int64_t k = 0; k < m; k++, weight += d) {
        int64_t n = first[k + 1] - first[k];
        double *no_way = room, *delay = room + 3 * d;
        Station s = { n, d, antennas[k], delay, no_way, room + d, room + 2 * d, chosen, 0 };
        for (int64_t i = 0; i < d; i++)
            no_way[i] = no_way_ns * weight[i];
        for (int64_t j = 0; j < n; j++) {
            int64_t at = first[k] + j;
            for (int64_t i = 0; i < d; i++) {
                double ns = over_ns[i * n_columns + column[at]] + up_ns[at];
                delay[j * d + i] = (ns < no_way_ns ? ns : no_way_ns) * weight[i];
            }
            if (is_held[at] && s.n_chosen < s.antennas)
                chosen[s.n_chosen++] = (int32_t)j;
        }
        fill(&s);
        swap(&s, margin_ns);
        chosen += s.antennas;
    }
}
