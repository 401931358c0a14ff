/* What a hop costs inside the engine: packets in flight over a table that is handed over, in memory alone.
 *
 *     hop_cost TABLE_FD DESTINATIONS PLANES SLOTS IN_FLIGHT HOPS
 *
 * A torus of satellites.  A hundred sources around each destination, at most REACH
 * planes and slots away; where one packet is delivered another is sent.  Prints ns
 * per hop.  Time is logical: the wheel is turned as fast as it goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fabric.h"

enum { SOURCES = 100, REACH = 120 };

static struct fabric fabric;
static struct pool pool;
static uint32_t hosts, planes, slots, step;
static uint32_t source_of[1000][SOURCES]; /* nodes */
static uint64_t dice = 1;
static int64_t logical_ns;

static uint32_t roll(uint32_t upto) {
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((dice >> 33) % upto);
}

static void send_one(uint32_t to) {
    static const uint8_t head[] = {0x45, 0, 0, 64, 0, 0, 0x40, 0, 255, 17};
    struct packet *packet = pool_take(&pool, VNET_BYTES + 64);
    if (packet == NULL)
        exit(2);
    memset(packet->frame, 0, VNET_BYTES + 64);
    uint8_t *ip = packet->frame + VNET_BYTES;
    memcpy(ip, head, sizeof head);
    uint32_t from = source_of[to][roll(SOURCES)];
    uint32_t source = fabric.table.ipv4[from], destination = fabric.table.ipv4[to * step];
    for (int i = 0; i < 4; i++) {
        ip[12 + i] = (uint8_t)(source >> (24 - 8 * i));
        ip[16 + i] = (uint8_t)(destination >> (24 - 8 * i));
    }
    packet->frame_bytes = VNET_BYTES + 64;
    packet->shape = (struct shape){.segments = 1, .wire_bytes = 64};
    fabric_accept(&fabric, fabric.port_of_node[from] - 1, packet, logical_ns);
}

static void deliver(void *context, uint32_t port, struct packet *packet) {
    (void)context;
    pool_give(&pool, packet);
    send_one(port < hosts ? port : 0);
}

static uint64_t hops_made(void) {
    uint64_t made = 0; /* the table is shared: by whoever had it before too */
    for (uint32_t pipe = 0; pipe < fabric.table.n_pipes; pipe++)
        made += fabric.table.counters[pipe].packets_in;
    return made;
}

int main(int argc, char **argv) {
    if (argc != 7)
        return 1;
    hosts = (uint32_t)atoi(argv[2]), planes = (uint32_t)atoi(argv[3]), slots = (uint32_t)atoi(argv[4]);
    uint32_t in_flight = (uint32_t)atoi(argv[5]), ports = hosts;
    long hops = atol(argv[6]);
    const char *fault = hosts > 1000 ? "at most 1000 destinations" : pool_open(&pool, 64u << 20);
    if (fault == NULL)
        fault = fabric_open(&fabric, atoi(argv[1]), &pool, hosts * (SOURCES + 1), 4 * in_flight, 1);
    if (fault != NULL)
        return fprintf(stderr, "%s\n", fault), 1;
    step = fabric.table.n_nodes / hosts;
    fabric.deliver = deliver;
    for (uint32_t i = 0; i < hosts; i++)
        if (fabric_bind(&fabric, i, i * step) != 0)
            return 1;
    for (uint32_t i = 0; i < hosts; i++)
        for (uint32_t k = 0; k < SOURCES; k++) {
            uint32_t plane = (i * step / slots + planes - REACH % planes + roll(2 * REACH)) % planes;
            uint32_t slot = (i * step % slots + slots - REACH % slots + roll(2 * REACH)) % slots;
            uint32_t node = source_of[i][k] = plane * slots + slot;
            if (node == i * step) {
                k--;
                continue;
            }
            if (fabric.port_of_node[node] == 0 && fabric_bind(&fabric, ports++, node) != 0)
                return 1;
        }
    logical_ns = mono_ns();
    fabric_turn(&fabric, logical_ns, 1); /* take the epoch up */
    for (uint32_t i = 0; i < in_flight; i++) {
        logical_ns += 1009;
        send_one(i % hosts);
    }
    int64_t began_ns = 0;
    uint64_t before = 0;
    for (long done = 0; done < 2 * hops; done += 256) { /* the first half warms up */
        if (done >= hops && began_ns == 0) {
            before = hops_made();
            began_ns = mono_ns();
        }
        logical_ns += 256 * 450; /* about as many events, of 10,000 that take 4.5 ms */
        if (fabric.wheel.held < in_flight)
            return fprintf(stderr, "packets were lost\n"), 1;
        fabric_turn(&fabric, logical_ns, 1 << 30);
    }
    int64_t took_ns = mono_ns() - began_ns;
    printf("%.1f\n", (double)took_ns / (double)(hops_made() - before));
    return 0;
}
