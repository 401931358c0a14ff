/* One direction of a link: transmitter, queue, propagation, loss.
 *
 * A packet that arrives waits for the transmitter, occupies it for its bytes at
 * the rate of that moment, and is due when the last bit has travelled:
 * end of transmission + delay(end of transmission), and never before the packet
 * ahead of it.  All of it is arithmetic on instants that were handed in; no
 * call here looks at a clock or moves a byte, so being late once never adds up.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "pool.h"
#include "table.h"

/* A super-packet takes to the link in cuts of at most this much wire time, so that
 * a slow link carries a train of segments; a saturated one has 10,000 cuts a second. */
enum { PIPE_CUT_NS = 100000 };

#define PIPE_MAX_DELAY_NS 3600e9

struct fifo {
    struct packet *first, *last;
};

struct pipe {
    const struct entry *entry; /* NULL: not bound */
    struct counters *count;
    struct pool *pool;
    struct table_header *totals;
    uint64_t sequence;        /* of the set in force */
    struct parameters now;    /* the set in force */
    struct fifo waiting;      /* for the transmitter, in order of arrival */
    struct fifo flying;       /* by due time, which is also the order of arrival */
    uint64_t waiting_bytes;
    int64_t free_at_ns;       /* the transmitter's */
    int64_t last_due_ns;
    uint64_t dice;            /* state of the loss generator */
    uint32_t in_port, out_port; /* the engine's business */
};

void pipe_bind(struct pipe *, struct table *, uint32_t index, struct pool *, uint64_t seed);
void pipe_unbind(struct pipe *); /* what it holds is thrown away */

/* Take over the parameters of this moment; what was under way when the link went down is lost. */
void pipe_refresh(struct pipe *);

/* A packet enters; the pipe owns it from here on. */
void pipe_arrive(struct pipe *, struct packet *, int64_t now_ns);

/* The next packet whose time has come, which the caller then owns, or NULL. */
struct packet *pipe_release(struct pipe *, int64_t now_ns);
void pipe_count_out(struct pipe *, const struct packet *, bool delivered);

/* When to call pipe_release: never later than the next packet is due. */
int64_t pipe_next_ns(const struct pipe *);
