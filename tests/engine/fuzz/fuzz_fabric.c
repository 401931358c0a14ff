/* Any packets over any table, sound or not: nothing is touched that is not ours, and every pipe's books balance. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checksum.h"
#include "fabric.h"
#include "histogram.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

enum { NODES = 6, SATELLITES = 4, SLOTS = 2, GROUND = 8, ROWS = 4, PLACES = 8, PORTS = 8, FLIGHTS = 64 };
enum { PIPES = SATELLITES * SLOTS + GROUND, PAGE = 4096, BANK_PAGES = 7, MOST_PAYLOAD = 4000 };
static const uint8_t prefix[12] = {0xfd, 0x6f};

struct input {
    const uint8_t *at, *end;
};

static uint32_t next(struct input *input, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (input->at < input->end ? *input->at++ : 0);
    return value;
}

static void fill(struct input *input, void *at, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)at)[i] = (uint8_t)next(input, 1);
}

static char *lay_out(int fd) {
    static const char magic[8] = "om_fabrc";
    size_t bytes = (size_t)(4 + 2 * BANK_PAGES + 6) * PAGE;
    CHECK(ftruncate(fd, (off_t)bytes) == 0);
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(base != MAP_FAILED);
    struct fabric_header *h = (struct fabric_header *)base;
    memcpy(&h->magic, magic, 8);
    h->version = FABRIC_VERSION, h->total_bytes = bytes;
    h->n_nodes = NODES, h->n_satellites = SATELLITES, h->laser_slots = SLOTS, h->ground_pipes = GROUND;
    h->destinations = ROWS, h->hash_slots = PLACES;
    h->ipv4_at = PAGE, h->background_at = 2 * PAGE, h->counters_at = 3 * PAGE;
    h->waited_at = 3 * PAGE + PAGE / 2, h->loss_at = 2 * PAGE + PAGE / 2;
    h->bank_at[0] = 4 * PAGE, h->bank_at[1] = (4 + BANK_PAGES) * PAGE, h->histogram_at = (4 + 2 * BANK_PAGES) * PAGE;
    h->bank_pipes_at = PAGE, h->bank_ground_first_at = 2 * PAGE, h->bank_ground_pipe_at = 3 * PAGE;
    h->bank_hash_at = 4 * PAGE, h->bank_row_node_at = 5 * PAGE, h->bank_next_at = 6 * PAGE;
    h->bank_bytes = BANK_PAGES * PAGE;
    h->pipe_bytes = sizeof(struct fabric_pipe), h->counters_bytes = sizeof(struct fabric_counters);
    h->bins = HISTOGRAM_BINS;
    memcpy(h->ipv6_prefix, prefix, sizeof prefix);
    for (uint32_t i = 0; i < NODES; i++)
        ((uint32_t *)(base + h->ipv4_at))[i] = 10u << 24 | (i + 1);
    return base;
}

/* A ring of satellites with ground links, where the table is to be sound. */
static void sound_bank(char *base, char *bank) {
    struct fabric_header *h = (struct fabric_header *)base;
    struct fabric_pipe *pipe = (struct fabric_pipe *)(bank + h->bank_pipes_at);
    for (uint32_t i = 0; i < SATELLITES; i++)
        for (uint32_t s = 0; s < SLOTS; s++)
            pipe[i * SLOTS + s] = (struct fabric_pipe){1000000, 10, 1e8f, (i + (s ? SATELLITES - 1 : 1)) % SATELLITES | 1u << 31};
    uint8_t *ports = (uint8_t *)(bank + h->bank_next_at);
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t ipv4 = 10u << 24 | (row + 1), at = (ipv4 * 2654435769u) >> 29;
        struct fabric_place *place = (struct fabric_place *)(bank + h->bank_hash_at);
        while (place[at & (PLACES - 1)].row_plus_one != 0)
            at++;
        place[at & (PLACES - 1)] = (struct fabric_place){ipv4, row + 1};
        for (uint32_t node = 0; node < NODES; node++)
            ports[row * NODES + node] = node == row || node >= SATELLITES ? FABRIC_NO_WAY : 0;
    }
}

/* A packet as a node's kernel sends it, of each kind that is treated by itself: both versions of IP; datagrams,
 * segments, echo requests, fragments; alone or many under one header; then some bytes of it changed.  Returns the
 * bytes of the frame. */
