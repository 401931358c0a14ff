#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine.h"

/* 32-bit words of an item of each operation, and bytes of its part of the answer */
static const struct {
    uint32_t words, answer_bytes;
} operations[] = {
    [CONTROL_PORT_ADD] = {1, 0},    [CONTROL_PORT_REMOVE] = {1, 0},
    [CONTROL_PIPE_BIND] = {3, 0},   [CONTROL_PIPE_UNBIND] = {1, 0},
    [CONTROL_PIPE_READ] = {1, sizeof(struct parameters)}, [CONTROL_DISMISS] = {0, 0},
    [CONTROL_FABRIC_BIND] = {2, 0}, [CONTROL_FABRIC_UNBIND] = {1, 0},
    [CONTROL_FABRIC_READ] = {1, sizeof(struct fabric_reading)},
    [CONTROL_MIRROR_ADD] = {2, 0},  [CONTROL_MIRROR_REMOVE] = {2, 0},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

static bool is_fabrics(uint32_t operation) {
    return operation >= CONTROL_FABRIC_BIND && operation <= CONTROL_MIRROR_REMOVE;
}

static bool is_wires(uint32_t operation) {
    return operation >= CONTROL_PIPE_BIND && operation <= CONTROL_PIPE_READ;
}

static bool takes_fds(uint32_t operation) {
    return operation == CONTROL_PORT_ADD || operation == CONTROL_MIRROR_ADD;
}

static int add_mirror(struct engine *engine, const uint32_t *word, int *fd) {
    int status = fabric_mirror(engine->fabric, word[0], word[1], *fd);
    if (status == 0)
        *fd = -1;
    return status;
}

static int add_port(struct engine *engine, uint32_t port, int *fd) {
    int status = engine_add_port(engine, port, *fd);
    if (status == 0)
        *fd = -1;
    return status;
}

size_t control_handle(struct engine *engine, const void *message, size_t message_bytes, int *fds, size_t n_fds,
                      void *answer) {
    struct control_head head;
    if (message_bytes < sizeof head)
        return 0;
    memcpy(&head, message, sizeof head);
    uint32_t wanted = head.count;
    head.count = 0;
    if (head.operation == 0 || head.operation >= OPERATIONS) {
        head.status = ENOSYS;
    } else if (engine->fabric != NULL ? is_wires(head.operation) && wanted > 0 : is_fabrics(head.operation)) {
        head.status = ENOSYS;
    } else if (message_bytes != sizeof head + (size_t)wanted * operations[head.operation].words * 4 ||
               sizeof head + (size_t)wanted * operations[head.operation].answer_bytes > CONTROL_MESSAGE_BYTES) {
        head.status = EMSGSIZE;
    } else if (n_fds != (takes_fds(head.operation) ? wanted : 0)) {
        head.status = EBADF; /* fewer than sent arrive where the limit on open files is too low */
    } else {
        head.status = 0;
    }
    const char *item = (const char *)message + sizeof head;
    char *out = (char *)answer + sizeof head;
    while (head.status == 0 && head.count < wanted && head.operation != CONTROL_DISMISS) {
        uint32_t word[3] = {0};
        struct parameters in_force;
        struct fabric_reading reading;
        memcpy(word, item, operations[head.operation].words * 4);
        switch (head.operation) {
        case CONTROL_PORT_ADD: head.status = (uint32_t)add_port(engine, word[0], &fds[head.count]); break;
        case CONTROL_PORT_REMOVE: head.status = (uint32_t)engine_remove_port(engine, word[0]); break;
        case CONTROL_PIPE_BIND: head.status = (uint32_t)engine_bind(engine, word[0], word[1], word[2]); break;
        case CONTROL_PIPE_UNBIND: head.status = (uint32_t)engine_unbind(engine, word[0]); break;
        case CONTROL_PIPE_READ:
            if ((head.status = (uint32_t)engine_read_back(engine, word[0], &in_force)) == 0) {
                memcpy(out, &in_force, sizeof in_force);
                out += sizeof in_force;
            }
            break;
        case CONTROL_FABRIC_BIND: head.status = (uint32_t)fabric_bind(engine->fabric, word[0], word[1]); break;
        case CONTROL_FABRIC_UNBIND: head.status = (uint32_t)fabric_unbind(engine->fabric, word[0]); break;
        case CONTROL_FABRIC_READ:
            if ((head.status = (uint32_t)fabric_read(engine->fabric, word[0], &reading)) == 0) {
                memcpy(out, &reading, sizeof reading);
                out += sizeof reading;
            }
            break;
        case CONTROL_MIRROR_ADD: head.status = (uint32_t)add_mirror(engine, word, &fds[head.count]); break;
        case CONTROL_MIRROR_REMOVE:
            head.status = (uint32_t)fabric_end_mirror(engine->fabric, word[0], word[1]);
            break;
        }
        if (head.status == 0)
            head.count++;
        item += operations[head.operation].words * 4;
    }
    memcpy(answer, &head, sizeof head);
    return (size_t)(out - (char *)answer);
}

enum control_result control_serve(struct engine *engine) {
    static _Alignas(8) char message[CONTROL_MESSAGE_BYTES], answer[CONTROL_MESSAGE_BYTES];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(CONTROL_MAX_FDS * sizeof(int))];
    } side;
    int fds[CONTROL_MAX_FDS];
    size_t n_fds = 0;
    struct iovec part = {message, sizeof message};
    struct msghdr got = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &side, .msg_controllen = sizeof side};
    ssize_t bytes = recvmsg(engine->control_fd, &got, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (bytes < 0)
        return errno == EAGAIN || errno == EINTR ? CONTROL_SERVED : CONTROL_GONE;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&got); c != NULL; c = CMSG_NXTHDR(&got, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
        }
    size_t answer_bytes = control_handle(engine, message, (size_t)bytes, fds, n_fds, answer);
    for (size_t i = 0; i < n_fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    if (answer_bytes == 0) /* an empty message is the end of the stream */
        return CONTROL_GONE;
    struct control_head head;
    memcpy(&head, answer, sizeof head);
    if (send(engine->control_fd, answer, answer_bytes, MSG_NOSIGNAL) < 0)
        return CONTROL_GONE;
    return head.operation == CONTROL_DISMISS && head.status == 0 ? CONTROL_DISMISSED : CONTROL_SERVED;
}
