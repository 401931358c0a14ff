#include "engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"

enum { READS_PER_WAKE = 64, READ_BYTES_PER_WAKE = 128 << 10, RELEASES_PER_TURN = 256, EVENTS_PER_WAKE = 256 };
enum { READ_ON_NS = 20000 }; /* while packets come in, others leave this late at most, and more of them in one write */
enum { FABRIC_PORTS = 1 << 17, FABRIC_FLIGHTS = 1 << 20 };
static const uint32_t CONTROL_EVENT = UINT32_MAX;

static bool put(struct engine *engine, uint32_t port, const uint8_t *frame, size_t bytes) {
    return write(engine->port[port].fd, frame, bytes) == (ssize_t)bytes;
}

/* Write what is waiting for its port: in one write, or each by itself where the kernel is too old for that. */
static void flush_merged(struct engine *engine) {
    size_t bytes;
    uint32_t n;
    const uint8_t *frame = merge_take(&engine->merge, &bytes, &n);
    if (frame == NULL)
        return;
    bool went = put(engine, engine->merged_port, frame, bytes);
    if (!went && n > 1)
        engine->cannot_merge = true;
    for (uint32_t i = 0; i < engine->n_merged; i++) {
        struct packet *packet = engine->merged[i];
        bool arrives = went || (n > 1 && put(engine, engine->merged_port, packet->frame, packet->frame_bytes));
        if (!arrives)
            table_add(&engine->fabric->table.header->no_port, packet->shape.segments);
        pool_give(&engine->pool, packet);
    }
    engine->n_merged = 0;
}

static void deliver(void *context, uint32_t port, struct packet *packet) {
    struct engine *engine = context;
    bool is_other = port != engine->merged_port || engine->cannot_merge;
    if (is_other || !merge_add(&engine->merge, packet->frame, packet->frame_bytes)) {
        flush_merged(engine);
        engine->merged_port = port;
        merge_add(&engine->merge, packet->frame, packet->frame_bytes);
    }
    engine->merged[engine->n_merged++] = packet;
}

static const char *open_wired(struct engine *engine, int table_fd) {
    const char *fault = table_open(&engine->table, table_fd);
    if (fault != NULL)
        return fault;
    struct table_header *header = engine->table.header;
    engine->pipes = (uint32_t)header->pipes;
    engine->pipe = calloc(engine->pipes, sizeof *engine->pipe);
    engine->wake_ns = &header->wake_ns;
    engine->stray = &header->stray;
    header->is_realtime = engine->waiter.is_realtime;
    return engine->pipe != NULL && agenda_open(&engine->agenda, engine->pipes) ? NULL
                                                                              : "not enough memory for so many pipes";
}

static const char *open_fabric(struct engine *engine, int fabric_fd) {
    static struct fabric fabric;
    engine->pipes = FABRIC_PORTS; /* as many ports */
    const char *fault =
        fabric_open(&fabric, fabric_fd, &engine->pool, FABRIC_PORTS, FABRIC_FLIGHTS, engine->seed);
    if (fault != NULL)
        return fault;
    fabric.deliver = deliver;
    fabric.context = engine;
    static uint8_t room[WIRE_MAX_FRAME_BYTES];
    merge_open(&engine->merge, room);
    engine->fabric = &fabric;
    engine->wake_ns = &fabric.table.header->wake_ns;
    engine->stray = &fabric.table.header->no_port;
    fabric.table.header->is_realtime = engine->waiter.is_realtime;
    return NULL;
}

const char *engine_open(struct engine *engine, int table_fd, int fabric_fd, int control_fd, size_t memory_bytes,
                        enum wait_mode mode, bool is_realtime, uint64_t seed) {
    *engine = (struct engine){.seed = seed, .control_fd = control_fd};
    engine->waiter = (struct waiter){
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .mode = mode, .is_realtime = is_realtime};
    const char *fault = pool_open(&engine->pool, memory_bytes);
    if (fault == NULL)
        fault = fabric_fd >= 0 ? open_fabric(engine, fabric_fd) : open_wired(engine, table_fd);
    if (fault != NULL)
        return fault;
    engine->port = calloc(engine->pipes, sizeof *engine->port);
    if (engine->port == NULL)
        return "not enough memory for so many ports";
    for (uint32_t i = 0; i < engine->pipes; i++)
        engine->port[i] = (struct port){.fd = -1, .pipe = NO_PIPE};
    engine->landing = pool_take(&engine->pool, WIRE_MAX_FRAME_BYTES);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = CONTROL_EVENT};
    if (engine->waiter.epoll_fd < 0 ||
        epoll_ctl(engine->waiter.epoll_fd, EPOLL_CTL_ADD, control_fd, &event) != 0)
        return "the control socket cannot be watched";
    return NULL;
}

