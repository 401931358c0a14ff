/*
 * The sweeps of trees.c for one kind of weight: included once for each, with Weight, NONE, LEAST(a, b) of vectors,
 * OPTIONS of functions, and NAMED(name) defined.  Distances are (n_nodes, LANES).
 */

#define N_VECTORS ((int64_t)(LANES * sizeof(Weight) / 32))

typedef Weight NAMED(Vector) __attribute__((vector_size(32), aligned(32), may_alias));
#define Vector NAMED(Vector)

typedef struct {
    const Weight *weight;  /* (n_satellites, slots), as neighbour */
    const Weight *near;    /* (n_satellites, width), as near */
    const Weight *ahead;   /* (n_satellites,) */
    const Weight *closing; /* (n_blocks,) */
    const Weight *ground;  /* as ground_neighbour */
} NAMED(Weights);

/* One tree for each lane, on its way. */
typedef struct {
    const Mesh *mesh;
    const NAMED(Weights) *weights;
    State state;
    Weight *distance;
    int both_ways; /* news goes back to where it came from, too */
} NAMED(Trees);
#define Trees NAMED(Trees)

#define EACH for (int64_t h = 0; h < N_VECTORS; h++)

OPTIONS static inline int NAMED(is_any)(const Vector *bits)
{
    Vector all = bits[0];
    for (int64_t h = 1; h < N_VECTORS; h++)
        all |= bits[h];
    typedef int64_t Four __attribute__((vector_size(32), may_alias));
    Four four = (Four)all;
    return (four[0] | four[1] | four[2] | four[3]) != 0;
}

/* Blocks are filled when they are first looked at: they are in the cache then. */
OPTIONS static void NAMED(touch)(const Trees *t, int64_t block)
{
    if (t->state.there[block])
        return;
    t->state.there[block] = 1;
    Weight *end = t->distance + t->mesh->first[block + 1] * LANES;
    for (Weight *at = t->distance + t->mesh->first[block] * LANES; at < end; at++)
        *at = NONE;
}

enum NAMED(What) { NAMED(NOTHING), NAMED(TOLD), NAMED(FELL) };

/* Distances along the chain of a block, and around its ring, both ways. */
OPTIONS INLINE enum NAMED(What) NAMED(settle)(const Trees *t, int64_t width, int64_t block, int is_forced)
{
    const Mesh *m = t->mesh;
    const NAMED(Weights) *w = t->weights;
    int64_t first = m->first[block], last = m->first[block + 1] - 1;
    Vector *d = (Vector *)(t->distance);
    Vector carry[N_VECTORS], fell[N_VECTORS], any[N_VECTORS];
    EACH {
        carry[h] = (Vector){ 0 } + (Weight)NONE;
        fell[h] = (Vector){ 0 };
    }
    for (int64_t v = first; v <= last; v++) {
        Weight along = v > first ? w->ahead[v - 1] : (Weight)NONE;
        Vector *mine = d + v * N_VECTORS, least[N_VECTORS];
        EACH least[h] = mine[h];
        for (int64_t k = 0; k < width; k++) {
            const Vector *theirs = d + (int64_t)m->near[v * width + k] * N_VECTORS;
            Weight over = w->near[v * width + k];
            EACH least[h] = LEAST(least[h], theirs[h] + over);
        }
        EACH {
            carry[h] = LEAST(least[h], carry[h] + along);
            fell[h] |= mine[h] ^ carry[h];
            mine[h] = carry[h];
        }
    }
    if (!is_forced && !NAMED(is_any)(fell))
        return NAMED(NOTHING);
    EACH any[h] = fell[h];
    for (int64_t v = first; v <= last; v++) {
        Weight along = v > first ? w->ahead[v - 1] : w->closing[block];
        Vector *mine = d + v * N_VECTORS;
        EACH {
            carry[h] = LEAST(mine[h], carry[h] + along);
            fell[h] = mine[h] ^ carry[h];
            any[h] |= fell[h];
            mine[h] = carry[h];
        }
        if (!NAMED(is_any)(fell))
            break;
    }
    EACH carry[h] = d[last * N_VECTORS + h];
    for (int64_t v = last - 1; v >= first; v--) {
        Weight along = w->ahead[v];
        Vector *mine = d + v * N_VECTORS;
        EACH {
            carry[h] = LEAST(mine[h], carry[h] + along);
            any[h] |= mine[h] ^ carry[h];
            mine[h] = carry[h];
        }
    }
    for (int64_t v = last; v >= first; v--) {
        Weight along = v < last ? w->ahead[v] : w->closing[block];
        Vector *mine = d + v * N_VECTORS;
        EACH {
            carry[h] = LEAST(mine[h], carry[h] + along);
            fell[h] = mine[h] ^ carry[h];
            any[h] |= fell[h];
            mine[h] = carry[h];
        }
        if (!NAMED(is_any)(fell))
            break;
    }
    return NAMED(is_any)(any) ? NAMED(FELL) : NAMED(TOLD);
}

