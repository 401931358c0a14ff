/*
 * Shortest paths from every node to some destinations, eight at a time.
 *
 * Satellites lie by plane and slot, so most neighbours are a slot or a plane away, and distances settle in a few
 * sweeps over the array instead of by a queue (Zhao, "A fast sweeping method for Eikonal equations", 2005).  A plane
 * is swept forwards and backwards until nothing changes there; planes whose neighbours have changed are swept
 * again.  What comes out is the least distance on any graph: only the number of sweeps depends on its shape.
 */

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define NO_WAY 255

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("avx2", "default")))
#else
#define FAST
#endif
#define INLINE static inline __attribute__((always_inline))

/* half of the lanes */
typedef double Four __attribute__((vector_size(32), aligned(8)));
typedef int64_t Mask __attribute__((vector_size(32), aligned(8)));

typedef struct {
    int64_t n_satellites, slots;
    const int32_t *neighbour; /* (n_satellites, slots), by falling index; itself where a slot has no laser */
    const double *weight;     /* (n_satellites, slots); INFINITY there */
} Grid;

/* Neighbours by falling index, with the weights of their links, and the slots in which they are. */
void grid_of_ports(int64_t n_satellites, int64_t slots, const int32_t *laser_neighbour, const int32_t *laser_row,
                   const double *link_weight, int32_t *neighbour, double *weight, uint8_t *slot)
{
    for (int64_t v = 0; v < n_satellites; v++) {
        const int32_t *from = laser_neighbour + v * slots, *row = laser_row + v * slots;
        int32_t *to = neighbour + v * slots;
        double *w = weight + v * slots;
        uint8_t *s = slot + v * slots;
        int64_t n = 0;
        for (int64_t k = 0; k < slots; k++) {
            if (from[k] < 0)
                continue;
            int64_t i = n++;
            for (; i > 0 && to[i - 1] < from[k]; i--) {
                to[i] = to[i - 1];
                w[i] = w[i - 1];
                s[i] = s[i - 1];
            }
            to[i] = from[k];
            w[i] = link_weight[row[k]];
            s[i] = (uint8_t)k;
        }
        for (; n < slots; n++) {
            to[n] = (int32_t)v;
            w[n] = INFINITY;
            s[n] = NO_WAY;
        }
    }
}

/*
 * How each block is joined to others.  Those to which it has many lasers are adjacent[first_of[b]] up to
 * [first_of[b + 1]]; of the lasers to others, lone[lone_first[b]] up to [lone_first[b + 1]] are the places in
 * neighbour.  There is room for n_satellites * slots of each; lasers (n_blocks,) is room to work in.
 */
void join_blocks(int64_t slots, const int32_t *neighbour, int64_t n_blocks, const int32_t *first,
                 const int32_t *block_of, int32_t *first_of, int32_t *adjacent, int32_t *lone_first, int64_t *lone,
                 int32_t *lasers)
{
    int32_t n = 0, n_lone = 0;
    memset(lasers, 0, (size_t)n_blocks * sizeof *lasers);
    for (int64_t b = 0; b < n_blocks; b++) {
        int64_t begin = first[b] * slots, end = first[b + 1] * slots;
        int32_t many = (first[b + 1] - first[b]) / 4;
        first_of[b] = n;
        lone_first[b] = n_lone;
        for (int64_t i = begin; i < end; i++)
            lasers[block_of[neighbour[i]]]++;
        lasers[b] = 0;
        for (int64_t i = begin; i < end; i++) {
            int32_t other = block_of[neighbour[i]], count = lasers[other];
            if (count > many) {
                adjacent[n++] = other;
                lasers[other] = -1; /* is there */
            } else if (count > 0) {
                lone[n_lone++] = i;
            }
        }
        for (int64_t i = begin; i < end; i++)
            lasers[block_of[neighbour[i]]] = 0;
    }
    first_of[n_blocks] = n;
    lone_first[n_blocks] = n_lone;
}

#define SELECT(mask, one, other) (((mask) & (one)) | (~(mask) & (other)))