void engine_close(struct engine *engine) {
    close(engine->waiter.epoll_fd);
    if (engine->fabric != NULL)
        fabric_close(engine->fabric);
    else
        agenda_close(&engine->agenda);
    pool_close(&engine->pool);
    free(engine->port);
    free(engine->pipe);
}

static void unwatch(struct engine *engine, uint32_t port) {
    /* by name: the parent's duplicate of the fd would keep it in the set after close() */
    epoll_ctl(engine->waiter.epoll_fd, EPOLL_CTL_DEL, engine->port[port].fd, NULL);
}

int engine_add_port(struct engine *engine, uint32_t port, int fd) {
    if (port >= engine->pipes)
        return EINVAL;
    if (engine->port[port].fd >= 0)
        return EEXIST;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = port};
    if (epoll_ctl(engine->waiter.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        return errno;
    engine->port[port] = (struct port){.fd = fd, .pipe = NO_PIPE};
    return 0;
}

int engine_remove_port(struct engine *engine, uint32_t port) {
    if (port >= engine->pipes || engine->port[port].fd < 0)
        return ENOENT;
    if (engine->port[port].bindings > 0)
        return EBUSY;
    unwatch(engine, port);
    close(engine->port[port].fd);
    engine->port[port].fd = -1;
    return 0;
}

int engine_bind(struct engine *engine, uint32_t pipe, uint32_t in_port, uint32_t out_port) {
    if (pipe >= engine->pipes || in_port >= engine->pipes || out_port >= engine->pipes)
        return EINVAL;
    if (engine->port[in_port].fd < 0 || engine->port[out_port].fd < 0)
        return ENOENT;
    if (engine->pipe[pipe].entry != NULL || engine->port[in_port].pipe != NO_PIPE)
        return EEXIST;
    pipe_bind(&engine->pipe[pipe], &engine->table, pipe, &engine->pool, engine->seed);
    engine->pipe[pipe].in_port = in_port;
    engine->pipe[pipe].out_port = out_port;
    engine->port[in_port].pipe = pipe;
    engine->port[in_port].bindings++;
    engine->port[out_port].bindings++;
    return 0;
}

int engine_unbind(struct engine *engine, uint32_t pipe) {
    if (pipe >= engine->pipes || engine->pipe[pipe].entry == NULL)
        return ENOENT;
    struct port *in = &engine->port[engine->pipe[pipe].in_port];
    in->pipe = NO_PIPE;
    in->bindings--;
    engine->port[engine->pipe[pipe].out_port].bindings--;
    pipe_unbind(&engine->pipe[pipe]);
    agenda_set(&engine->agenda, pipe, NEVER);
    return 0;
}

int engine_read_back(struct engine *engine, uint32_t pipe, struct parameters *in_force) {
    if (pipe >= engine->pipes || engine->pipe[pipe].entry == NULL)
        return ENOENT;
    pipe_refresh(&engine->pipe[pipe]);
    *in_force = engine->pipe[pipe].now;
    return 0;
}

/* From pipe to port. */
static void release_wired(struct engine *engine) {
    struct agenda *agenda = &engine->agenda;
    int64_t now_ns = mono_ns();
    for (int turn = 0; turn < RELEASES_PER_TURN && agenda_next_ns(agenda) <= now_ns; turn++) {
        uint32_t index = agenda->heap[0].pipe;
        struct pipe *pipe = &engine->pipe[index];
        struct packet *packet = pipe_release(pipe, now_ns);
        agenda_set(agenda, index, pipe_next_ns(pipe));
        if (packet == NULL)
            continue;
        ssize_t written = write(engine->port[pipe->out_port].fd, packet->frame, packet->frame_bytes);
        pipe_count_out(pipe, packet, written == (ssize_t)packet->frame_bytes);
        table_record_lateness(&engine->table, now_ns - packet->due_ns, packet->shape.segments);
        pool_give(&engine->pool, packet);
        now_ns = mono_ns();
    }
}

static void release_due(struct engine *engine) {
    if (engine->fabric == NULL) {
        release_wired(engine);
        return;
    }
    fabric_turn(engine->fabric, mono_ns(), RELEASES_PER_TURN);
    flush_merged(engine);
}

static int64_t next_ns(struct engine *engine) {
    return engine->fabric != NULL ? fabric_next_ns(engine->fabric) : agenda_next_ns(&engine->agenda);
}

/* A packet of its own, of what is in engine->landing; NULL where there is no room. */
static struct packet *take_landed(struct engine *engine, size_t frame_bytes, const struct shape *shape) {
    bool is_large = frame_bytes > POOL_LARGE_FRAME_BYTES;
    struct packet *packet = pool_take(&engine->pool, is_large ? WIRE_MAX_FRAME_BYTES : frame_bytes);
    if (packet == NULL)
        return NULL;
    if (is_large) { /* trade the landing place for the new block instead of copying */
        struct packet *landed = engine->landing;
        engine->landing = packet;
        packet = landed;
    } else {
        memcpy(packet->frame, engine->landing->frame, frame_bytes);
    }
    packet->frame_bytes = (uint32_t)frame_bytes;
    packet->shape = *shape;
    return packet;
}

static void accept_in_fabric(struct engine *engine, uint32_t port, size_t frame_bytes, int64_t now_ns) {
    struct fabric_header *count = engine->fabric->table.header;
    struct shape shape;
    if (!wire_parse(engine->landing->frame, frame_bytes, &shape)) {
        table_add(&count->invalid, 1);
        return;
    }
    struct packet *packet = take_landed(engine, frame_bytes, &shape);
    if (packet == NULL)
        table_add(&count->out_of_memory, shape.segments);
    else
        fabric_accept(engine->fabric, port, packet, now_ns);
}

/* From port to pipe: the frame is in engine->landing. */
void engine_accept(struct engine *engine, uint32_t port, size_t frame_bytes, int64_t now_ns) {
    if (engine->fabric != NULL) {
        accept_in_fabric(engine, port, frame_bytes, now_ns);
        return;
    }
    uint32_t index = engine->port[port].pipe;
    if (index == NO_PIPE) {
        table_add(&engine->table.header->stray, 1);
        return;
    }
    struct pipe *pipe = &engine->pipe[index];
    struct shape shape;
    if (!wire_parse(engine->landing->frame, frame_bytes, &shape)) {
        table_add(&pipe->count->invalid, 1);
        return;
    }
    struct packet *packet = take_landed(engine, frame_bytes, &shape);
    if (packet == NULL) {
        table_add(&engine->table.header->out_of_memory, shape.segments);
        table_add(&pipe->count->packets_in, shape.segments);
        table_add(&pipe->count->bytes_in, shape.wire_bytes);
        table_add(&pipe->count->dropped_host, shape.segments);
        return;
    }
    pipe_arrive(pipe, packet, now_ns);
    agenda_set(&engine->agenda, index, pipe_next_ns(pipe));
}

/* Of the frame in engine->landing.  Without a stamp of the kernel's it is the present, asked for after each read: one
 * instant for a batch would deliver its last packets early. */
static int64_t arrival_ns(struct engine *engine, uint32_t port, size_t frame_bytes, int64_t now_ns) {
    int64_t *last_ns = &engine->port[port].last_arrival_ns;
    if (frame_bytes > VNET_BYTES)
        now_ns = stamps_arrival_ns(&engine->stamps, (uint8_t *)engine->landing->frame + VNET_BYTES,
                                   frame_bytes - VNET_BYTES, now_ns);
    if (now_ns > *last_ns)
        *last_ns = now_ns;
    return *last_ns; /* two processors may have stamped in another order than they handed over */
}

/* Some packets of one port and then the next port's: who waits here gets a late stamp of arrival. */
static void read_port(struct engine *engine, uint32_t index) {
    ssize_t bytes = 0;
    int64_t released_ns = mono_ns();
    for (int i = 0; i < READS_PER_WAKE && bytes < READ_BYTES_PER_WAKE && engine->port[index].fd >= 0; i++) {
        ssize_t n = read(engine->port[index].fd, engine->landing->frame, WIRE_MAX_FRAME_BYTES);
        if (n < 0) {
            if (errno != EAGAIN && errno != EINTR)
                unwatch(engine, index); /* the device was deleted by somebody else: nothing will come any more */
            return;
        }
        bytes += n;
        int64_t now_ns = mono_ns();
        engine_accept(engine, index, (size_t)n, arrival_ns(engine, index, (size_t)n, now_ns));
        if (now_ns - released_ns >= READ_ON_NS) {
            release_due(engine);
            released_ns = now_ns;
        }
    }
}

enum engine_end engine_run(struct engine *engine) {
    struct epoll_event events[EVENTS_PER_WAKE];
    for (;;) {
        release_due(engine);
        int n = wait_until(&engine->waiter, next_ns(engine), events, EVENTS_PER_WAKE);
        if (n < 0 && errno != EINTR)
            return ENGINE_BROKEN;
        __atomic_store_n(engine->wake_ns, (uint64_t)engine->waiter.wake_ns, __ATOMIC_RELAXED);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u32 != CONTROL_EVENT) {
                read_port(engine, events[i].data.u32);
                wait_rest(&engine->waiter);
                continue;
            }
            enum control_result result = control_serve(engine);
            if (result != CONTROL_SERVED)
                return result == CONTROL_DISMISSED ? ENGINE_DISMISSED : ENGINE_ORPHANED;
        }
    }
}
