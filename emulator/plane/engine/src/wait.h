/* How the engine waits for an instant: what decides how late packets leave.
 *
 * A timer wakes a sleeper tens of microseconds late on a virtual machine.
 * Adaptive waiting learns by how much, sleeps until that long before the
 * instant and polls for the rest, so that the core belongs to the traffic's own
 * processes most of the time.  WAIT_POLL_NS of that are free.  A machine whose host
 * takes idle processors away wakes later still: up to WAIT_MOST_POLL_NS are learnt
 * and polled, but together no more than a WAIT_SHARE-th of all time, since that core
 * is the traffic's too; and only at real-time priority, since without it who comes
 * late may have waited for another process, which polling would not spare.
 *
 * Of the last WAIT_CLOCK_NS only the clock is read: asking for events takes a good
 * part of that, and is done at least every WAIT_ASK_NS.
 *
 * At real-time priority nobody's computation delays a packet by a time slice of
 * milliseconds, but an engine with more to carry than it can would take its core
 * for itself, and the traffic's processes with it: so it rests for a tenth of
 * every two milliseconds whatever there is to do, which also keeps it clear of
 * the kernel's own limit (95 %, enforced by 50 ms of standstill).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

enum wait_mode { WAIT_SLEEP, WAIT_ADAPTIVE, WAIT_POLL };
enum { WAIT_POLL_NS = 100000, WAIT_MOST_POLL_NS = 2000000, WAIT_SHARE = 8, WAIT_MARGIN_NS = 4000, WAIT_TURN_NS = 2000000, WAIT_REST_NS = 200000 };
enum { WAIT_CLOCK_NS = 2000, WAIT_ASK_NS = 20000 };

struct waiter {
    int epoll_fd;
    enum wait_mode mode;
    int64_t wake_ns; /* learnt: a timed wake-up is about this late */
    int64_t asked_ns; /* for events, last */
    int64_t credit_ns, earned_ns; /* for polling beyond WAIT_POLL_NS; when it was counted last */
    bool is_beyond; /* polling there since then */
    bool is_realtime;
    int64_t turn_ns, slept_ns; /* beginning of this turn of two milliseconds, and time slept since */
};

bool wait_mode_named(const char *name, enum wait_mode *);

/* A timed sleep ended so late: adaptive waiting goes by it. */
void wait_learn(struct waiter *, int64_t late_ns);

/* Between two pieces of work: take the rest that a turn of real-time priority owes. */
void wait_rest(struct waiter *);

/* Events that are there by the instant (NEVER: whenever they come), or 0; it may return early with 0. */
int wait_until(struct waiter *, int64_t instant_ns, struct epoll_event *, int max_events);
