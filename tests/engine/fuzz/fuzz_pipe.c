/* Any sequence of packets, parameters and instants: a pipe keeps order, is never early, and its books balance. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agenda.h"
#include "pipe.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

enum { PIPES = 3, ARENA_PAGES = 24, MAX_CHANGES = 4096 };

struct input {
    const uint8_t *at, *end;
};

static uint32_t next(struct input *input, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (input->at < input->end ? *input->at++ : 0);
    return value;
}

/* What a pipe was told, and when: what a packet can have met at the least. */
struct history {
    int changes;
    struct change {
        int64_t at_ns, least_delay_ns;
        uint64_t rate_bps;
    } change[MAX_CHANGES];
};

static int64_t least_ns(const struct history *history, int64_t since_ns, uint64_t bytes) {
    int64_t least = INT64_MAX;
    for (int i = history->changes - 1; i >= 0; i--) {
        const struct change *change = &history->change[i];
        int64_t wire_ns = change->rate_bps ? (int64_t)(bytes * 8000000000u / change->rate_bps) : 0;
        if (change->least_delay_ns + wire_ns < least)
            least = change->least_delay_ns + wire_ns;
        if (change->at_ns < since_ns)
            break;
    }
    return least;
}

/* A TCP packet, a super-packet where `segment` is not 0.  Where the addresses and the acknowledged number would be
 * stand its serial number and its instant of arrival: every cut has them. */
static struct packet *make_packet(struct pool *pool, uint32_t bytes, uint32_t segment, uint32_t serial, int64_t now_ns) {
    size_t frame_bytes = VNET_BYTES + 40 + bytes;
    struct packet *packet = pool_take(pool, frame_bytes);
    if (packet == NULL)
        return NULL;
    uint8_t *frame = packet->frame, *ip = frame + VNET_BYTES;
    memset(frame, 0, frame_bytes);
    ip[0] = 0x45, ip[2] = (uint8_t)((bytes + 40) >> 8), ip[3] = (uint8_t)(bytes + 40), ip[9] = 6, ip[32] = 0x50;
    if (segment > 0) {
        uint16_t vnet[4] = {40, (uint16_t)segment, 20, 16};
        frame[0] = 1, frame[1] = 1;
        memcpy(frame + 2, vnet, sizeof vnet);
    }
    memcpy(ip + 12, &serial, 4);
    memcpy(ip + 16, &now_ns, 4);
    memcpy(ip + 28, (char *)&now_ns + 4, 4);
    packet->frame_bytes = (uint32_t)frame_bytes;
    CHECK(wire_parse(frame, frame_bytes, &packet->shape));
    return packet;
}

static void change_parameters(struct input *input, struct entry *entry, struct history *history, int64_t now_ns) {
    uint64_t *bank = &entry->word[1 + 8 * ((entry->word[0] + 1) & 1)];
    struct parameters set;
    memcpy(&set, &entry->word[1 + 8 * (entry->word[0] & 1)], sizeof set);
    set.t0_mono_ns = now_ns;
    set.delay_ns = next(input, 3);
    set.slope_ns_per_s = (double)(int32_t)next(input, 4) * 16;
    set.rate_bps = (uint64_t)next(input, 2) << (next(input, 1) % 24);
    set.queue_bytes = (uint64_t)next(input, 2) << (next(input, 1) % 8);
    set.loss_ratio = next(input, 1) % 2 ? next(input, 1) / 255.0 : 0;
    if (next(input, 1) % 4 != 0)
        set.state |= 1;
    else if (set.state & 1)
        set.state++; /* one outage more, and down */
    memcpy(bank, &set, sizeof set);
    if (next(input, 1) % 4 != 0 && history->changes < MAX_CHANGES) { /* else its writer was stopped half-way */
        entry->word[0]++;
        int64_t least = set.slope_ns_per_s < 0 ? 0 : (int64_t)set.delay_ns;
        history->change[history->changes++] = (struct change){now_ns, least, set.rate_bps};
    }
}