static uint32_t write_packet(struct input *input, uint8_t *frame, uint32_t from, uint32_t to) {
    uint32_t kind = next(input, 1), many = 1 + next(input, 1) % 3 * 400, payload = next(input, 2) % MOST_PAYLOAD;
    bool is_v4 = kind & 1, may_fragment = kind & 2, is_later_fragment = (kind & 0x1c) == 0x1c;
    static const uint8_t protocols[] = {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP};
    uint8_t protocol = protocols[(kind >> 5) % 3];
    if (protocol == PROTOCOL_ICMP && !is_v4)
        protocol = PROTOCOL_ICMP6;
    uint32_t network = is_v4 ? 20 : is_later_fragment ? 48 : 40, transport = protocol == PROTOCOL_TCP ? 20 : 8;
    uint32_t bytes = network + transport + payload;
    memset(frame, 0, VNET_BYTES + bytes);
    uint8_t *ip = frame + VNET_BYTES, *head = ip + network;
    if (is_v4) {
        ip[0] = 0x45, ip[5] = 7, ip[6] = may_fragment ? 0 : 0x40, ip[8] = (uint8_t)next(input, 1), ip[9] = protocol;
        if (is_later_fragment)
            ip[6] = 0x20, ip[7] = 3;
        store16(ip + 2, bytes);
        store32(ip + 12, 10u << 24 | (from + 1)), store32(ip + 16, 10u << 24 | (to + 1));
        checksum_ipv4(ip);
    } else {
        ip[0] = 0x60, ip[6] = is_later_fragment ? 44 : protocol, ip[7] = (uint8_t)next(input, 1);
        if (is_later_fragment)
            ip[40] = protocol, ip[43] = 0x19;
        store16(ip + 4, bytes - 40);
        memcpy(ip + 8, prefix, 12), memcpy(ip + 24, prefix, 12);
        store32(ip + 20, 10u << 24 | (from + 1)), store32(ip + 36, 10u << 24 | (to + 1));
    }
    uint32_t sum_at = protocol == PROTOCOL_TCP ? 16 : protocol == PROTOCOL_UDP ? 6 : 2;
    if (protocol == PROTOCOL_TCP)
        head[12] = 0x50, head[13] = 0x18;
    else if (protocol == PROTOCOL_UDP)
        store16(head + 4, transport + payload);
    else
        head[0] = is_v4 ? 8 : 128;
    if (protocol != PROTOCOL_ICMP)
        store16(head + sum_at, checksum_pseudo(ip, protocol, transport + payload));
    bool is_super = many > 1 && payload > many && (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP);
    struct virtio_header vnet = {
        .flags = VNET_NEEDS_CSUM, .csum_start = (uint16_t)network, .csum_offset = (uint16_t)sum_at};
    if (is_super) {
        vnet.gso_type = protocol == PROTOCOL_UDP ? VNET_GSO_UDP_L4 : is_v4 ? 1 : 4;
        vnet.hdr_len = (uint16_t)(network + transport), vnet.gso_size = (uint16_t)many;
    }
    if (!is_later_fragment)
        memcpy(frame, &vnet, sizeof vnet);
    for (uint32_t changed = next(input, 1) % 4; changed > 0; changed--) {
        uint32_t at = next(input, 1) % 96;
        if (at < VNET_BYTES + bytes)
            frame[at] = (uint8_t)next(input, 1);
    }
    return VNET_BYTES + bytes;
}

/* Any bytes at all, with or without a header that says where they go. */
static uint32_t write_bytes(struct input *input, uint8_t *frame, uint32_t from, uint32_t to) {
    uint32_t length = 20 + next(input, 1) * 6;
    memset(frame, 0, VNET_BYTES + length);
    uint8_t *ip = frame + VNET_BYTES;
    fill(input, frame, 40);
    if (next(input, 1) & 1) {
        memset(frame, 0, VNET_BYTES);
        static const uint8_t head[] = {0x45, 0, 0, 0, 0, 0, 0x40, 0};
        memcpy(ip, head, 8);
        store16(ip + 2, length);
        store32(ip + 12, 10u << 24 | (from + 1)), store32(ip + 16, 10u << 24 | (to + 1));
    }
    return VNET_BYTES + length;
}

