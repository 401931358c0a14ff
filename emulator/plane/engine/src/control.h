/* Control messages from the parent, over a SOCK_SEQPACKET socket; each is answered.
 *
 * A message is a head and `count` items of the operation; file descriptors come
 * beside it (SCM_RIGHTS).  Items are done in order up to the first that fails:
 * the answer's head says how many were done and why it stopped.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct engine;

enum control_operation {
    CONTROL_PORT_ADD = 1,   /* uint32 port; one fd each */
    CONTROL_PORT_REMOVE,    /* uint32 port */
    CONTROL_PIPE_BIND,      /* uint32 pipe, in_port, out_port */
    CONTROL_PIPE_UNBIND,    /* uint32 pipe */
    CONTROL_PIPE_READ,      /* uint32 pipe; the answer holds struct parameters for each */
    CONTROL_DISMISS,        /* end, and leave the devices to the parent */
    CONTROL_FABRIC_BIND,    /* uint32 port, node */
    CONTROL_FABRIC_UNBIND,  /* uint32 port */
    CONTROL_FABRIC_READ,    /* uint32 pipe; the answer holds struct fabric_reading for each */
    CONTROL_MIRROR_ADD,     /* uint32 0 for a pipe or 1 for a node, and its number; one fd each */
    CONTROL_MIRROR_REMOVE,  /* the same, without fds */
};

struct control_head {
    uint32_t operation, count, status; /* status: 0 or an errno; answers only */
    uint32_t token;                    /* comes back as it was sent */
};

enum { CONTROL_MESSAGE_BYTES = 65536, CONTROL_MAX_FDS = 253 };

/* Do what a message says.  Takes every fd that it uses out of `fds` (-1 is left there).
 * Returns the bytes of the answer, which has room for CONTROL_MESSAGE_BYTES; 0: the message is no message. */
size_t control_handle(struct engine *, const void *message, size_t message_bytes, int *fds, size_t n_fds,
                      void *answer);

enum control_result { CONTROL_SERVED, CONTROL_DISMISSED, CONTROL_GONE };

/* Receive one message, do it and answer. */
enum control_result control_serve(struct engine *);