#define TAKE_LESS(least, via)                                                                                          \
    do {                                                                                                               \
        Four new_ = (via);                                                                                             \
        Mask falls_ = new_ < (least);                                                                                  \
        (least) = (Four)SELECT(falls_, (Mask)new_, (Mask)(least));                                                     \
    } while (0)

/* Whether any lane of a node falls by a way over a neighbour is added to ``fell``. */
#define RELAX(node)                                                                                                    \
    do {                                                                                                               \
        int64_t v_ = (node);                                                                                           \
        Four *mine_ = (Four *)(distance + v_ * LANES), low_ = mine_[0], high_ = mine_[1];                              \
        for (int64_t k_ = 0; k_ < slots && g->neighbour[v_ * slots + k_] != v_; k_++) {                                \
            const Four *theirs_ = (const Four *)(distance + (int64_t)g->neighbour[v_ * slots + k_] * LANES);           \
            double w_ = g->weight[v_ * slots + k_];                                                                    \
            TAKE_LESS(low_, theirs_[0] + w_);                                                                          \
            TAKE_LESS(high_, theirs_[1] + w_);                                                                         \
        }                                                                                                              \
        fell |= (low_ < mine_[0]) | (high_ < mine_[1]);                                                                \
        mine_[0] = low_;                                                                                               \
        mine_[1] = high_;                                                                                              \
    } while (0)

enum { FELL = 1, MAY_FALL_AGAIN = 2 };

/* ``slots`` known beforehand unrolls the loop over neighbours. */
INLINE int sweep_both_ways(const Grid *g, int64_t slots, double *distance, int64_t first, int64_t last)
{
    Mask fell = { 0 };
    for (int64_t v = first; v < last; v++)
        RELAX(v);
    if (!(fell[0] | fell[1] | fell[2] | fell[3]))
        return 0;
    fell = (Mask){ 0 };
    for (int64_t v = last - 1; v >= first; v--)
        RELAX(v);
    return FELL | (fell[0] | fell[1] | fell[2] | fell[3] ? MAY_FALL_AGAIN : 0);
}

FAST static int settle(const Grid *g, double *distance, int64_t first, int64_t last)
{
    switch (g->slots) {
    case 4:
        return sweep_both_ways(g, 4, distance, first, last);
    case 5:
        return sweep_both_ways(g, 5, distance, first, last);
    default:
        return sweep_both_ways(g, g->slots, distance, first, last);
    }
}

typedef struct {
    int64_t n_blocks;
    const int32_t *first;          /* (n_blocks + 1,) the satellites of a plane */
    const int32_t *adjacent_first; /* (n_blocks + 1,) */
    const int32_t *adjacent;       /* the planes that a plane has many lasers to */
    const int32_t *lone_first;     /* (n_blocks + 1,) */
    const int64_t *lone;           /* the places of its other lasers in neighbour */
} Blocks;

static int helps(const double *from, double weight, const double *to)
{
    for (int l = 0; l < LANES; l++)
        if (from[l] + weight < to[l])
            return 1;
    return 0;
}

/* Blocks that may have something to gain from one that has changed are due. */
static void spread(const Grid *g, const Blocks *b, const int32_t *block_of, const double *distance, int64_t block,
                   uint8_t *due)
{
    for (int32_t i = b->adjacent_first[block]; i < b->adjacent_first[block + 1]; i++)
        due[b->adjacent[i]] = 1;
    for (int32_t i = b->lone_first[block]; i < b->lone_first[block + 1]; i++) {
        int64_t place = b->lone[i], here = place / g->slots, there = g->neighbour[place];
        if (helps(distance + here * LANES, g->weight[place], distance + there * LANES))
            due[block_of[there]] = 1;
    }
}

static int sweep_block(const Grid *g, const Blocks *b, const int32_t *block_of, double *distance, uint8_t *due,
                       int64_t block)
{
    if (!due[block])
        return 0;
    due[block] = 0;
    int what = settle(g, distance, b->first[block], b->first[block + 1]);
    if (!what)
        return 0;
    due[block] = (what & MAY_FALL_AGAIN) != 0;
    spread(g, b, block_of, distance, block, due);
    return 1;
}

