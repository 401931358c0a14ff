#include "pcapng.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, PACKET = 6, ORDER_MAGIC = 0x1a2b3c4d, RAW = 101, TSRESOL = 9 };

static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }

/* Whether all of the block has gone. */
static bool flush(struct pcapng *file) {
    while (file->left > 0) {
        ssize_t n = write(file->fd, file->block + file->sent, file->left);
        if (n <= 0)
            return false;
        file->sent += (size_t)n, file->left -= (size_t)n;
    }
    return true;
}

bool pcapng_open(struct pcapng *file, int fd) {
    *file = (struct pcapng){.fd = fd, .block = malloc(PCAPNG_BLOCK_BYTES)};
    if (file->block == NULL)
        return false;
    uint8_t *p = file->block;
    static const uint16_t version[] = {1, 0};
    static const uint64_t any_length = UINT64_MAX;
    put32(p, SECTION), put32(p + 4, 28), put32(p + 8, ORDER_MAGIC);
    memcpy(p + 12, version, 4);
    memcpy(p + 16, &any_length, 8);
    put32(p + 24, 28);
    p += 28;
    static const uint16_t link[] = {RAW, 0}, resolution[] = {TSRESOL, 1};
    put32(p, INTERFACE), put32(p + 4, 32);
    memcpy(p + 8, link, 4);
    put32(p + 12, PCAPNG_SNAP_BYTES);
    memcpy(p + 16, resolution, 4);
    put32(p + 20, 9); /* stamps are in 10^-9 s; three bytes of padding */
    put32(p + 24, 0);
    put32(p + 28, 32);
    file->left = 60;
    flush(file);
    return true;
}

void pcapng_close(struct pcapng *file) {
    flush(file);
    close(file->fd);
    free(file->block);
}

void pcapng_packet(struct pcapng *file, const uint8_t *ip, size_t bytes, uint64_t unix_ns) {
    if (!flush(file)) {
        file->missed++;
        return;
    }
    size_t kept = bytes < PCAPNG_SNAP_BYTES ? bytes : PCAPNG_SNAP_BYTES, padded = (kept + 3) & ~(size_t)3;
    uint8_t *p = file->block;
    uint32_t total = (uint32_t)(32 + padded);
    put32(p, PACKET), put32(p + 4, total), put32(p + 8, 0);
    put32(p + 12, (uint32_t)(unix_ns >> 32)), put32(p + 16, (uint32_t)unix_ns);
    put32(p + 20, (uint32_t)kept), put32(p + 24, (uint32_t)bytes);
    memcpy(p + 28, ip, kept);
    memset(p + 28 + kept, 0, padded - kept);
    put32(p + 28 + padded, total);
    file->sent = 0, file->left = total;
    flush(file);
}
