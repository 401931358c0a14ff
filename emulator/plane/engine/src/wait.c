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

/* Rise fast, so that one packet is late and not ten; fall slowly; and learn nothing more from the milliseconds
 * for which another process had the core. */
static void learn(struct waiter *waiter, int64_t late_ns) {
    if (late_ns > WAIT_MAX_POLL_NS - WAIT_MARGIN_NS)
        late_ns = WAIT_MAX_POLL_NS - WAIT_MARGIN_NS;
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

int wait_until(struct waiter *waiter, int64_t instant_ns, struct epoll_event *events, int max_events) {
    wait_rest(waiter);
    int64_t now_ns = mono_ns(), ahead_ns = waiter->mode == WAIT_ADAPTIVE ? waiter->wake_ns + WAIT_MARGIN_NS : 0;
    if (waiter->mode != WAIT_SLEEP && instant_ns > now_ns && instant_ns - now_ns < WAIT_CLOCK_NS &&
        now_ns - waiter->asked_ns < WAIT_ASK_NS) {
        while (mono_ns() < instant_ns)
            ;
        return 0;
    }
    waiter->asked_ns = now_ns;
    int64_t sleep_ns = instant_ns == NEVER ? NEVER : instant_ns - ahead_ns - now_ns;
    bool sleeps = waiter->mode != WAIT_POLL && sleep_ns > 0, has_end = sleeps && sleep_ns != NEVER;
    struct timespec timeout = {0};
    if (has_end)
        timeout = (struct timespec){.tv_sec = sleep_ns / 1000000000, .tv_nsec = sleep_ns % 1000000000};
    int n = epoll_pwait2(waiter->epoll_fd, events, max_events, sleeps && !has_end ? NULL : &timeout, NULL);
    if (sleeps) {
        int64_t slept_ns = mono_ns() - now_ns;
        waiter->slept_ns += slept_ns;
        if (n == 0)
            learn(waiter, slept_ns - sleep_ns);
    }
    return n;
}