/* The end of the shell that begins with a block: what follows has no more than lone lasers to it. */
static int64_t end_of_shell(const Blocks *b, int64_t begin)
{
    int64_t end = begin + 1;
    for (int64_t block = begin; block < end; block++)
        for (int32_t i = b->adjacent_first[block]; i < b->adjacent_first[block + 1]; i++)
            if (b->adjacent[i] >= end)
                end = b->adjacent[i] + 1;
    return end;
}

/* Each shell is settled before the next one is looked at: half of a shell's distances are no use to another. */
static void sweep(const Grid *g, const Blocks *b, const int32_t *block_of, double *distance, uint8_t *due)
{
    int any = 1;
    while (any) {
        any = 0;
        for (int64_t begin = 0, end; begin < b->n_blocks; begin = end) {
            end = end_of_shell(b, begin);
            for (int changed = 1; changed;) {
                changed = 0;
                for (int64_t block = begin; block < end; block++)
                    changed |= sweep_block(g, b, block_of, distance, due, block);
                for (int64_t block = end - 1; block >= begin; block--)
                    changed |= sweep_block(g, b, block_of, distance, due, block);
                any |= changed;
            }
        }
    }
}

typedef struct {
    const int32_t *first;     /* (n_nodes + 1,) */
    const int32_t *neighbour; /* by rising index */
    const double *weight;
} Ground;

/* Distances of gateways from their satellites; where they relay, back to the satellites too.  Whether one fell. */
static int relax_ground(const Grid *g, const Blocks *b, const Ground *ground, const int32_t *block_of,
                        int64_t n_nodes, int relay, double *distance, uint8_t *due)
{
    int changed = 0;
    for (int64_t node = g->n_satellites; node < n_nodes; node++) {
        double *mine = distance + node * LANES;
        for (int32_t i = ground->first[node]; i < ground->first[node + 1]; i++) {
            const double *theirs = distance + (int64_t)ground->neighbour[i] * LANES;
            for (int l = 0; l < LANES; l++)
                mine[l] = fmin(mine[l], theirs[l] + ground->weight[i]);
        }
        for (int32_t i = ground->first[node]; relay && i < ground->first[node + 1]; i++) {
            double *theirs = distance + (int64_t)ground->neighbour[i] * LANES;
            int32_t block = block_of[ground->neighbour[i]];
            if (!helps(mine, ground->weight[i], theirs))
                continue;
            for (int l = 0; l < LANES; l++)
                theirs[l] = fmin(theirs[l], mine[l] + ground->weight[i]);
            due[block] = 1;
            spread(g, b, block_of, distance, block, due);
            changed = 1;
        }
    }
    return changed;
}

/* Of the neighbours on a least way, within the tie, the one of the lowest index: it has the last word. */
INLINE void choose_slots(const Grid *g, int64_t slots, const uint8_t *slot, const double *distance, double tie,
                         int64_t n_nodes, int64_t n_lanes, uint8_t *code)
{
    for (int64_t v = 0; v < g->n_satellites; v++) {
        const Four *mine = (const Four *)(distance + v * LANES);
        union {
            Mask half[2];
            int64_t lane[LANES];
        } chosen;
        for (int h = 0; h < 2; h++) {
            Four limit = mine[h] + tie;
            Mask is_reached = mine[h] < INFINITY, taken = { NO_WAY, NO_WAY, NO_WAY, NO_WAY };
            for (int64_t k = 0; k < slots; k++) {
                const Four *theirs = (const Four *)(distance + (int64_t)g->neighbour[v * slots + k] * LANES);
                Mask good = (theirs[h] + g->weight[v * slots + k] <= limit) & (theirs[h] < mine[h]) & is_reached;
                int64_t this = slot[v * slots + k];
                taken = SELECT(good, this, taken);
            }
            chosen.half[h] = taken;
        }
        for (int64_t l = 0; l < n_lanes; l++)
            code[l * n_nodes + v] = (uint8_t)chosen.lane[l];
    }
}