/* News travels on in the direction it has come in; whether it should turn back, choose() finds out. */
OPTIONS static int NAMED(visit)(const Trees *t, int64_t begin, int64_t end, int64_t block)
{
    const Mesh *m = t->mesh;
    uint8_t *due = t->state.due;
    int from = t->both_ways && due[block] ? FROM_BELOW | FROM_ABOVE : due[block];
    int is_forced = due[block] & FROM_ANYWHERE;
    enum NAMED(What) what;
    NAMED(touch)(t, block);
    for (int32_t i = m->adjacent_first[block]; i < m->adjacent_first[block + 1]; i++)
        NAMED(touch)(t, m->adjacent[i]);
    due[block] = 0;
    if (m->width == 2)
        what = NAMED(settle)(t, 2, block, is_forced);
    else
        what = NAMED(settle)(t, m->width, block, is_forced);
    if (what == NAMED(NOTHING))
        return 0;
    t->state.fell[block] = t->state.stale[block] = 1;
    for (int32_t i = m->adjacent_first[block]; i < m->adjacent_first[block + 1]; i++) {
        int64_t other = m->adjacent[i], up = other > block ? other - block : other - block + (end - begin);
        t->state.stale[other] = 1;
        if (other == block)
            due[block] |= what == NAMED(FELL) ? FROM_ANYWHERE : 0;
        else if (2 * up < end - begin)
            due[other] |= from & (FROM_BELOW | FROM_ANYWHERE) ? FROM_BELOW : 0;
        else
            due[other] |= from & (FROM_ABOVE | FROM_ANYWHERE) ? FROM_ABOVE : 0;
    }
    return 1;
}

/* Over a lone laser, to a satellite of another block. */
OPTIONS static void NAMED(spread)(const Trees *t, int64_t block)
{
    const Mesh *m = t->mesh;
    for (int32_t i = m->lone_first[block]; i < m->lone_first[block + 1]; i++) {
        int64_t place = m->lone[i], there = m->neighbour[place], other = m->block_of[there];
        NAMED(touch)(t, other);
        const Vector *from = (Vector *)(t->distance + place / m->slots * LANES);
        Vector *to = (Vector *)(t->distance + there * LANES), fell[N_VECTORS];
        EACH {
            Vector least = LEAST(to[h], from[h] + t->weights->weight[place]);
            fell[h] = least ^ to[h];
            to[h] = least;
        }
        t->state.stale[other] = 1;
        if (NAMED(is_any)(fell))
            t->state.due[other] |= FROM_ANYWHERE;
    }
}

/* The end of the shell that begins with a block: what follows has no more than lone lasers to it. */
static int64_t NAMED(end_of_shell)(const Mesh *m, int64_t begin)
{
    int64_t end = begin + 1;
    for (int64_t block = begin; block < end; block++)
        for (int32_t i = m->adjacent_first[block]; i < m->adjacent_first[block + 1]; i++)
            if (m->adjacent[i] >= end)
                end = m->adjacent[i] + 1;
    return end;
}

/*
 * Around the planes of a shell, up and down by turns, until there is no more news; then over its lone lasers.  Once
 * around at a time: where planes meet near a pole, ways that only go up are improved for dozens of turns by others
 * that only go up, and all of them in vain as soon as news comes down.
 */
OPTIONS static int NAMED(sweep_shell)(const Trees *t, int64_t begin, int64_t end)
{
    int any = 0;
    for (int again = 1; again;) {
        again = 0;
        for (int64_t b = begin; b < end; b++)
            if (t->state.due[b] & (FROM_BELOW | FROM_ANYWHERE))
                again |= NAMED(visit)(t, begin, end, b);
        for (int64_t b = end - 1; b >= begin; b--)
            if (t->state.due[b] & (FROM_ABOVE | FROM_ANYWHERE))
                again |= NAMED(visit)(t, begin, end, b);
        any |= again;
    }
    for (int64_t b = begin; b < end; b++)
        if (t->state.fell[b]) {
            t->state.fell[b] = 0;
            NAMED(spread)(t, b);
        }
    return any;
}

