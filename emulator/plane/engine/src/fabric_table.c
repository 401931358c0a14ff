#include "fabric_table.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "histogram.h"

static const char magic[8] = "om_fabrc";
enum { HEADER_BYTES = 4096, BANK_HEAD_BYTES = sizeof(struct fabric_head), MAX_NODES = 1 << FABRIC_NODE_BITS, MAX_SLOTS = 254 };
static const uint64_t MAX_PIPES = 1u << 28, MAX_DESTINATIONS = 1u << 20;

static bool holds(uint64_t at, uint64_t bytes, uint64_t from, uint64_t whole) {
    return at % 8 == 0 && at >= from && at <= whole && bytes <= whole - at;
}

static bool is_sound(const struct fabric_header *h, uint64_t whole) {
    if (h->n_nodes == 0 || h->n_nodes > MAX_NODES || h->n_satellites > h->n_nodes || h->laser_slots > MAX_SLOTS ||
        h->ground_pipes > MAX_PIPES || h->n_satellites * h->laser_slots > MAX_PIPES || h->destinations == 0 ||
        h->destinations > MAX_DESTINATIONS || h->hash_slots < 2 || h->hash_slots > 4 * MAX_DESTINATIONS ||
        (h->hash_slots & (h->hash_slots - 1)) != 0 || h->hash_slots <= h->destinations)
        return false;
    uint64_t pipes = h->n_satellites * h->laser_slots + h->ground_pipes, bank = h->bank_bytes;
    return bank <= whole && holds(h->ipv4_at, h->n_nodes * 4, HEADER_BYTES, whole) &&
           holds(h->background_at, pipes * 4, HEADER_BYTES, whole) &&
           holds(h->loss_at, pipes * 4, HEADER_BYTES, whole) &&
           holds(h->counters_at, pipes * sizeof(struct fabric_counters), HEADER_BYTES, whole) &&
           holds(h->waited_at, pipes * 8, HEADER_BYTES, whole) &&
           holds(h->bank_at[0], bank, HEADER_BYTES, whole) && holds(h->bank_at[1], bank, HEADER_BYTES, whole) &&
           holds(h->histogram_at, (2 * HISTOGRAM_BINS + 1) * 8, HEADER_BYTES, whole) &&
           holds(h->bank_pipes_at, pipes * sizeof(struct fabric_pipe), BANK_HEAD_BYTES, bank) &&
           holds(h->bank_ground_first_at, h->n_nodes * 4, BANK_HEAD_BYTES, bank) &&
           holds(h->bank_ground_pipe_at, h->ground_pipes * 4, BANK_HEAD_BYTES, bank) &&
           holds(h->bank_hash_at, h->hash_slots * sizeof(struct fabric_place), BANK_HEAD_BYTES, bank) &&
           holds(h->bank_row_node_at, h->destinations * 4, BANK_HEAD_BYTES, bank) &&
           holds(h->bank_next_at, h->destinations * h->n_nodes, BANK_HEAD_BYTES, bank);
}

const char *fabric_table_open(struct fabric_table *table, int fd) {
    struct stat file;
    if (fstat(fd, &file) != 0 || file.st_size < HEADER_BYTES)
        return "the fabric's table is no shared memory of the expected kind";
    uint64_t bytes = (uint64_t)file.st_size;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base == MAP_FAILED)
        return "the fabric's table cannot be mapped";
    struct fabric_header *shared = (struct fabric_header *)base, h = *shared;
    if (memcmp(&h.magic, magic, sizeof magic) != 0 || h.version != FABRIC_VERSION || h.total_bytes != bytes ||
        h.pipe_bytes != sizeof(struct fabric_pipe) || h.counters_bytes != sizeof(struct fabric_counters) ||
        h.bins != HISTOGRAM_BINS)
        return "the fabric's layout is of another version: install the project again";
    if (!is_sound(&h, bytes))
        return "the fabric's sizes do not fit its memory";
    *table = (struct fabric_table){
        .header = shared,
        .ipv4 = (const uint32_t *)(base + h.ipv4_at),
        .background = (const float *)(base + h.background_at),
        .loss = (const float *)(base + h.loss_at),
        .counters = (struct fabric_counters *)(base + h.counters_at),
        .waited_ns = (uint64_t *)(base + h.waited_at),
        .histogram = (uint64_t *)(base + h.histogram_at),
        .n_nodes = (uint32_t)h.n_nodes,
        .n_satellites = (uint32_t)h.n_satellites,
        .laser_slots = (uint32_t)h.laser_slots,
        .n_laser_pipes = (uint32_t)(h.n_satellites * h.laser_slots),
        .n_pipes = (uint32_t)(h.n_satellites * h.laser_slots + h.ground_pipes),
        .ground_pipes = (uint32_t)h.ground_pipes,
        .destinations = (uint32_t)h.destinations,
        .hash_slots = (uint32_t)h.hash_slots,
        .hash_shift = (unsigned)(32 - __builtin_ctzll(h.hash_slots)),
        .kind = {h.kind[0], h.kind[1]},
        .allows_spoofing = h.allows_spoofing != 0,
    };
    for (int k = 0; k < 2; k++) {
        const char *bank = base + h.bank_at[k];
        table->bank[k] = (struct fabric_bank){
            .head = (const struct fabric_head *)bank,
            .pipe = (const struct fabric_pipe *)(bank + h.bank_pipes_at),
            .ground_first = (const uint32_t *)(bank + h.bank_ground_first_at),
            .ground_pipe = (const uint32_t *)(bank + h.bank_ground_pipe_at),
            .place = (const struct fabric_place *)(bank + h.bank_hash_at),
            .row_node = (const uint32_t *)(bank + h.bank_row_node_at),
            .next = (const uint8_t *)(bank + h.bank_next_at),
        };
        if (!(table->kind[k].loss_ratio >= 0 && table->kind[k].loss_ratio <= 1))
            return "the fabric's loss ratios are none";
    }
    for (uint32_t bin = 0; bin <= HISTOGRAM_BINS; bin++)
        table->histogram[HISTOGRAM_BINS + bin] = (uint64_t)histogram_lower_edge_ns(bin);
    return NULL;
}

uint32_t fabric_row(const struct fabric_table *table, const struct fabric_bank *bank, uint32_t ipv4) {
    uint32_t at = table->hash_shift < 32 ? (ipv4 * 2654435769u) >> table->hash_shift : 0;
    for (uint32_t tries = 0; tries < table->hash_slots; tries++, at++) {
        struct fabric_place place = bank->place[at & (table->hash_slots - 1)];
        if (place.row_plus_one == 0)
            return NO_ROW;
        if (place.ipv4 == ipv4)
            return place.row_plus_one <= table->destinations ? place.row_plus_one - 1 : NO_ROW;
    }
    return NO_ROW;
}

uint32_t fabric_next_pipe(const struct fabric_table *table, const struct fabric_bank *bank, uint32_t node,
                          uint32_t row) {
    uint8_t port = bank->next[(uint64_t)row * table->n_nodes + node];
    if (port == FABRIC_NO_WAY)
        return FABRIC_NO_PIPE;
    if (port < table->laser_slots)
        return node < table->n_satellites ? node * table->laser_slots + port : FABRIC_NO_PIPE;
    uint64_t at = (uint64_t)bank->ground_first[node] + (port - table->laser_slots);
    if (at >= table->ground_pipes)
        return FABRIC_NO_PIPE;
    uint32_t pipe = bank->ground_pipe[at];
    return pipe >= table->n_laser_pipes && pipe < table->n_pipes ? pipe : FABRIC_NO_PIPE;
}