static uint64_t dropped(const struct counters *c) {
    return c->dropped_queue + c->dropped_loss + c->dropped_down + c->dropped_host;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, data + size};
    int table_fd = memfd_create("table", 0);
    CHECK(ftruncate(table_fd, (off_t)table_bytes(PIPES)) == 0);
    struct table_header header = {.magic = TABLE_MAGIC, .version = TABLE_VERSION, .pipes = PIPES,
                                  .entry_bytes = sizeof(struct entry), .counters_bytes = sizeof(struct counters),
                                  .bins = HISTOGRAM_BINS};
    CHECK(pwrite(table_fd, &header, sizeof header, 0) == sizeof header);
    struct table table;
    struct pool pool;
    struct agenda agenda;
    struct pipe pipe[PIPES];
    static struct history history[PIPES];
    uint32_t last_serial[PIPES] = {0}, serial = 0;
    CHECK(table_open(&table, table_fd) == NULL && pool_open(&pool, ARENA_PAGES * POOL_PAGE_BYTES) == NULL);
    CHECK(agenda_open(&agenda, PIPES));
    for (uint32_t i = 0; i < PIPES; i++) {
        pipe_bind(&pipe[i], &table, i, &pool, 1);
        history[i].changes = 1;
        history[i].change[0] = (struct change){0, 0, 0};
    }
    int64_t now_ns = 1000000000;

    while (input.at < input.end || agenda.busy > 0) {
        bool is_over = input.at >= input.end; /* let what is under way come out */
        uint32_t i = next(&input, 1) % PIPES, what = is_over ? 3 : next(&input, 1) % 4;
        if (what < 2) {
            uint32_t bytes = next(&input, 2) % 65496, segment = what == 0 ? 0 : next(&input, 2) % 1500;
            if (segment > 0 && bytes / segment > 200)
                segment = 1448;
            struct packet *packet = make_packet(&pool, bytes, bytes > 0 ? segment : 0, ++serial, now_ns);
            if (packet != NULL) {
                pipe_arrive(&pipe[i], packet, now_ns);
                agenda_set(&agenda, i, pipe_next_ns(&pipe[i]));
            }
        } else if (what == 2) {
            change_parameters(&input, &table.entry[i], &history[i], now_ns);
        } else {
            now_ns = is_over ? agenda_next_ns(&agenda) : now_ns + next(&input, 3);
            while (agenda_next_ns(&agenda) <= now_ns) {
                uint32_t due = agenda.heap[0].pipe;
                for (uint32_t k = 0; k < agenda.busy; k++)
                    CHECK(agenda.heap[k].at_ns >= agenda.heap[0].at_ns);
                struct packet *packet = pipe_release(&pipe[due], now_ns);
                agenda_set(&agenda, due, pipe_next_ns(&pipe[due]));
                if (packet == NULL)
                    continue;
                const uint8_t *ip = packet->frame + VNET_BYTES;
                uint32_t number;
                int64_t arrived_ns;
                memcpy(&number, ip + 12, 4);
                memcpy(&arrived_ns, ip + 16, 4);
                memcpy((char *)&arrived_ns + 4, ip + 28, 4);
                CHECK(packet->due_ns <= now_ns);
                CHECK(number >= last_serial[due] && number <= serial);
                CHECK(packet->due_ns - arrived_ns >= least_ns(&history[due], arrived_ns, packet->shape.wire_bytes));
                last_serial[due] = number;
                pipe_count_out(&pipe[due], packet, number % 5 != 0);
                pool_give(&pool, packet);
            }
        }
        for (uint32_t k = 0; k < PIPES; k++) {
            const struct counters *c = pipe[k].count;
            CHECK(c->packets_in == c->packets_out + dropped(c) + c->held);
            CHECK((pipe_next_ns(&pipe[k]) == NEVER) == (c->held == 0));
            CHECK((pipe[k].waiting.first == NULL) == (pipe[k].waiting_bytes == 0));
        }
    }
    for (uint32_t i = 0; i < PIPES; i++)
        pipe_unbind(&pipe[i]);
    /* every block came back: the arena can be handed out whole again */
    for (int i = 0; i < ARENA_PAGES; i++)
        CHECK(pool_take(&pool, WIRE_MAX_FRAME_BYTES) != NULL);
    CHECK(pool_take(&pool, 1) == NULL);
    pool_close(&pool);
    agenda_close(&agenda);
    munmap(table.header, table_bytes(PIPES));
    close(table_fd);
    return 0;
}
