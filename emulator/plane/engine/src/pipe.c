#include "pipe.h"

#include <math.h>
#include <stddef.h>

static void append(struct fifo *fifo, struct packet *packet) {
    packet->next = NULL;
    if (fifo->first == NULL)
        fifo->first = packet;
    else
        fifo->last->next = packet;
    fifo->last = packet;
}

static struct packet *take_first(struct fifo *fifo) {
    struct packet *packet = fifo->first;
    fifo->first = packet->next;
    return packet;
}

/* splitmix64: Steele, Lea, Flood 2014 */
static uint64_t roll(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool is_up(const struct pipe *pipe) { return pipe->now.state & 1; }
static uint64_t outages(const struct pipe *pipe) { return pipe->now.state >> 1; }

/* Each takes a packet that the pipe holds out of the books, and of the world. */
static void drop(struct pipe *pipe, struct packet *packet, uint64_t *cause) {
    table_add(cause, packet->shape.segments);
    table_subtract(&pipe->count->held, packet->shape.segments);
    pool_give(pipe->pool, packet);
}

static void drop_all(struct pipe *pipe, uint64_t *cause) {
    while (pipe->flying.first != NULL)
        drop(pipe, take_first(&pipe->flying), cause);
    while (pipe->waiting.first != NULL)
        drop(pipe, take_first(&pipe->waiting), cause);
    pipe->waiting_bytes = 0;
    pipe->free_at_ns = pipe->last_due_ns = 0;
}

void pipe_bind(struct pipe *pipe, struct table *table, uint32_t index, struct pool *pool, uint64_t seed) {
    *pipe = (struct pipe){.entry = &table->entry[index],
                          .count = &table->counters[index],
                          .pool = pool,
                          .totals = table->header,
                          .dice = seed ^ (uint64_t)index << 32};
    *pipe->count = (struct counters){0};
    pipe->sequence = UINT64_MAX; /* unlike any entry's */
    pipe_refresh(pipe);
}

void pipe_unbind(struct pipe *pipe) {
    drop_all(pipe, &pipe->count->dropped_down);
    pipe->entry = NULL;
}

void pipe_refresh(struct pipe *pipe) {
    uint64_t before = outages(pipe);
    if (table_latch(pipe->entry, &pipe->sequence, &pipe->now) && outages(pipe) != before)
        drop_all(pipe, &pipe->count->dropped_down);
}

static int64_t transmission_ns(const struct pipe *pipe, uint64_t bytes) {
    uint64_t rate_bps = pipe->now.rate_bps;
    return rate_bps == 0 ? 0 : (int64_t)((bytes * 8000000000u + rate_bps - 1) / rate_bps);
}

static int64_t delay_ns(const struct parameters *now, int64_t at_ns) {
    double delay = now->delay_ns + now->slope_ns_per_s * 1e-9 * ((double)at_ns - (double)now->t0_mono_ns);
    if (!(delay > 0)) /* also where somebody wrote a NaN */
        return 0;
    return (int64_t)ceil(delay < PIPE_MAX_DELAY_NS ? delay : PIPE_MAX_DELAY_NS);
}

static void transmit(struct pipe *pipe, struct packet *packet, int64_t start_ns) {
    pipe->free_at_ns = start_ns + transmission_ns(pipe, packet->shape.wire_bytes);
    if (pipe->now.loss_ratio > 0 && (double)(roll(&pipe->dice) >> 11) * 0x1p-53 < pipe->now.loss_ratio) {
        drop(pipe, packet, &pipe->count->dropped_loss); /* it took its time on the wire all the same */
        return;
    }
    packet->due_ns = pipe->free_at_ns + delay_ns(&pipe->now, pipe->free_at_ns);
    if (packet->due_ns < pipe->last_due_ns)
        packet->due_ns = pipe->last_due_ns;
    pipe->last_due_ns = packet->due_ns;
    append(&pipe->flying, packet);
}

static void transmit_waiting(struct pipe *pipe, int64_t now_ns) {
    while (pipe->waiting.first != NULL && pipe->free_at_ns <= now_ns) {
        struct packet *packet = take_first(&pipe->waiting);
        pipe->waiting_bytes -= packet->shape.wire_bytes;
        transmit(pipe, packet, pipe->free_at_ns);
    }
}

/* One packet, or one cut of a large one, that is in the books already. */
static void admit(struct pipe *pipe, struct packet *packet, int64_t now_ns) {
    uint64_t bytes = packet->shape.wire_bytes, bound = pipe->now.queue_bytes;
    if (pipe->waiting.first == NULL && pipe->free_at_ns <= now_ns) {
        transmit(pipe, packet, now_ns);
    } else if (bound > 0 && pipe->waiting_bytes + bytes > bound) {
        drop(pipe, packet, &pipe->count->dropped_queue);
    } else {
        pipe->waiting_bytes += bytes;
        append(&pipe->waiting, packet);
    }
}

/* How many segments may take to the link as one: each is lost for itself, and each waits for the one before. */
static uint32_t segments_in_a_cut(const struct pipe *pipe, const struct shape *shape) {
    if (!shape->can_cut || shape->segments == 1)
        return shape->segments;
    if (pipe->now.loss_ratio > 0)
        return 1;
    if (pipe->now.rate_bps == 0)
        return shape->segments;
    uint64_t segment = (uint64_t)shape->header_bytes + shape->segment_bytes;
    double cut_bytes = (double)pipe->now.rate_bps * (PIPE_CUT_NS / 8e9);
    if (pipe->now.queue_bytes > 0 && cut_bytes > (double)pipe->now.queue_bytes / 8)
        cut_bytes = (double)pipe->now.queue_bytes / 8; /* a full queue turns away segments, not super-packets */
    double segments = cut_bytes / (double)segment;
    return segments < 1 ? 1 : segments > shape->segments ? shape->segments : (uint32_t)segments;
}

void pipe_arrive(struct pipe *pipe, struct packet *packet, int64_t now_ns) {
    const struct shape *shape = &packet->shape;
    pipe_refresh(pipe);
    table_add(&pipe->count->packets_in, shape->segments);
    table_add(&pipe->count->bytes_in, shape->wire_bytes);
    table_add(&pipe->count->held, shape->segments);
    if (!is_up(pipe)) {
        drop(pipe, packet, &pipe->count->dropped_down);
        return;
    }
    transmit_waiting(pipe, now_ns);
    if (pipe->free_at_ns > now_ns)
        table_add(&pipe->count->waited_ns, shape->segments * (uint64_t)(pipe->free_at_ns - now_ns +
                                                             transmission_ns(pipe, pipe->waiting_bytes)));
    uint32_t step = segments_in_a_cut(pipe, shape);
    if (step == shape->segments) {
        admit(pipe, packet, now_ns);
        return;
    }
    for (uint32_t first = 0; first < shape->segments; first += step) {
        uint32_t count = shape->segments - first < step ? shape->segments - first : step;
        size_t bytes = wire_cut_bytes(shape, first, count);
        struct packet *cut = pool_take(pipe->pool, bytes);
        if (cut == NULL) {
            table_add(&pipe->totals->out_of_memory, count);
            table_add(&pipe->count->dropped_host, count);
            table_subtract(&pipe->count->held, count);
            continue;
        }
        cut->frame_bytes = (uint32_t)bytes;
        cut->shape = wire_cut(packet->frame, shape, first, count, cut->frame);
        admit(pipe, cut, now_ns);
    }
    pool_give(pipe->pool, packet);
}

struct packet *pipe_release(struct pipe *pipe, int64_t now_ns) {
    pipe_refresh(pipe);
    transmit_waiting(pipe, now_ns);
    if (pipe->flying.first == NULL || pipe->flying.first->due_ns > now_ns)
        return NULL;
    return take_first(&pipe->flying);
}

void pipe_count_out(struct pipe *pipe, const struct packet *packet, bool delivered) {
    struct counters *count = pipe->count;
    if (delivered)
        table_add(&count->bytes_out, packet->shape.wire_bytes);
    table_add(delivered ? &count->packets_out : &count->dropped_host, packet->shape.segments);
    table_subtract(&count->held, packet->shape.segments);
}

int64_t pipe_next_ns(const struct pipe *pipe) {
    if (pipe->flying.first != NULL)
        return pipe->flying.first->due_ns;
    return pipe->waiting.first != NULL ? pipe->free_at_ns : NEVER;
}