FAST static void choose(const Grid *g, const uint8_t *slot, const double *distance, double tie, int64_t n_nodes,
                        int64_t n_lanes, uint8_t *code)
{
    if (g->slots == 4)
        choose_slots(g, 4, slot, distance, tie, n_nodes, n_lanes, code);
    else if (g->slots == 5)
        choose_slots(g, 5, slot, distance, tie, n_nodes, n_lanes, code);
    else
        choose_slots(g, g->slots, slot, distance, tie, n_nodes, n_lanes, code);
}

/*
 * Ground links, whose codes count on from the slots.  A satellite's neighbours on the ground have higher indices
 * than those in orbit: they are taken where no laser is as good.  Gateways that do not relay are where ways end.
 */
static void choose_ground(const Grid *g, const Ground *ground, const double *distance, double tie, int relay,
                          int64_t n_nodes, int64_t n_lanes, const int32_t *destination, uint8_t *code)
{
    for (int64_t gateway = g->n_satellites; gateway < n_nodes; gateway++) {
        for (int32_t i = ground->first[gateway]; i < ground->first[gateway + 1]; i++) {
            int64_t satellite = ground->neighbour[i];
            int32_t first = ground->first[satellite], place = first;
            while (ground->neighbour[place] != gateway)
                place++;
            for (int64_t l = 0; l < n_lanes; l++) {
                double up = distance[satellite * LANES + l], down = distance[gateway * LANES + l];
                uint8_t *from_gateway = code + l * n_nodes + gateway, *from_satellite = code + l * n_nodes + satellite;
                if (*from_gateway == NO_WAY && down < INFINITY && up + ground->weight[i] <= down + tie && up < down)
                    *from_gateway = (uint8_t)(g->slots + (i - ground->first[gateway]));
                if ((relay || destination[l] == gateway) && *from_satellite == NO_WAY && up < INFINITY &&
                    down + ground->weight[i] <= up + tie && down < up)
                    *from_satellite = (uint8_t)(g->slots + (place - first));
            }
        }
    }
}

/*
 * code (n_lanes, n_nodes): the port by which each node sends towards each destination, NO_WAY where there is none.
 * distance (n_nodes, LANES) is room to work in, and due (n_blocks,).
 */
void trees(int64_t n_satellites, int64_t n_nodes, int64_t slots, const int32_t *neighbour, const double *weight,
           const uint8_t *slot, int64_t n_blocks, const int32_t *block_first, const int32_t *adjacent_first,
           const int32_t *adjacent, const int32_t *lone_first, const int64_t *lone, const int32_t *block_of,
           const int32_t *ground_first,
           const int32_t *ground_neighbour, const double *ground_weight, int64_t n_lanes, const int32_t *destination,
           int64_t relay, double tie, double *distance, uint8_t *due, uint8_t *code)
{
    Grid g = { n_satellites, slots, neighbour, weight };
    Blocks b = { n_blocks, block_first, adjacent_first, adjacent, lone_first, lone };
    Ground ground = { ground_first, ground_neighbour, ground_weight };
    for (int64_t i = 0; i < n_nodes * LANES; i++)
        distance[i] = INFINITY;
    memset(due, 0, (size_t)n_blocks);
    memset(code, NO_WAY, (size_t)(n_lanes * n_nodes));
    for (int64_t l = 0; l < n_lanes; l++) {
        int64_t d = destination[l];
        distance[d * LANES + l] = 0;
        if (d < n_satellites) {
            /* its neighbours get their distances from it, and it sees nothing change itself */
            due[block_of[d]] = 1;
            spread(&g, &b, block_of, distance, block_of[d], due);
            continue;
        }
        for (int32_t i = ground_first[d]; i < ground_first[d + 1]; i++) {
            int64_t satellite = ground_neighbour[i];
            distance[satellite * LANES + l] = fmin(distance[satellite * LANES + l], ground_weight[i]);
            due[block_of[satellite]] = 1;
            spread(&g, &b, block_of, distance, block_of[satellite], due);
        }
    }
    do
        sweep(&g, &b, block_of, distance, due);
    while (relax_ground(&g, &b, &ground, block_of, n_nodes, (int)relay, distance, due));
    choose(&g, slot, distance, tie, n_nodes, n_lanes, code);
    choose_ground(&g, &ground, distance, tie, (int)relay, n_nodes, n_lanes, destination, code);
}
