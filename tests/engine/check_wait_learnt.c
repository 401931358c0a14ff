/* Adaptive waiting: what is learnt, in us, from sleeps that end late, at normal and at real-time priority and after
 * better times; then the share of a core, in percent, that it takes with 1.5 ms learnt and work every 3 ms and every
 * 0.3 ms. */
#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "wait.h"

static int64_t cpu_ns(void) {
    struct timespec busy;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &busy);
    return (int64_t)busy.tv_sec * 1000000000 + busy.tv_nsec;
}

static double share(int64_t every_ns) {
    struct waiter waiter = {.epoll_fd = epoll_create1(0), .mode = WAIT_ADAPTIVE, .is_realtime = true};
    struct epoll_event event;
    waiter.earned_ns = mono_ns();
    int64_t start_ns = mono_ns(), busy_ns = cpu_ns();
    for (int64_t at_ns = start_ns; at_ns < start_ns + 500000000; at_ns += every_ns) {
        waiter.wake_ns = 1500000; /* whatever this machine teaches */
        while (mono_ns() < at_ns)
            wait_until(&waiter, at_ns, &event, 1);
    }
    return 100.0 * (double)(cpu_ns() - busy_ns) / (double)(mono_ns() - start_ns);
}

int main(void) {
    struct waiter normal = {.mode = WAIT_ADAPTIVE}, realtime = {.mode = WAIT_ADAPTIVE, .is_realtime = true};
    for (int i = 0; i < 40; i++) {
        wait_learn(&normal, 1000000);
        wait_learn(&realtime, 1000000);
    }
    printf("%.1f %.1f ", (double)normal.wake_ns / 1e3, (double)realtime.wake_ns / 1e3);
    wait_learn(&realtime, 50000000); /* the machine stood still: no more than a bounded lesson */
    printf("%.1f ", (double)realtime.wake_ns / 1e3);
    for (int i = 0; i < 200; i++)
        wait_learn(&realtime, 40000);
    printf("%.1f ", (double)realtime.wake_ns / 1e3);
    printf("%.1f %.1f\n", share(3000000), share(300000));
    return 0;
}
