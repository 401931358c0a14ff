/* The engine: ports, and what carries packets from one to another.
 *
 * A port is a TUN device.  Wired, what is read from a port goes into the pipe that
 * takes from it, and what a pipe releases is written to the port at its other end:
 * release_wired() and accept_wired() in engine.c are all of it.  With a fabric,
 * packets cross any number of pipes in between (fabric.h).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "agenda.h"
#include "fabric.h"
#include "merge.h"
#include "pipe.h"
#include "pool.h"
#include "stamps.h"
#include "table.h"
#include "wait.h"

enum { NO_PIPE = UINT32_MAX };

struct port {
    int fd;            /* -1: there is none */
    uint32_t pipe;     /* that takes what is read here, or NO_PIPE */
    uint32_t bindings; /* pipes that begin or end here */
    int64_t last_arrival_ns;
};

struct engine {
    struct table table;
    struct pool pool;
    struct agenda agenda;
    struct waiter waiter;
    struct stamps stamps;
    struct packet *landing; /* of the largest size: where the next packet is read to */
    struct port *port;      /* as many as pipes */
    struct pipe *pipe;
    uint32_t pipes;
    struct fabric *fabric;  /* NULL: wired */
    struct merge merge;     /* of what is due at one port: packets that go out in one write */
    struct packet *merged[MERGE_MAX_DATAGRAMS];
    uint32_t n_merged, merged_port;
    bool cannot_merge;      /* this kernel has refused it */
    uint64_t *wake_ns, *stray; /* words of the shared memory in use */
    uint64_t seed;
    int control_fd;
};

/* With a fabric table (fabric_fd) or a table of pipes; the other is -1. */
const char *engine_open(struct engine *, int table_fd, int fabric_fd, int control_fd, size_t memory_bytes, enum wait_mode,
                        bool is_realtime, uint64_t seed); /* NULL, or what is wrong in words */
void engine_close(struct engine *);

/* What control messages ask for; 0 or an errno. */
int engine_add_port(struct engine *, uint32_t port, int fd); /* owns the fd where it succeeds */
int engine_remove_port(struct engine *, uint32_t port);
int engine_bind(struct engine *, uint32_t pipe, uint32_t in_port, uint32_t out_port);
int engine_unbind(struct engine *, uint32_t pipe);
int engine_read_back(struct engine *, uint32_t pipe, struct parameters *in_force);

enum engine_end { ENGINE_DISMISSED, ENGINE_ORPHANED, ENGINE_BROKEN };

/* Carry packets until told to stop, or until the other end of the control socket is gone. */
enum engine_end engine_run(struct engine *);

/* A frame that was read from a port; exposed to the tests, which have no devices. */
void engine_accept(struct engine *, uint32_t port, size_t frame_bytes, int64_t now_ns);
