#include "wait.h"

#include <string.h>

#include "clock.h"

bool wait_mode_named(const char *name, enum wait_mode *mode) {
    static const char *const names[] = {"sleep", "adaptive", "poll"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return *mode = (enum wait_mode)i, true;
    return false;
}

/* Rise fast, so that one packet is late and not ten; fall slowly. */
void wait_learn(struct waiter *waiter, int64_t late_ns) {
    int64_t most_ns = (waiter->is_realtime ? WAIT_MOST_POLL_NS : WAIT_POLL_NS) - WAIT_MARGIN_NS;
    if (late_ns > most_ns)
        late_ns = most_ns;
    int64_t excess = late_ns - waiter->wake_ns;
    waiter->wake_ns += excess > 0 ? excess / 4 : excess / 32;
}

void wait_rest(struct waiter *waiter) {
    int64_t now_ns = mono_ns();
    if (!waiter->is_realtime || now_ns - waiter->turn_ns < WAIT_TURN_NS)
        return;
    if (waiter->slept_ns < WAIT_REST_NS) {
        nanosleep(&(struct timespec){.tv_nsec = WAIT_REST_NS - waiter->slept_ns}, NULL);
        now_ns = mono_ns();
    }
    waiter->turn_ns = now_ns;
    waiter->slept_ns = 0;
}

/* How long before an instant to wake.  Called at least once while it polls, and before each sleep. */
static int64_t ahead_of(struct waiter *waiter, int64_t now_ns) {
    if (waiter->mode != WAIT_ADAPTIVE)
        return 0;
    int64_t passed_ns = now_ns - waiter->earned_ns, ahead_ns = waiter->wake_ns + WAIT_MARGIN_NS;
    waiter->earned_ns = now_ns;
    waiter->credit_ns += waiter->is_beyond ? -passed_ns : passed_ns / WAIT_SHARE;
    if (waiter->credit_ns > WAIT_MOST_POLL_NS)
        waiter->credit_ns = WAIT_MOST_POLL_NS;
    int64_t credit_ns = waiter->credit_ns > 0 ? waiter->credit_ns : 0;
    return ahead_ns < WAIT_POLL_NS + credit_ns ? ahead_ns : WAIT_POLL_NS + credit_ns;
}

int wait_until(struct waiter *waiter, int64_t instant_ns, struct epoll_event *events, int max_events) {
    wait_rest(waiter);
    int64_t now_ns = mono_ns(), ahead_ns = ahead_of(waiter, now_ns);
    if (waiter->mode != WAIT_SLEEP && instant_ns > now_ns && instant_ns - now_ns < WAIT_CLOCK_NS &&
        now_ns - waiter->asked_ns < WAIT_ASK_NS) {
        while (mono_ns() < instant_ns)
            ;
        return 0;
    }
    waiter->asked_ns = now_ns;
    int64_t sleep_ns = instant_ns == NEVER ? NEVER : instant_ns - ahead_ns - now_ns;
    bool sleeps = waiter->mode != WAIT_POLL && sleep_ns > 0, has_end = sleeps && sleep_ns != NEVER;
    waiter->is_beyond = !sleeps && waiter->mode == WAIT_ADAPTIVE && instant_ns - now_ns > WAIT_POLL_NS;
    struct timespec timeout = {0};
    if (has_end)
        timeout = (struct timespec){.tv_sec = sleep_ns / 1000000000, .tv_nsec = sleep_ns % 1000000000};
    int n = epoll_pwait2(waiter->epoll_fd, events, max_events, sleeps && !has_end ? NULL : &timeout, NULL);
    if (sleeps) {
        int64_t slept_ns = mono_ns() - now_ns;
        waiter->slept_ns += slept_ns;
        if (n == 0)
            wait_learn(waiter, slept_ns - sleep_ns);
    }
    return n;
}
