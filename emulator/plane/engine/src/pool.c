#include "pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Under AddressSanitizer what is not handed out may not be touched, as if it came from malloc. */
#if defined(__SANITIZE_ADDRESS__)
#define POOL_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_POISONS 1
#endif
#endif
#ifdef POOL_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

enum { NO_PAGE = UINT32_MAX, PREFAULT_PAGES = 64 };

static const uint32_t block_bytes[POOL_SIZES] = {256, 2048, POOL_LARGE_BLOCK_BYTES, POOL_PAGE_BYTES};
_Static_assert(sizeof(struct packet) + WIRE_MAX_FRAME_BYTES <= POOL_PAGE_BYTES, "a page holds the largest frame");

struct pool_page {
    struct packet *freed;   /* blocks given back */
    uint16_t cut, used;     /* blocks ever handed out since the page got its size; now out */
    uint8_t size;
    uint32_t before, after; /* in the list of partial pages, or (after) of spare ones */
};

const char *pool_open(struct pool *pool, size_t arena_bytes) {
    *pool = (struct pool){.pages = (uint32_t)(arena_bytes / POOL_PAGE_BYTES), .spare = NO_PAGE};
    if (arena_bytes / POOL_PAGE_BYTES < 2 || arena_bytes / POOL_PAGE_BYTES >= NO_PAGE)
        return "--memory-bytes is out of range";
    for (int size = 0; size < POOL_SIZES; size++)
        pool->partial[size] = NO_PAGE;
    size_t bytes = (size_t)pool->pages * POOL_PAGE_BYTES;
    pool->arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pool->page = calloc(pool->pages, sizeof *pool->page);
    if (pool->arena == MAP_FAILED || pool->page == NULL)
        return "no address space for the packets: lower --memory-bytes";
    /* clearing a huge page at first touch stops the engine for milliseconds */
    madvise(pool->arena, bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < bytes && at < (size_t)PREFAULT_PAGES * POOL_PAGE_BYTES; at += 4096)
        pool->arena[at] = 0;
    ASAN_POISON_MEMORY_REGION(pool->arena, bytes);
    return NULL;
}

void pool_close(struct pool *pool) {
    ASAN_UNPOISON_MEMORY_REGION(pool->arena, (size_t)pool->pages * POOL_PAGE_BYTES);
    munmap(pool->arena, (size_t)pool->pages * POOL_PAGE_BYTES);
    free(pool->page);
}

static void link_partial(struct pool *pool, uint32_t index) {
    struct pool_page *page = &pool->page[index];
    uint32_t *first = &pool->partial[page->size];
    page->before = NO_PAGE, page->after = *first;
    if (*first != NO_PAGE)
        pool->page[*first].before = index;
    *first = index;
}

static void unlink_partial(struct pool *pool, uint32_t index) {
    struct pool_page *page = &pool->page[index];
    if (page->before == NO_PAGE)
        pool->partial[page->size] = page->after;
    else
        pool->page[page->before].after = page->after;
    if (page->after != NO_PAGE)
        pool->page[page->after].before = page->before;
}

static bool is_full(const struct pool_page *page) {
    return page->used == POOL_PAGE_BYTES / block_bytes[page->size];
}

struct packet *pool_take(struct pool *pool, size_t frame_bytes) {
    uint8_t size = 0;
    while (block_bytes[size] < sizeof(struct packet) + frame_bytes)
        if (++size == POOL_SIZES)
            return NULL;
    uint32_t index = pool->partial[size];
    if (index == NO_PAGE) {
        if ((index = pool->spare) != NO_PAGE)
            pool->spare = pool->page[index].after;
        else if (pool->fresh < pool->pages)
            index = pool->fresh++;
        else
            return NULL;
        pool->page[index] = (struct pool_page){.size = size};
        link_partial(pool, index);
    }
    struct pool_page *page = &pool->page[index];
    struct packet *packet = page->freed;
    if (packet != NULL)
        page->freed = packet->next;
    else
        packet = (struct packet *)(pool->arena + (size_t)index * POOL_PAGE_BYTES +
                                   (size_t)page->cut++ * block_bytes[size]);
    ASAN_UNPOISON_MEMORY_REGION(packet, sizeof *packet + frame_bytes);
    page->used++;
    if (is_full(page))
        unlink_partial(pool, index);
    return packet;
}

void pool_give(struct pool *pool, struct packet *packet) {
    uint32_t index = (uint32_t)((size_t)((char *)packet - pool->arena) / POOL_PAGE_BYTES);
    struct pool_page *page = &pool->page[index];
    if (is_full(page))
        link_partial(pool, index);
    packet->next = page->freed;
    ASAN_POISON_MEMORY_REGION(packet->frame, block_bytes[page->size] - sizeof *packet);
    page->freed = packet;
    if (--page->used == 0) {
        unlink_partial(pool, index);
        page->after = pool->spare;
        pool->spare = index;
    }
}
