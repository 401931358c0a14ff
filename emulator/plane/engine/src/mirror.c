#include "flight.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

enum { MIRROR_BUFFER_BYTES = 1 << 20 };

static void end_mirror(struct fabric *fabric, uint32_t mirror) {
    capture_close(&fabric->mirror[mirror].file);
    close(fabric->mirror[mirror].file.fd);
    fabric->mirror[mirror] = fabric->mirror[--fabric->mirrors];
}

void fabric_end_mirrors(struct fabric *fabric) {
    while (fabric->mirrors > 0)
        end_mirror(fabric, fabric->mirrors - 1);
}

int fabric_mirror(struct fabric *fabric, uint32_t of_node, uint32_t index, int fd) {
    if (of_node > 1 || index >= (of_node ? fabric->table.n_nodes : fabric->table.n_pipes))
        return EINVAL;
    if (fabric->mirrors == FABRIC_MIRRORS)
        return ENOSPC;
    struct mirror *mirror = &fabric->mirror[fabric->mirrors];
    *mirror = (struct mirror){.of_node = of_node, .index = index};
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t offset_ns = (int64_t)real.tv_sec * 1000000000 + real.tv_nsec - mono_ns();
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (capture_open(&mirror->file, fd, NULL, 0, MIRROR_BUFFER_BYTES, offset_ns) != NULL)
        return ENOMEM;
    fabric->mirrors++;
    return 0;
}

int fabric_end_mirror(struct fabric *fabric, uint32_t of_node, uint32_t index) {
    for (uint32_t i = 0; i < fabric->mirrors; i++)
        if (fabric->mirror[i].of_node == of_node && fabric->mirror[i].index == index) {
            end_mirror(fabric, i);
            return 0;
        }
    return ENOENT;
}

RARE void flight_mirror(struct fabric *fabric, bool of_node, uint32_t index, const struct packet *packet,
                          uint8_t hops, int64_t at_ns) {
    for (uint32_t i = 0; i < fabric->mirrors; i++)
        if (fabric->mirror[i].of_node == of_node && fabric->mirror[i].index == index)
            capture_packet(&fabric->mirror[i].file, at_ns, 0, hops, packet->frame, packet->frame_bytes, &packet->shape);
}
