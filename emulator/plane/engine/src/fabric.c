#include "flight.h"

#include <errno.h>
#include <sys/mman.h>

static void *large(size_t n, size_t bytes) { /* zero, and taken as it is touched */
    void *at = mmap(NULL, n * bytes + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* A packet's next hop is some 4 us away: fetch what it will need, of which among a million satellites nothing is in
 * any cache.  Nothing is believed here: an address that is wrong is never read, only asked for. */
static void fetch(void *context, uint32_t event) {
    struct fabric *fabric = context;
    const struct fabric_table *table = &fabric->table;
    const struct fabric_bank *bank = &table->bank[fabric->epoch & 1];
    const struct flight *flight = wheel_data(&fabric->wheel, event);
    uint64_t node = flight->node, pipe = node * table->laser_slots;
    if (flight->pipe != FABRIC_NO_PIPE) {
        __builtin_prefetch(&table->counters[flight->pipe], 1);
        __builtin_prefetch(&bank->pipe[flight->pipe]);
    }
    if (node >= table->n_nodes)
        return;
    __builtin_prefetch(&table->ipv4[node]);
    if (flight->epoch == (uint32_t)fabric->epoch && flight->row < table->destinations)
        __builtin_prefetch(&bank->next[flight->row * (uint64_t)table->n_nodes + node]);
    if (node >= table->n_satellites)
        return;
    __builtin_prefetch(&bank->pipe[pipe]);
    __builtin_prefetch(&table->background[pipe]);
    __builtin_prefetch(&fabric->state[pipe], 1);
    __builtin_prefetch((const char *)&fabric->state[pipe] + 64, 1);
    const char *counters = (const char *)&table->counters[pipe];
    for (uint32_t slot = 0; slot < 4; slot++)
        __builtin_prefetch(counters + slot * sizeof *table->counters, 1);
}

const char *fabric_open(struct fabric *fabric, int fd, struct pool *pool, uint32_t ports, uint32_t flights,
                        uint64_t seed) {
    *fabric = (struct fabric){.pool = pool, .ports = ports, .dice = seed};
    const char *fault = fabric_table_open(&fabric->table, fd);
    if (fault != NULL)
        return fault;
    fabric->state = large(fabric->table.n_pipes, sizeof *fabric->state);
    fabric->port_of_node = large(fabric->table.n_nodes, sizeof *fabric->port_of_node);
    fabric->node_of_port = large(ports, sizeof *fabric->node_of_port);
    if (!wheel_open(&fabric->wheel, flights) || fabric->state == NULL ||
        fabric->port_of_node == NULL || fabric->node_of_port == NULL)
        return "not enough memory for so many nodes";
    fabric->wheel.soon = fetch;
    fabric->wheel.context = fabric;
    return NULL;
}

void fabric_close(struct fabric *fabric) {
    fabric_end_mirrors(fabric);
    wheel_close(&fabric->wheel);
}

int fabric_bind(struct fabric *fabric, uint32_t port, uint32_t node) {
    if (port >= fabric->ports || node >= fabric->table.n_nodes)
        return EINVAL;
    if (fabric->node_of_port[port] != 0 || fabric->port_of_node[node] != 0)
        return EEXIST;
    fabric->node_of_port[port] = node + 1;
    fabric->port_of_node[node] = port + 1;
    return 0;
}

int fabric_unbind(struct fabric *fabric, uint32_t port) {
    if (port >= fabric->ports || fabric->node_of_port[port] == 0)
        return ENOENT;
    fabric->port_of_node[fabric->node_of_port[port] - 1] = 0;
    fabric->node_of_port[port] = 0;
    return 0;
}

int fabric_read(struct fabric *fabric, uint32_t pipe, struct fabric_reading *reading) {
    if (pipe >= fabric->table.n_pipes)
        return ENOENT;
    *reading = (struct fabric_reading){.t0_mono_ns = fabric_bank_of(fabric)->head->t0_mono_ns,
                                       .pipe = fabric_bank_of(fabric)->pipe[pipe],
                                       .background_ratio = fabric->table.background[pipe],
                                       .loss_ratio = fabric->table.loss[pipe]};
    return 0;
}

/* Take up the epoch that was published, once the instant from which it is valid has come. */
static void latch(struct fabric *fabric, int64_t at_ns) {
    uint64_t published = __atomic_load_n(&fabric->table.header->published, __ATOMIC_ACQUIRE);
    if (published != fabric->epoch && at_ns >= fabric->table.bank[published & 1].head->valid_from_mono_ns) {
        fabric->epoch = published;
        __atomic_store_n(&fabric->table.header->in_force, published, __ATOMIC_RELEASE);
    }
}

void fabric_turn(struct fabric *fabric, int64_t now_ns, int most) {
    for (int done = 0; done < most; done++) {
        int64_t at_ns = wheel_next_ns(&fabric->wheel);
        if (at_ns > now_ns)
            break;
        latch(fabric, at_ns);
        uint32_t event = wheel_take(&fabric->wheel);
        int64_t due_ns = flight_hop(fabric, wheel_data(&fabric->wheel, event), at_ns, now_ns);
        if (due_ns == FLIGHT_GONE)
            wheel_give(&fabric->wheel, event);
        else
            wheel_again(&fabric->wheel, event, due_ns);
    }
    if (wheel_next_ns(&fabric->wheel) > now_ns)
        latch(fabric, now_ns);
    for (uint32_t i = 0; i < fabric->mirrors; i++)
        capture_flush(&fabric->mirror[i].file);
}

int64_t fabric_next_ns(struct fabric *fabric) {
    int64_t next_ns = wheel_next_ns(&fabric->wheel);
    uint64_t published = __atomic_load_n(&fabric->table.header->published, __ATOMIC_ACQUIRE);
    if (published != fabric->epoch) {
        int64_t valid_ns = fabric->table.bank[published & 1].head->valid_from_mono_ns;
        next_ns = valid_ns < next_ns ? valid_ns : next_ns;
    }
    return next_ns;
}