OPTIONS static void NAMED(sweep)(const Trees *t)
{
    for (int any = 1; any;) {
        any = 0;
        for (int64_t begin = 0, end; begin < t->mesh->n_blocks; begin = end) {
            end = NAMED(end_of_shell)(t->mesh, begin);
            any |= NAMED(sweep_shell)(t, begin, end);
        }
    }
}

/* Distances of gateways from their satellites; where they relay, back to the satellites too.  Whether one fell. */
OPTIONS static int NAMED(relax_ground)(const Trees *t, int relay)
{
    const Mesh *m = t->mesh;
    int changed = 0;
    for (int64_t node = m->n_satellites; node < m->n_nodes; node++) {
        Weight *mine = t->distance + node * LANES;
        for (int32_t i = m->ground_first[node]; i < m->ground_first[node + 1]; i++) {
            const Weight *theirs = t->distance + (int64_t)m->ground_neighbour[i] * LANES;
            NAMED(touch)(t, m->block_of[m->ground_neighbour[i]]); /* no news may have come there */
            for (int l = 0; l < LANES; l++)
                if (theirs[l] + t->weights->ground[i] < mine[l])
                    mine[l] = theirs[l] + t->weights->ground[i];
        }
        for (int32_t i = m->ground_first[node]; relay && i < m->ground_first[node + 1]; i++) {
            Weight *theirs = t->distance + (int64_t)m->ground_neighbour[i] * LANES;
            int64_t block = m->block_of[m->ground_neighbour[i]];
            for (int l = 0; l < LANES; l++)
                if (mine[l] + t->weights->ground[i] < theirs[l]) {
                    theirs[l] = mine[l] + t->weights->ground[i];
                    t->state.due[block] |= FROM_ANYWHERE;
                    t->state.stale[block] = 1;
                    changed = 1;
                }
        }
    }
    return changed;
}

/*
 * Of the neighbours on a least way, within the tie, the one of the lowest index: it has the last word.  Codes
 * (satellites of the block, LANES).  Whether a distance could still fall; ``lost``: whether a way is too long.
 */
OPTIONS INLINE int NAMED(choose_slots)(const Trees *t, int64_t slots, int64_t block, Weight tie, uint8_t *code,
                                       int *lost)
{
    const Mesh *m = t->mesh;
    Vector falls[N_VECTORS], beyond[N_VECTORS];
    EACH falls[h] = beyond[h] = (Vector){ 0 };
    for (int64_t v = m->first[block]; v < m->first[block + 1]; v++, code += LANES) {
        const Vector *mine = (Vector *)(t->distance + v * LANES);
        EACH {
            Vector is = mine[h], limit = is + tie, taken = (Vector){ 0 } + NO_WAY, least = is, nearest = is;
            for (int64_t k = 0; k < slots; k++) {
                Vector theirs = ((Vector *)(t->distance + (int64_t)m->neighbour[v * slots + k] * LANES))[h];
                Vector way = theirs + t->weights->weight[v * slots + k];
                Vector good = (Vector)(LEAST(way, limit) == way) & ~(Vector)(LEAST(is, theirs) == is);
                taken = (good & (Weight)m->slot[v * slots + k]) | (~good & taken);
                least = LEAST(least, way);
                nearest = LEAST(nearest, theirs);
            }
            falls[h] |= least ^ is;
            beyond[h] |= (nearest ^ is) & (Vector)(is == NONE);
            for (int64_t l = 0; l < 32 / (int64_t)sizeof(Weight); l++)
                code[h * (32 / (int64_t)sizeof(Weight)) + l] = (uint8_t)taken[l];
        }
        /* news is still on its way: whether it gets there in this kind of weight, the last look says */
        if (NAMED(is_any)(falls))
            return 1;
    }
    *lost |= NAMED(is_any)(beyond);
    return 0;
}

OPTIONS static int NAMED(choose)(const Trees *t, int64_t block, Weight tie, uint8_t *code, int *lost)
{
    switch (t->mesh->slots) {
    case 4:
        return NAMED(choose_slots)(t, 4, block, tie, code, lost);
    case 5:
        return NAMED(choose_slots)(t, 5, block, tie, code, lost);
    default:
        return NAMED(choose_slots)(t, t->mesh->slots, block, tie, code, lost);
    }
}

