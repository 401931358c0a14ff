/* The space segment inside the engine: packets cross all their hops here, from the port where they come in to the
 * port where they leave.
 *
 * All arithmetic is on logical time: when a packet's last bit arrives at a node
 * follows from when it arrived at the node before, never from when the engine
 * woke.  Only the last release meets the wall clock.  The bytes of a packet are
 * not touched on the way; its time to live is set once, when it leaves.
 *
 * A pipe's queue is what its transmitter still has to send, in ns.  A background
 * load is fluid: while it takes the share u of the rate, the queue drains at 1 - u.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "capture.h"
#include "fabric_table.h"
#include "pool.h"
#include "wheel.h"

enum { FABRIC_NO_PORT = UINT32_MAX, FABRIC_MIRRORS = 64, FABRIC_NO_EPOCH = UINT32_MAX };

struct flight { /* in each event of the wheel: a hop has no need of the packet itself */
    struct packet *packet;
    uint32_t node;       /* where it arrives */
    uint32_t pipe;       /* by which; FABRIC_NO_PIPE: it begins here */
    uint32_t row;        /* of its destination, in the epoch `epoch` */
    uint32_t destination_ipv4;
    uint32_t epoch;      /* its last bits; FABRIC_NO_EPOCH: none yet */
    uint32_t wire_bytes; /* of its segments together */
    uint16_t segments;
    uint8_t generation;  /* the pipe's, when it left */
    uint8_t hops, ttl;
};
_Static_assert(sizeof(struct flight) <= WHEEL_DATA_BYTES, "a flight is an event's data");

struct pipe_state { /* 24 bytes for each pipe: there are millions */
    int64_t at_ns, work_ns; /* what its transmitter had to do at an instant */
    int64_t last_due_ns;
};

struct mirror {
    bool of_node;
    uint32_t index;
    struct capture file;
};

struct fabric {
    struct fabric_table table;
    struct wheel wheel;
    struct pipe_state *state;
    uint32_t *port_of_node; /* plus one; 0: nobody is there */
    uint32_t *node_of_port;
    uint32_t ports;
    struct pool *pool;
    uint64_t dice;
    uint64_t epoch; /* in force */
    struct mirror mirror[FABRIC_MIRRORS];
    uint32_t mirrors;
    /* takes a packet, whose bytes are final, for a port's device */
    void (*deliver)(void *context, uint32_t port, struct packet *);
    void *context;
};

/* Room for `ports`, and so many packets under way.  NULL, or what is wrong in words. */
const char *fabric_open(struct fabric *, int fd, struct pool *, uint32_t ports, uint32_t flights, uint64_t seed);
void fabric_close(struct fabric *);

/* What control messages ask for; 0 or an errno. */
int fabric_bind(struct fabric *, uint32_t port, uint32_t node);
int fabric_unbind(struct fabric *, uint32_t port);

struct fabric_reading { /* a pipe as it is in force */
    int64_t t0_mono_ns;
    struct fabric_pipe pipe;
    float background_ratio;
    float loss_ratio; /* of its own, as in the table */
};
int fabric_read(struct fabric *, uint32_t pipe, struct fabric_reading *);
int fabric_mirror(struct fabric *, uint32_t of_node, uint32_t index, int fd); /* owns the fd where it succeeds */
int fabric_end_mirror(struct fabric *, uint32_t of_node, uint32_t index);

/* A frame came from a port at an instant; the packet is a copy of the fabric's own to keep. */
void fabric_accept(struct fabric *, uint32_t port, struct packet *, int64_t at_ns);

/* Do what is due, at most so many things; and when there is something next. */
void fabric_turn(struct fabric *, int64_t now_ns, int most);
int64_t fabric_next_ns(struct fabric *);
