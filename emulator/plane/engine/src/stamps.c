#include "stamps.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A stamp that is older was left by another packet: none waits that long for the engine. */
static const int64_t MAX_AGE_NS = 1000000000;

const char *stamps_open(struct stamps *stamps, int map_fd) {
    void *map = mmap(NULL, STAMPS_SLOTS * sizeof(struct stamp), PROT_READ, MAP_SHARED, map_fd, 0);
    if (map == MAP_FAILED)
        return "--stamps-fd is no table of stamps";
    close(map_fd);
    stamps->slot = map;
    return NULL;
}

/* The program in stamps.py does the same. */
static uint64_t signature_of(const uint8_t *ip, size_t bytes) {
    uint64_t word[STAMPS_HEAD_BYTES / 8] = {0}, signature = 0;
    memcpy(word, ip, bytes >= STAMPS_HEAD_BYTES ? STAMPS_HEAD_BYTES : STAMPS_SHORT_HEAD_BYTES);
    for (int i = 0; i < STAMPS_HEAD_BYTES / 8; i++) {
        signature = (signature ^ word[i]) * 0x9e3779b97f4a7c15u;
        signature ^= signature >> 32;
    }
    return signature | 1; /* 0 marks a slot that is being written */
}

int64_t stamps_arrival_ns(const struct stamps *stamps, const uint8_t *ip, size_t bytes, int64_t now_ns) {
    if (stamps->slot == NULL || bytes < STAMPS_SHORT_HEAD_BYTES)
        return now_ns;
    uint64_t signature = signature_of(ip, bytes);
    const struct stamp *slot = &stamps->slot[signature >> 48];
    uint64_t before = __atomic_load_n(&slot->signature, __ATOMIC_ACQUIRE);
    int64_t mono_ns = (int64_t)__atomic_load_n(&slot->mono_ns, __ATOMIC_ACQUIRE);
    uint64_t after = __atomic_load_n(&slot->signature, __ATOMIC_RELAXED);
    bool is_its = before == signature && after == signature;
    return is_its && mono_ns <= now_ns && mono_ns > now_ns - MAX_AGE_NS ? mono_ns : now_ns;
}
