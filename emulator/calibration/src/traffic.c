/* orbitmesh-traffic: the two ends of a measurement, one in each of two namespaces.
 *
 *     orbitmesh-traffic receive --count N [--idle-ms T] [--bytes B]
 *     orbitmesh-traffic send --to ADDRESS --port P --count N --per-second R [--bytes B] [--burst K] [--segmented]
 *                            [--seed S]
 *     orbitmesh-traffic sink
 *     orbitmesh-traffic flood --to ADDRESS --port P --seconds S
 *
 * A datagram carries its number and the instant at which it was sent, read just
 * before the call that sends it; the kernel stamps its arrival.  So how evenly the
 * sender paces, and when the receiver gets to read, is in no figure.  With a seed each
 * datagram is sent at random within the interval that is its own: two streams then
 * keep no phase.  Segmented, a burst goes down in one piece, which the kernel or the
 * device cuts into its datagrams (UDP_SEGMENT), as QUIC does it.
 *
 * receive reads its stdin: once that has ended, so has the sender, and what has not come
 * for T ms is lost.  receive and sink first print "port P"; receive then prints, binary, a row of three
 * 64-bit words for each datagram in order of arrival: number, sent_mono_ns,
 * received_mono_ns.  send prints "sent N in T ns".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, MAX_BYTES = 1472, MAX_PIECE_BYTES = 65000, RECEIVE_BUFFER_BYTES = 1 << 30 };
enum { DRAIN_NS = 2000000, SPIN_NS = 60000 };

struct mark {
    uint64_t number;
    int64_t sent_mono_ns;
};

static int fail(const char *what) {
    fprintf(stderr, "orbitmesh-traffic: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    return 1;
}

static int64_t ns_of(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

static int64_t now_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return ns_of(t);
}

/* Asleep, then polling for the last stretch: a late sender would only be a slower one. */
static void wait_until(int64_t mono_ns) {
    int64_t wake_ns = mono_ns - SPIN_NS;
    if (now_ns(CLOCK_MONOTONIC) < wake_ns) {
        struct timespec t = {.tv_sec = wake_ns / 1000000000, .tv_nsec = wake_ns % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    }
    while (now_ns(CLOCK_MONOTONIC) < mono_ns)
        ;
}

/* From 0 to below 1, by xorshift64*; always 0 without a seed. */
static double fraction(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

/* So many of the messages as went; in one piece all or none.  Negative: none, see errno. */
static int put(int fd, struct mmsghdr *message, struct iovec *part, unsigned n, bool is_segmented) {
    if (!is_segmented)
        return sendmmsg(fd, message, n, 0);
    return sendmsg(fd, &(struct msghdr){.msg_iov = part, .msg_iovlen = n}, 0) < 0 ? -1 : (int)n;
}

static int sender(struct sockaddr_in to, uint64_t count, double per_second, size_t bytes, unsigned burst,
                  bool is_segmented, uint64_t seed) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        return fail("cannot reach the receiver");
    if (is_segmented && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &(int){(int)bytes}, sizeof(int)) != 0)
        return fail("no segmented datagrams");
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){64 << 20}, sizeof(int));
    prctl(PR_SET_TIMERSLACK, 1UL);
    static char room[BATCH][MAX_BYTES];
    struct iovec part[BATCH];
    struct mmsghdr message[BATCH] = {0};
    for (unsigned i = 0; i < BATCH; i++) {
        part[i] = (struct iovec){room[i], bytes};
        message[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
    }
    int64_t start_ns = now_ns(CLOCK_MONOTONIC) + 1000000, began_ns = start_ns;
    for (uint64_t number = 0; number < count;) {
        unsigned n = burst < count - number ? burst : (unsigned)(count - number);
        if (per_second > 0)
            wait_until(start_ns + (int64_t)(((double)number + fraction(&seed)) * 1e9 / per_second));
        for (unsigned i = 0; i < n; i++) {
            struct mark mark = {number + i, now_ns(CLOCK_MONOTONIC)};
            memcpy(room[i], &mark, sizeof mark);
        }
        for (unsigned done = 0; done < n;) {
            int sent = put(fd, message + done, part + done, n - done, is_segmented);
            if (sent < 0 && errno != EINTR && errno != ENOBUFS)
                return fail("cannot send");
            done += sent < 0 ? 0 : (unsigned)sent;
        }
        number += n;
    }
    printf("sent %llu in %lld ns\n", (unsigned long long)count, (long long)(now_ns(CLOCK_MONOTONIC) - began_ns));
    return 0;
}

/* The kernel's stamp of a datagram is of the clock that may be adjusted: taken as an age, moments later. */
static int64_t received_ns(struct msghdr *header, int64_t real_ns, int64_t mono_ns) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            return mono_ns - (real_ns - ns_of(stamp));
        }
    return 0;
}

static bool announce(int fd) {
    struct sockaddr_in own;
    socklen_t size = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        return false;
    printf("port %d\n", ntohs(own.sin_port));
    return fflush(stdout) == 0;
}

/* Who started this keeps its stdin open until the sender has ended. */
static bool is_sent(void) {
    char byte;
    return poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, 0) > 0 &&
           read(STDIN_FILENO, &byte, 1) <= 0;
}