/* Of all blocks whose codes may have changed; whether one of them is to be swept again. */
OPTIONS static int NAMED(choose_stale)(const Trees *t, Weight tie, int64_t n_lanes, uint8_t *room, uint8_t *code,
                                       int *lost)
{
    const Mesh *m = t->mesh;
    int any = 0;
    for (int64_t b = 0; b < m->n_blocks; b++)
        NAMED(touch)(t, b);
    for (int64_t b = 0; b < m->n_blocks; b++) {
        if (!t->state.stale[b])
            continue;
        if (any) { /* they are swept anyway, which finds what falls for less than choosing does */
            t->state.due[b] |= FROM_BELOW | FROM_ABOVE;
            continue;
        }
        t->state.stale[b] = 0;
        if (NAMED(choose)(t, b, tie, room, lost)) {
            t->state.due[b] |= FROM_ANYWHERE;
            any = 1;
            continue; /* it will be stale again */
        }
        for (int64_t l = 0; l < n_lanes; l++)
            for (int64_t v = m->first[b], i = l; v < m->first[b + 1]; v++, i += LANES)
                code[l * m->n_nodes + v] = room[i];
    }
    return any;
}

/*
 * Ground links, whose codes count on from the slots.  A satellite's neighbours on the ground have higher indices
 * than those in orbit: they are taken where no laser is as good.  Gateways that do not relay are where ways end.
 */
OPTIONS static void NAMED(choose_ground)(const Trees *t, Weight tie, int relay, int64_t n_lanes,
                                         const int32_t *destination, uint8_t *code, int *lost)
{
    const Mesh *m = t->mesh;
    for (int64_t gateway = m->n_satellites; gateway < m->n_nodes; gateway++) {
        for (int32_t i = m->ground_first[gateway]; i < m->ground_first[gateway + 1]; i++) {
            int64_t satellite = m->ground_neighbour[i];
            int32_t first = m->ground_first[satellite], place = first;
            Weight w = t->weights->ground[i];
            while (m->ground_neighbour[place] != gateway)
                place++;
            for (int64_t l = 0; l < n_lanes; l++) {
                Weight up = t->distance[satellite * LANES + l], down = t->distance[gateway * LANES + l];
                uint8_t *from_gateway = code + l * m->n_nodes + gateway;
                uint8_t *from_satellite = code + l * m->n_nodes + satellite;
                *lost |= down == NONE && up < NONE;
                if (*from_gateway == NO_WAY && down < NONE && up + w <= down + tie && up < down)
                    *from_gateway = (uint8_t)(m->slots + (i - m->ground_first[gateway]));
                if (!relay && destination[l] != gateway)
                    continue;
                *lost |= up == NONE && down < NONE;
                if (*from_satellite == NO_WAY && up < NONE && down + w <= up + tie && down < up)
                    *from_satellite = (uint8_t)(m->slots + (place - first));
            }
        }
    }
}

OPTIONS static void NAMED(begin)(const Trees *t, int64_t n_lanes, const int32_t *destination)
{
    const Mesh *m = t->mesh;
    for (int64_t i = m->n_satellites * LANES; i < m->n_nodes * LANES; i++)
        t->distance[i] = NONE;
    for (int64_t l = 0; l < n_lanes; l++) {
        int64_t d = destination[l];
        if (d < m->n_satellites) {
            NAMED(touch)(t, m->block_of[d]);
            t->state.due[m->block_of[d]] = FROM_ANYWHERE;
        }
        t->distance[d * LANES + l] = 0;
        for (int32_t i = m->ground_first[d]; d >= m->n_satellites && i < m->ground_first[d + 1]; i++) {
            int64_t satellite = m->ground_neighbour[i];
            Weight *there = t->distance + satellite * LANES + l;
            NAMED(touch)(t, m->block_of[satellite]);
            t->state.due[m->block_of[satellite]] = FROM_ANYWHERE;
            *there = *there < t->weights->ground[i] ? *there : t->weights->ground[i];
        }
    }
}

/* Codes (n_lanes, n_nodes), which come as NO_WAY on the ground; whether all ways could be told. */
OPTIONS static int NAMED(grow)(Trees *t, Weight tie, int relay, int64_t n_lanes, const int32_t *destination,
                               uint8_t *room, uint8_t *code)
{
    int lost = 0;
    NAMED(begin)(t, n_lanes, destination);
    do {
        do
            NAMED(sweep)(t);
        while (NAMED(relax_ground)(t, relay));
        t->both_ways = 1; /* where news had to turn back once, it may again */
    } while (NAMED(choose_stale)(t, tie, n_lanes, room, code, &lost));
    NAMED(choose_ground)(t, tie, relay, n_lanes, destination, code, &lost);
    return !lost;
}

#undef N_VECTORS
#undef Vector
#undef Trees
#undef EACH
