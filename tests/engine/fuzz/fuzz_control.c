/* Any sequence of control messages: each is answered or refused, no descriptor is lost, nothing is bound twice. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "engine.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

enum { PIPES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static _Alignas(8) char message[CONTROL_MESSAGE_BYTES], answer[CONTROL_MESSAGE_BYTES];
    int before = dup(0), ends[2];
    close(before);
    int table_fd = memfd_create("table", 0);
    CHECK(ftruncate(table_fd, (off_t)table_bytes(PIPES)) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    struct table_header header = {.magic = TABLE_MAGIC, .version = TABLE_VERSION, .pipes = PIPES,
                                  .entry_bytes = sizeof(struct entry), .counters_bytes = sizeof(struct counters),
                                  .bins = HISTOGRAM_BINS};
    CHECK(pwrite(table_fd, &header, sizeof header, 0) == sizeof header);
    struct engine engine;
    CHECK(engine_open(&engine, table_fd, -1, ends[0], 8 * POOL_PAGE_BYTES, WAIT_ADAPTIVE, false, 1) == NULL);

    while (size >= 4) {
        /* how it comes: fds beside it, bytes of items, whether the head tells the truth */
        size_t n_fds = data[0] % 4, bytes = data[1], honest = data[2] % 8 != 0;
        struct control_head head = {.operation = data[3] % 8, .count = data[2]};
        static const uint8_t words[] = {1, 1, 1, 3, 1, 1, 1, 1};
        data += 4, size -= 4;
        if (honest)
            head.count = data[-3] % 4, bytes = (size_t)head.count * words[head.operation] * 4,
            n_fds = head.operation == CONTROL_PORT_ADD ? head.count : 0;
        memset(message, 0, sizeof message);
        memcpy(message, &head, sizeof head);
        for (size_t i = 0; i < bytes && size > 0; i++, data++, size--)
            message[sizeof head + i] = honest && i % 4 != 0 ? 0 : (char)(*data % (PIPES + 1));
        int fds[4];
        for (size_t i = 0; i < n_fds; i++)
            fds[i] = eventfd(0, EFD_NONBLOCK);
        size_t answered = control_handle(&engine, message, sizeof head + bytes, fds, n_fds, answer);
        CHECK(answered >= sizeof head && answered <= CONTROL_MESSAGE_BYTES);
        memcpy(&head, answer, sizeof head);
        CHECK(head.status != 0 || head.operation != CONTROL_PORT_ADD || head.count == n_fds);
        for (size_t i = 0; i < n_fds; i++) { /* what was used belongs to a port now, the rest is ours to close */
            CHECK((fds[i] < 0) == (head.operation == CONTROL_PORT_ADD && i < head.count));
            if (fds[i] >= 0)
                close(fds[i]);
        }
        uint32_t bindings = 0;
        for (uint32_t port = 0; port < PIPES; port++) {
            uint32_t pipe = engine.port[port].pipe;
            CHECK(pipe == NO_PIPE || (engine.pipe[pipe].entry != NULL && engine.pipe[pipe].in_port == port));
            CHECK(engine.port[port].bindings == 0 || engine.port[port].fd >= 0);
            bindings += engine.port[port].bindings - 2 * (engine.pipe[port].entry != NULL);
        }
        CHECK(bindings == 0);
    }
    /* what is no message at all */
    CHECK(control_handle(&engine, message, sizeof(struct control_head) - 1, NULL, 0, answer) == 0);

    for (uint32_t port = 0; port < PIPES; port++)
        if (engine.port[port].fd >= 0)
            close(engine.port[port].fd);
    munmap(engine.table.header, table_bytes(PIPES));
    engine_close(&engine);
    close(table_fd), close(ends[0]), close(ends[1]);
    int after = dup(0);
    close(after);
    CHECK(after == before); /* the lowest free number: none was kept */
    return 0;
}