static int receiver(uint64_t count, int64_t idle_ns) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0)
        return fail("cannot open a port");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){RECEIVE_BUFFER_BYTES}, sizeof(int)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int)) != 0)
        return fail("cannot prepare the port");
    int64_t(*row)[3] = malloc(count * sizeof *row);
    if (row == NULL)
        return fail("no memory for so many datagrams");
    if (!announce(fd))
        return fail("nobody reads the answer");
    static char room[BATCH][sizeof(struct mark)], side[BATCH][CMSG_SPACE(sizeof(struct timespec))];
    struct iovec part[BATCH];
    struct mmsghdr message[BATCH];
    uint64_t held = 0;
    int64_t last_ns = 0;
    bool is_over = false;
    while (held < count && !(is_over && now_ns(CLOCK_MONOTONIC) - last_ns >= idle_ns)) {
        if (!is_over && is_sent()) {
            is_over = true;
            last_ns = now_ns(CLOCK_MONOTONIC);
        }
        for (int i = 0; i < BATCH; i++) {
            part[i] = (struct iovec){room[i], sizeof room[i]};
            message[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1,
                                                 .msg_control = side[i], .msg_controllen = sizeof side[i]};
        }
        int n = recvmmsg(fd, message, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail("cannot receive");
        if (n <= 0) { /* let them collect: reading each at once would take the processor that carries the next */
            nanosleep(&(struct timespec){.tv_nsec = DRAIN_NS}, NULL);
            continue;
        }
        int64_t real_ns = now_ns(CLOCK_REALTIME);
        last_ns = now_ns(CLOCK_MONOTONIC);
        for (int i = 0; i < n && held < count; i++) {
            struct mark mark;
            if (message[i].msg_len < sizeof mark)
                continue;
            memcpy(&mark, room[i], sizeof mark);
            row[held][0] = (int64_t)mark.number;
            row[held][1] = mark.sent_mono_ns;
            row[held++][2] = received_ns(&message[i].msg_hdr, real_ns, last_ns);
        }
    }
    if (fwrite(row, sizeof *row, held, stdout) != held || fflush(stdout) != 0)
        return fail("nobody reads the answer");
    return 0;
}

static int sink(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), peer;
    struct sockaddr_in any = {.sin_family = AF_INET};
    static char into[1 << 20];
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || listen(fd, 1) != 0 || !announce(fd))
        return fail("cannot open a port");
    if ((peer = accept(fd, NULL, NULL)) < 0)
        return fail("cannot accept");
    for (ssize_t n; (n = read(peer, into, sizeof into)) > 0;)
        ;
    return 0;
}

static int flooder(struct sockaddr_in to, double seconds) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    static char block[1 << 20];
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0)
        return fail("no TCP with cubic");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        return fail("cannot reach the sink");
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){.tv_usec = 100000}, sizeof(struct timeval));
    int64_t end_ns = now_ns(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
    while (now_ns(CLOCK_MONOTONIC) < end_ns)
        if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0 && errno != EAGAIN && errno != EINTR)
            return fail("cannot send");
    return 0;
}

static bool number(const char *text, double least, double most, double *value) {
    char *end;
    *value = strtod(text, &end);
    return *text != 0 && *end == 0 && *value >= least && *value <= most;
}

int main(int argc, char **argv) {
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},      {"port", required_argument, NULL, 'p'},
        {"count", required_argument, NULL, 'n'},   {"per-second", required_argument, NULL, 'r'},
        {"bytes", required_argument, NULL, 'b'},   {"burst", required_argument, NULL, 'k'},
        {"idle-ms", required_argument, NULL, 'i'}, {"seconds", required_argument, NULL, 's'},
        {"seed", required_argument, NULL, 'x'},    {"segmented", no_argument, NULL, 'g'},
        {0},
    };
    const char *mode = argc > 1 ? argv[1] : "";
    struct sockaddr_in to = {.sin_family = AF_INET};
    double port = 0, count = 0, per_second = 0, bytes = 64, burst = 1, idle_ms = 1000, seconds = 1, seed = 0;
    bool good = true, is_segmented = false;
    optind = 2;
    for (int option; good && argc > 1 && (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 't': good = inet_pton(AF_INET, optarg, &to.sin_addr) == 1; break;
        case 'p': good = number(optarg, 1, 65535, &port); break;
        case 'n': good = number(optarg, 1, 1e8, &count); break;
        case 'r': good = number(optarg, 0, 1e9, &per_second); break;
        case 'b': good = number(optarg, sizeof(struct mark), MAX_BYTES, &bytes); break;
        case 'k': good = number(optarg, 1, BATCH, &burst); break;
        case 'i': good = number(optarg, 1, 1e6, &idle_ms); break;
        case 's': good = number(optarg, 0, 1e5, &seconds); break;
        case 'x': good = number(optarg, 0, 1e15, &seed); break;
        case 'g': is_segmented = true; break;
        default: good = false;
        }
    }
    errno = 0;
    to.sin_port = htons((uint16_t)port);
    good = good && optind == argc && !(is_segmented && bytes * burst > MAX_PIECE_BYTES);
    if (good && strcmp(mode, "receive") == 0 && count > 0)
        return receiver((uint64_t)count, (int64_t)(idle_ms * 1e6));
    if (good && strcmp(mode, "send") == 0 && count > 0 && port > 0)
        return sender(to, (uint64_t)count, per_second, (size_t)bytes, (unsigned)burst, is_segmented,
                      (uint64_t)seed);
    if (good && strcmp(mode, "sink") == 0)
        return sink();
    if (good && strcmp(mode, "flood") == 0 && port > 0)
        return flooder(to, seconds);
    return fail("orbitmesh calibrate starts it: receive --count N | send --to ADDRESS --port P --count N --per-second R"
                " | sink | flood --to ADDRESS --port P --seconds S");
}
