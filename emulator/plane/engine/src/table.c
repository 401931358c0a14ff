#include "table.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { HISTOGRAM_WORDS = 2 * HISTOGRAM_BINS + 1, MAX_PIPES = 1 << 24 };

size_t table_bytes(uint64_t pipes) {
    return TABLE_HEADER_BYTES + pipes * (sizeof(struct entry) + sizeof(struct counters)) +
           HISTOGRAM_WORDS * sizeof(uint64_t);
}

const char *table_open(struct table *table, int fd) {
    struct stat file;
    if (fstat(fd, &file) != 0 || file.st_size < TABLE_HEADER_BYTES)
        return "the table is no shared memory of the expected kind";
    size_t bytes = (size_t)file.st_size;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return "the table cannot be mapped";
    struct table_header *header = (struct table_header *)base;
    if (header->magic != TABLE_MAGIC || header->version != TABLE_VERSION ||
        header->entry_bytes != sizeof(struct entry) || header->counters_bytes != sizeof(struct counters) ||
        header->bins != HISTOGRAM_BINS)
        return "the table's layout is of another version: install the project again";
    if (header->pipes == 0 || header->pipes > MAX_PIPES || bytes != table_bytes(header->pipes))
        return "the table's size does not fit its number of pipes";
    table->header = header;
    table->entry = (struct entry *)(base + TABLE_HEADER_BYTES);
    table->counters = (struct counters *)(table->entry + header->pipes);
    table->histogram = (uint64_t *)(table->counters + header->pipes);
    for (uint32_t bin = 0; bin <= HISTOGRAM_BINS; bin++)
        table->histogram[HISTOGRAM_BINS + bin] = (uint64_t)histogram_lower_edge_ns(bin);
    return NULL;
}

bool table_latch(const struct entry *entry, uint64_t *sequence, struct parameters *copy) {
    uint64_t seen = __atomic_load_n(&entry->word[0], __ATOMIC_ACQUIRE);
    if (seen == *sequence)
        return false;
    for (;;) {
        uint64_t word[PARAMETER_WORDS];
        for (int i = 0; i < PARAMETER_WORDS; i++)
            word[i] = __atomic_load_n(&entry->word[1 + 8 * (seen & 1) + i], __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        *sequence = __atomic_load_n(&entry->word[0], __ATOMIC_RELAXED);
        memcpy(copy, word, sizeof word);
        if (*sequence == seen) /* or the writer was here again, and may be at this bank */
            return true;
        seen = *sequence;
    }
}

void table_record_lateness(struct table *table, int64_t late_ns, uint32_t packets) {
    table_add(&table->histogram[histogram_bin(late_ns)], packets);
    if (late_ns > 0 && (uint64_t)late_ns > table->header->max_late_ns)
        __atomic_store_n(&table->header->max_late_ns, (uint64_t)late_ns, __ATOMIC_RELAXED);
}
