/* An engine at real-time priority with endless work: its share of a core, in percent. */
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>

#include "clock.h"
#include "wait.h"

int main(void) {
    struct waiter waiter = {.epoll_fd = epoll_create1(0), .mode = WAIT_ADAPTIVE, .is_realtime = true};
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(waiter.epoll_fd, EPOLL_CTL_ADD, eventfd(1, 0), &event);
    int64_t start_ns = mono_ns();
    while (mono_ns() - start_ns < 200000000)
        if (wait_until(&waiter, mono_ns(), &event, 1) != 1)
            return 1;
    struct timespec busy;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &busy);
    printf("%.1f\n", 100.0 * ((double)busy.tv_sec * 1e9 + (double)busy.tv_nsec) / (double)(mono_ns() - start_ns));
    return 0;
}
