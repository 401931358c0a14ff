/* The memory shared with Python.
 *
 *     header | entries: parameters of each pipe, written by Python | counters of each pipe, written here | histogram
 *
 * Python makes it (a memfd) and fills in the layout; the engine refuses a layout
 * that is not its own.  An entry has two banks: a new set of parameters is
 * written to the one that is not in force, and then `sequence` makes it so.  A
 * reader always finds a whole set, the newest, and never waits for the writer,
 * who may be stopped at any point.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

#define TABLE_MAGIC 0x656c6261745f6d6full /* "om_table" */
enum { TABLE_VERSION = 1, TABLE_HEADER_BYTES = 4096 };

struct table_header {
    uint64_t magic, version, pipes; /* as Python made it */
    uint64_t entry_bytes, counters_bytes, bins;
    uint64_t max_late_ns;    /* from here on written by the engine */
    uint64_t out_of_memory;  /* packets dropped because the pool was at its cap; also in dropped_host */
    uint64_t stray;          /* packets read from a port that no pipe takes from */
    uint64_t wake_ns;        /* learnt latency of a timed wake-up */
    uint64_t is_realtime;    /* the engine runs at real-time priority */
};

/* delay(t) = delay_ns + slope_ns_per_s * (t - t0) / 1e9; 0 for rate and queue means no limit */
struct parameters {
    int64_t t0_mono_ns;
    double delay_ns;
    double slope_ns_per_s;
    uint64_t rate_bps;
    uint64_t queue_bytes;
    double loss_ratio;
    uint64_t state; /* bit 0: up; the rest counts how often it went down */
};

enum { PARAMETER_WORDS = 7, ENTRY_WORDS = 16 };

/* word[0]: sequence, how many sets were published; bank sequence % 2, from word[1] or word[9], is in force */
struct entry {
    uint64_t word[ENTRY_WORDS];
};

/* in = out + queue + loss + down + host + held, in packets of the wire; bytes are those of the IP packets */
struct counters {
    uint64_t packets_in, bytes_in, packets_out, bytes_out;
    uint64_t dropped_queue, dropped_loss, dropped_down, dropped_host;
    uint64_t held;    /* waiting for the transmitter or flying */
    uint64_t invalid; /* what was read but is no packet; not in packets_in */
    uint64_t waited_ns; /* what they waited for those before them, together; of packets_in */
    uint64_t reserved[5];
};

struct table {
    struct table_header *header;
    struct entry *entry;
    struct counters *counters;
    uint64_t *histogram; /* HISTOGRAM_BINS counts, then HISTOGRAM_BINS + 1 edges */
};

_Static_assert(sizeof(struct parameters) == PARAMETER_WORDS * 8, "a bank is all words");
_Static_assert(sizeof(struct entry) == 128, "an entry is two cache lines");
_Static_assert(sizeof(struct counters) == 128, "counters are two cache lines");

size_t table_bytes(uint64_t pipes);
const char *table_open(struct table *, int fd); /* NULL, or what is wrong in words */

/* Bring a reader's copy, of the set with number *sequence, up to date; false where there is nothing new. */
bool table_latch(const struct entry *, uint64_t *sequence, struct parameters *copy);

/* The shared words are read by Python at any time: plain 64-bit stores, never torn, in no order. */
static inline void table_add(uint64_t *word, uint64_t n) {
    __atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}
static inline void table_subtract(uint64_t *word, uint64_t n) {
    __atomic_store_n(word, *word - n, __ATOMIC_RELAXED);
}

void table_record_lateness(struct table *, int64_t late_ns, uint32_t packets);
