/* orbitmesh-engine: carries packets between TUN devices with the delay, rate and loss of an orbital mesh.
 *
 * A child of the emulator, and nothing without it: it is handed a control socket
 * and a table by number, devices over the socket, and ends when the socket does.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine.h"

enum { CLOSERS = 64, ORPHAN_GRACE_MS = 5000, HUNG_S = 30 };
enum { PRIORITY = 2 }; /* of real time: who moves the mesh has 1 (emulator/priority.py) */

static pid_t parent;
static int lifeline_fd;

static int fail(const char *what) {
    fprintf(stderr, "orbitmesh-engine: %s\n", what);
    return 1;
}

/* A thread of the parent ended, or the parent itself: then the control socket ends here and now, even if a child
 * of the parent has a copy of its other end, and an engine that does not notice dies of the alarm. */
static void on_parent_death(int signal_number) {
    (void)signal_number;
    if (getppid() != parent) {
        shutdown(lifeline_fd, SHUT_RDWR);
        alarm(HUNG_S);
    }
}

/* From here on: no privilege to gain or to use, no signal meant for the parent, no sleep longer than asked. */
static const char *settle_down(int control_fd) {
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    parent = getppid();
    lifeline_fd = control_fd;
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGHUP, &(struct sigaction){.sa_handler = on_parent_death}, NULL);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    prctl(PR_SET_TIMERSLACK, 1UL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_capset, &head, none) != 0)
        return "capabilities cannot be dropped";
    return NULL;
}

struct share {
    struct engine *engine;
    uint32_t first;
};

static void *close_share(void *argument) {
    struct share *share = argument;
    for (uint32_t port = share->first; port < share->engine->pipes; port += CLOSERS)
        if (share->engine->port[port].fd >= 0)
            close(share->engine->port[port].fd);
    return NULL;
}

/* The last holder of a TUN device pays for its removal: 25 ms in the kernel, 1 ms each side by side.
 * While the parent lives, or is still being taken down with its own duplicates, that is not us: wait. */
static void close_devices(struct engine *engine) {
    for (int waited_ms = 0; getppid() == parent && waited_ms < ORPHAN_GRACE_MS; waited_ms++)
        usleep(1000);
    signal(SIGHUP, SIG_IGN);
    alarm(0); /* it may take longer than that */
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
    pthread_t thread[CLOSERS];
    struct share share[CLOSERS];
    bool runs[CLOSERS];
    for (uint32_t i = 0; i < CLOSERS; i++) {
        share[i] = (struct share){engine, i};
        runs[i] = pthread_create(&thread[i], NULL, close_share, &share[i]) == 0;
    }
    for (uint32_t i = 0; i < CLOSERS; i++) {
        if (runs[i])
            pthread_join(thread[i], NULL);
        else
            close_share(&share[i]);
    }
}

static bool number(const char *text, uint64_t *value) {
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == 0;
}

static bool priority_named(const char *name, bool *is_realtime) {
    *is_realtime = strcmp(name, "realtime") == 0;
    return *is_realtime || strcmp(name, "normal") == 0;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"control-fd", required_argument, NULL, 'c'}, {"table-fd", required_argument, NULL, 't'},
        {"memory-bytes", required_argument, NULL, 'm'}, {"seed", required_argument, NULL, 's'},
        {"wait", required_argument, NULL, 'w'}, {"priority", required_argument, NULL, 'p'},
        {"stamps-fd", required_argument, NULL, 'k'}, {"fabric-fd", required_argument, NULL, 'f'}, {0},
    };
    uint64_t control_fd = INT32_MAX, table_fd = INT32_MAX, stamps_fd = INT32_MAX, fabric_fd = INT32_MAX;
    uint64_t memory_bytes = 512u << 20, seed = 0;
    enum wait_mode mode = WAIT_ADAPTIVE;
    bool good = true, is_realtime = true;
    for (int option; good && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'c': good = number(optarg, &control_fd); break;
        case 't': good = number(optarg, &table_fd); break;
        case 'k': good = number(optarg, &stamps_fd) && stamps_fd < INT32_MAX; break;
        case 'f': good = number(optarg, &fabric_fd) && fabric_fd < INT32_MAX; break;
        case 'm': good = number(optarg, &memory_bytes); break;
        case 's': good = number(optarg, &seed); break;
        case 'w': good = wait_mode_named(optarg, &mode); break;
        case 'p': good = priority_named(optarg, &is_realtime); break;
        default: good = false;
        }
    }
    bool has_one_table = (table_fd < INT32_MAX) != (fabric_fd < INT32_MAX);
    if (!good || optind != argc || control_fd >= INT32_MAX || !has_one_table)
        return fail("the emulator starts it: --control-fd N (--table-fd N | --fabric-fd N) [--wait sleep|adaptive|poll]"
                    " [--priority realtime|normal] [--memory-bytes N] [--seed N] [--stamps-fd N]");
    /* who polls without end may not have it; who is refused it goes on, and the table says so */
    is_realtime = is_realtime && mode != WAIT_POLL &&
                  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = PRIORITY}) == 0;
    if (mode == WAIT_POLL)
        setpriority(PRIO_PROCESS, 0, -20); /* others go to other cores; where it is refused, they share this one */
    const char *fault = settle_down((int)control_fd);
    static struct engine engine;
    if (fault == NULL)
        fault = engine_open(&engine, table_fd < INT32_MAX ? (int)table_fd : -1,
                            fabric_fd < INT32_MAX ? (int)fabric_fd : -1, (int)control_fd, memory_bytes, mode, is_realtime, seed);
    if (fault == NULL && stamps_fd < INT32_MAX)
        fault = stamps_open(&engine.stamps, (int)stamps_fd);
    if (fault != NULL)
        return fail(fault);
    enum engine_end end = engine_run(&engine);
    if (end != ENGINE_DISMISSED)
        close_devices(&engine);
    engine_close(&engine);
    return end == ENGINE_BROKEN ? fail("waiting for packets failed") : 0;
}
