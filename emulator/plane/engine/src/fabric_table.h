/* The memory that a fabric shares with Python: the layout of emulator/plane/fabric/table.py.
 *
 *     header | addresses | background loads | losses | counters | waited | bank 0 | bank 1 | histogram
 *
 * A bank holds an epoch: every pipe's parameters, and for each destination the
 * next port of every node.  Python fills the bank that is not in force and then
 * stores its number; the engine takes it up at its instant, for all packets at
 * once, and says so.  Nothing in here is believed: each index is checked where it
 * is used, since Python may be stopped, or wrong, at any point.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { FABRIC_VERSION = 5, FABRIC_NO_WAY = 255, FABRIC_NODE_BITS = 24 };

struct fabric_kind {
    uint64_t queue_bytes, queue_ns; /* queue_bytes 0: what the link sends in queue_ns, at least 64 KiB */
    double loss_ratio;
    uint64_t mtu_bytes;
};

struct fabric_header {
    uint64_t magic, version, total_bytes;
    uint64_t n_nodes, n_satellites, laser_slots, ground_pipes, destinations, hash_slots;
    uint64_t ipv4_at, background_at, loss_at, counters_at, waited_at, bank_at[2], histogram_at;
    uint64_t bank_pipes_at, bank_ground_first_at, bank_ground_pipe_at, bank_hash_at, bank_row_node_at, bank_next_at;
    uint64_t bank_bytes, pipe_bytes, counters_bytes, bins;
    uint8_t ipv6_prefix[16]; /* the first twelve */
    struct fabric_kind kind[2]; /* lasers, ground links */
    uint64_t has_losses;        /* is any of a link's own? */
    uint64_t allows_spoofing;   /* may a node send under an address that is not its own? */
    uint64_t published;      /* by Python */
    uint64_t in_force;       /* from here on by the engine */
    uint64_t max_late_ns, out_of_memory, invalid, spoofed, no_port, wake_ns, is_realtime, icmp_sent;
};

struct fabric_pipe {
    uint32_t delay_ns;
    float slope_ns_per_s, rate_bps; /* a rate of 0: unlimited */
    uint32_t word;                  /* far node, generation, up */
};

struct fabric_place {
    uint32_t ipv4, row_plus_one;
};

/* in = out + queue + loss + down + held, in packets of the wire */
struct fabric_counters {
    uint64_t packets_in, bytes_in, packets_out, dropped_queue, dropped_loss, dropped_down, held, bytes_out;
};

/* delay(t) = delay_ns + slope_ns_per_s (ahead_ns + ratio (t - t0_mono_ns)) / 1e9 */
struct fabric_head {
    int64_t t0_mono_ns, valid_from_mono_ns, ahead_ns;
    double ratio; /* how fast emulated time goes; 0: it stands still */
};

struct fabric_bank {
    const struct fabric_head *head;
    const struct fabric_pipe *pipe;
    const uint32_t *ground_first, *ground_pipe;
    const struct fabric_place *place;
    const uint32_t *row_node;
    const uint8_t *next;
};

struct fabric_table {
    struct fabric_header *header;
    const uint32_t *ipv4;
    const float *background;
    const float *loss; /* by pipe: in place of its kind's; 0: that one; below 0: none */
    struct fabric_counters *counters;
    uint64_t *waited_ns; /* by pipe: what its packets waited for those before them, together */
    uint64_t *histogram;
    struct fabric_bank bank[2];
    /* copies that nobody else can change */
    uint32_t n_nodes, n_satellites, laser_slots, n_laser_pipes, n_pipes, ground_pipes, destinations, hash_slots;
    unsigned hash_shift;
    bool allows_spoofing;
    struct fabric_kind kind[2];
};

_Static_assert(sizeof(struct fabric_pipe) == 16, "as in Python");
_Static_assert(sizeof(struct fabric_head) == 32, "as in Python");
_Static_assert(sizeof(struct fabric_counters) == 64, "as in Python");

const char *fabric_table_open(struct fabric_table *, int fd); /* NULL, or what is wrong in words */

enum { NO_ROW = UINT32_MAX, FABRIC_NO_PIPE = UINT32_MAX };

/* The row of a destination in a bank, or NO_ROW. */
uint32_t fabric_row(const struct fabric_table *, const struct fabric_bank *, uint32_t ipv4);

/* The pipe by which a node sends for a row, or FABRIC_NO_PIPE. */
uint32_t fabric_next_pipe(const struct fabric_table *, const struct fabric_bank *, uint32_t node, uint32_t row);

static inline uint32_t fabric_far_node(uint32_t word) { return word & ((1u << FABRIC_NODE_BITS) - 1); }
static inline uint8_t fabric_generation(uint32_t word) { return word >> FABRIC_NODE_BITS & 0x7f; }
static inline bool fabric_is_up(uint32_t word) { return word >> 31; }
