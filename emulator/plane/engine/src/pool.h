/* Memory for packets: one arena of a stated size, so that a flood ends in counted drops and not in swap.
 *
 * The arena is cut into pages that hold the largest frame; a page serves blocks
 * of one size and goes back to the common stock when its last block is freed,
 * so no size can keep memory from another.  Address space is reserved, memory
 * is taken at first touch, and the page freed last is used first.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct packet {
    struct packet *next;
    int64_t due_ns;       /* when its last bit arrives */
    struct shape shape;
    uint32_t frame_bytes; /* used of frame[] */
    uint8_t frame[];
};

enum { POOL_PAGE_BYTES = 17 * 4096, POOL_SIZES = 4, POOL_LARGE_BLOCK_BYTES = 17408 };

/* A frame beyond this is in a block of the largest size. */
#define POOL_LARGE_FRAME_BYTES (POOL_LARGE_BLOCK_BYTES - sizeof(struct packet))

struct pool {
    char *arena;
    struct pool_page *page; /* one for each page of the arena */
    uint32_t pages, fresh;  /* pages from `fresh` on were never used */
    uint32_t spare;         /* first of the list of pages that hold nothing */
    uint32_t partial[POOL_SIZES]; /* first page of each size with room */
};

const char *pool_open(struct pool *, size_t arena_bytes); /* NULL, or what is wrong in words */
void pool_close(struct pool *);
struct packet *pool_take(struct pool *, size_t frame_bytes); /* NULL when the arena is used up */
void pool_give(struct pool *, struct packet *);