static void take(void *context, uint32_t port, struct packet *packet) {
    CHECK(port < PORTS && packet->frame_bytes >= VNET_BYTES + 20);
    pool_give(context, packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct input input = {data, data + bytes};
    static struct fabric fabric;
    static struct pool pool;
    int fd = memfd_create("fuzz", 0);
    char *base = lay_out(fd);
    struct fabric_header *header = (struct fabric_header *)base;
    for (int k = 0; k < 2; k++)
        header->kind[k] = (struct fabric_kind){next(&input, 2), next(&input, 4), next(&input, 1) / 1000.0, next(&input, 2)};
    bool is_sound = next(&input, 1) & 1;
    CHECK(pool_open(&pool, (size_t)24 * POOL_PAGE_BYTES) == NULL);
    CHECK(fabric_open(&fabric, fd, &pool, PORTS, FLIGHTS, 1) == NULL);
    fabric.deliver = take;
    fabric.context = &pool;
    sound_bank(base, base + header->bank_at[1]);
    header->published = 1;
    for (uint32_t node = 0; node < NODES; node += 2)
        CHECK(fabric_bind(&fabric, node, node) == 0);
    int64_t now_ns = 1000000000;
    while (input.at < input.end) {
        now_ns += next(&input, 3);
        switch (next(&input, 1) % 6) {
        case 0: { /* another epoch */
            if (header->in_force != header->published)
                break;
            char *bank = base + header->bank_at[(header->published + 1) & 1];
            if (is_sound)
                memcpy(bank, base + header->bank_at[header->published & 1], BANK_PAGES * PAGE);
            else
                for (int i = 0; i < 16; i++) {
                    size_t at = 16 + next(&input, 2) % (BANK_PAGES * PAGE - 64);
                    fill(&input, bank + at, 8);
                }
            ((int64_t *)bank)[0] = ((int64_t *)bank)[1] = now_ns + next(&input, 2);
            __atomic_store_n(&header->published, header->published + 1, __ATOMIC_RELEASE);
            break;
        }
        case 1:
            fill(&input, base + header->background_at + 4 * (next(&input, 1) % PIPES), 4);
            fill(&input, base + header->loss_at + 4 * (next(&input, 1) % PIPES), 4);
            header->has_losses = next(&input, 1) & 1;
            break;
        case 2:
            fabric_unbind(&fabric, next(&input, 1) % PORTS);
            fabric_bind(&fabric, next(&input, 1) % PORTS, next(&input, 1) % NODES);
            break;
        default: {
            struct packet *packet = pool_take(&pool, VNET_BYTES + 68 + MOST_PAYLOAD);
            if (packet == NULL)
                break;
            uint32_t kind = next(&input, 1), from = next(&input, 1) % PORTS, to = next(&input, 1) % (NODES + 2);
            packet->frame_bytes = (kind & 3 ? write_packet : write_bytes)(&input, packet->frame, from, to);
            if (wire_parse(packet->frame, packet->frame_bytes, &packet->shape))
                fabric_accept(&fabric, from, packet, now_ns);
            else
                pool_give(&pool, packet);
        }
        }
        fabric_turn(&fabric, now_ns, 256);
        CHECK(fabric_next_ns(&fabric) > 0);
    }
    struct fabric_counters *count = fabric.table.counters;
    uint64_t held = 0;
    for (int i = 0; i < PIPES; i++) {
        CHECK(count[i].packets_in == count[i].packets_out + count[i].dropped_queue + count[i].dropped_loss +
                                         count[i].dropped_down + count[i].held);
        held += count[i].held;
    }
    CHECK(held <= (uint64_t)FLIGHTS * 65536);
    for (uint32_t event; fabric.wheel.held > 0; wheel_give(&fabric.wheel, event)) {
        event = wheel_take(&fabric.wheel);
        pool_give(&pool, ((struct flight *)wheel_data(&fabric.wheel, event))->packet);
    }
    munmap(fabric.state, PIPES * sizeof *fabric.state + 1);
    munmap(fabric.port_of_node, NODES * sizeof *fabric.port_of_node + 1);
    munmap(fabric.node_of_port, PORTS * sizeof *fabric.node_of_port + 1);
    fabric_close(&fabric);
    munmap(fabric.table.header, header->total_bytes);
    munmap(base, header->total_bytes);
    pool_close(&pool);
    close(fd);
    return 0;
}
