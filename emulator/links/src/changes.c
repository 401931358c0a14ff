/* Which links of a kind came and went from one instant to the next: both are in order of (a, b). */

#include <assert.h>
#include <stdint.h>

typedef struct {
    int64_t n;
    const int32_t *a, *b;
    const uint8_t *kind;
} Links;

/* The next of the kind from a row on, or n. */
static int64_t next_of(const Links *links, uint8_t kind, int64_t row)
{
    while (row < links->n && links->kind[row] != kind)
        row++;
    return row;
}

/*
 * went (up to n_old) and came (up to n_new): rows of those that only one of the two has, rising; counts (2,): how
 * many they are.
 */
void links_changed(int64_t n_old, const int32_t *old_a, const int32_t *old_b, const uint8_t *old_kind, int64_t n_new,
                   const int32_t *new_a, const int32_t *new_b, const uint8_t *new_kind, int64_t kind, int64_t *went,
                   int64_t *came, int64_t *counts)
{
    Links old = { n_old, old_a, old_b, old_kind }, new = { n_new, new_a, new_b, new_kind };
    int64_t i = next_of(&old, (uint8_t)kind, 0), j = next_of(&new, (uint8_t)kind, 0);
    assert(n_old >= 0 && n_new >= 0);
    counts[0] = counts[1] = 0;
    while (i < n_old || j < n_new) {
        int is_old = i < n_old && (j >= n_new || old_a[i] < new_a[j] || (old_a[i] == new_a[j] && old_b[i] < new_b[j]));
        int is_new = !is_old && (i >= n_old || old_a[i] != new_a[j] || old_b[i] != new_b[j]);
        if (is_old)
            went[counts[0]++] = i;
        if (is_new)
            came[counts[1]++] = j;
        i = is_new ? i : next_of(&old, (uint8_t)kind, i + 1);
        j = is_old ? j : next_of(&new, (uint8_t)kind, j + 1);
    }
    assert(counts[0] <= n_old && counts[1] <= n_new);
}
