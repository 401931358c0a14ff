#include "capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "checksum.h"

/* All in the machine's byte order, which the section header tells. */
enum { SECTION_HEADER = 0x0a0d0d0a, INTERFACE = 1, ENHANCED_PACKET = 6 };
enum { BYTE_ORDER_MAGIC = 0x1a2b3c4d };
enum { IF_NAME = 2, IF_TSRESOL = 9, EPB_DROPCOUNT = 4, NANOSECONDS = 9 };

struct section_header {
    uint32_t type, bytes, magic;
    uint16_t major, minor;
    uint32_t section_bytes[2]; /* unknown: all ones */
    uint32_t bytes_again;
};
struct packet_head {
    uint32_t type, bytes, interface, stamp_high, stamp_low, captured_bytes, packet_bytes;
};
struct drop_option {
    uint16_t code, bytes;
    uint32_t count[2];
    uint32_t end;
};
_Static_assert(sizeof(struct section_header) == 28, "as in the file");
_Static_assert(sizeof(struct packet_head) == 28 && sizeof(struct drop_option) == 16, "as in the file");

enum { HEADER_MAX_BYTES = 28 + 16 + 4 + CAPTURE_NAME_BYTES + 8 + 4 + 4,
       BLOCK_OVERHEAD_BYTES = 28 + 3 + 16 + 4 };

static uint32_t pad4(uint32_t bytes) { return (bytes + 3) & ~3u; }

static void put(struct capture *capture, const void *data, size_t bytes) {
    size_t at = capture->first + capture->used;
    if (at >= capture->ring_bytes)
        at -= capture->ring_bytes;
    size_t before_end = capture->ring_bytes - at;
    size_t head = bytes < before_end ? bytes : before_end;
    memcpy(capture->ring + at, data, head);
    memcpy(capture->ring, (const uint8_t *)data + head, bytes - head);
    capture->used += bytes;
}

static void put_header(struct capture *capture, const char *name) {
    struct section_header section = {.type = SECTION_HEADER, .bytes = sizeof section, .magic = BYTE_ORDER_MAGIC,
                                     .major = 1, .section_bytes = {UINT32_MAX, UINT32_MAX},
                                     .bytes_again = sizeof section};
    put(capture, &section, sizeof section);
    uint16_t name_bytes = (uint16_t)strlen(name);
    uint32_t bytes = 16 + 4 + pad4(name_bytes) + 8 + 4 + 4;
    uint32_t head[2] = {INTERFACE, bytes}, end = 0;
    uint16_t link[2] = {CAPTURE_LINKTYPE_RAW, 0}, name_option[2] = {IF_NAME, name_bytes};
    uint16_t resolution_option[2] = {IF_TSRESOL, 1};
    uint8_t resolution[4] = {NANOSECONDS};
    put(capture, head, sizeof head);
    put(capture, link, sizeof link);
    put(capture, &capture->snap_bytes, 4);
    put(capture, name_option, sizeof name_option);
    put(capture, name, name_bytes);
    put(capture, &end, pad4(name_bytes) - name_bytes);
    put(capture, resolution_option, sizeof resolution_option);
    put(capture, resolution, sizeof resolution);
    put(capture, &end, 4);
    put(capture, &bytes, 4);
}

const char *capture_open(struct capture *capture, int fd, const char *name, uint32_t snap_bytes, size_t buffer_bytes,
                        int64_t unix_minus_mono_ns) {
    *capture = (struct capture){.fd = fd, .snap_bytes = snap_bytes, .ring_bytes = buffer_bytes,
                               .unix_minus_mono_ns = unix_minus_mono_ns};
    size_t largest = snap_bytes == 0 || snap_bytes > WIRE_MAX_FRAME_BYTES ? WIRE_MAX_FRAME_BYTES : snap_bytes;
    if (name != NULL && strlen(name) > CAPTURE_NAME_BYTES)
        return "the name of the captured interface is too long";
    if (buffer_bytes < HEADER_MAX_BYTES || buffer_bytes < BLOCK_OVERHEAD_BYTES + largest)
        return "the buffer of the capture does not hold a packet";
    capture->ring = malloc(buffer_bytes + WIRE_MAX_FRAME_BYTES);
    if (capture->ring == NULL)
        return "not enough memory for the buffer of the capture";
    capture->scratch = capture->ring + buffer_bytes;
    if (name != NULL)
        put_header(capture, name);
    return NULL;
}

bool capture_flush(struct capture *capture) {
    while (capture->used > 0) {
        size_t before_end = capture->ring_bytes - capture->first;
        size_t head = capture->used < before_end ? capture->used : before_end;
        struct iovec part[2] = {{capture->ring + capture->first, head}, {capture->ring, capture->used - head}};
        ssize_t written = writev(capture->fd, part, part[1].iov_len > 0 ? 2 : 1);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            capture->fault = errno, capture->used = 0; /* the reader is gone, or the disk is full */
        if (written <= 0)
            return false;
        capture->used -= (size_t)written;
        capture->first += (size_t)written;
        if (capture->first >= capture->ring_bytes)
            capture->first -= capture->ring_bytes;
    }
    return capture->fault == 0;
}

/* One packet as the wire has it. */
static void put_packet(struct capture *capture, int64_t mono_ns, const uint8_t *ip, uint32_t ip_bytes) {
    uint32_t captured = capture->snap_bytes > 0 && capture->snap_bytes < ip_bytes ? capture->snap_bytes : ip_bytes;
    uint64_t dropped = capture->dropped - capture->dropped_told;
    uint32_t bytes = (uint32_t)sizeof(struct packet_head) + pad4(captured) + 4;
    if (dropped > 0)
        bytes += (uint32_t)sizeof(struct drop_option);
    if (capture->used + bytes > capture->ring_bytes / 2 && capture->fault == 0)
        capture_flush(capture);
    if (capture->fault != 0 || capture->used + bytes > capture->ring_bytes) {
        capture->dropped++;
        return;
    }
    uint64_t stamp = (uint64_t)(mono_ns + capture->unix_minus_mono_ns);
    struct packet_head head = {ENHANCED_PACKET, bytes, 0, (uint32_t)(stamp >> 32), (uint32_t)stamp, captured, ip_bytes};
    static const uint8_t padding[3];
    put(capture, &head, sizeof head);
    put(capture, ip, captured);
    put(capture, padding, pad4(captured) - captured);
    if (dropped > 0) {
        struct drop_option option = {.code = EPB_DROPCOUNT, .bytes = 8};
        memcpy(option.count, &dropped, 8);
        put(capture, &option, sizeof option);
        capture->dropped_told += dropped;
    }
    put(capture, &bytes, 4);
    capture->packets++;
}

void capture_packet(struct capture *capture, int64_t mono_ns, int64_t segment_ns, uint32_t hops, const uint8_t *frame,
                   size_t frame_bytes, const struct shape *shape) {
    struct virtio_header vnet;
    memcpy(&vnet, frame, sizeof vnet);
    uint32_t segments = shape->segments > 1 && shape->can_cut ? shape->segments : 1;
    if (capture->fault != 0) {
        capture->dropped += segments;
        return;
    }
    if (segments == 1 && hops == 0 && !(vnet.flags & VNET_NEEDS_CSUM)) {
        put_packet(capture, mono_ns, frame + VNET_BYTES, (uint32_t)frame_bytes - VNET_BYTES);
        return;
    }
    uint8_t *copy = capture->scratch;
    for (uint32_t i = 0; i < segments; i++) {
        size_t bytes = frame_bytes;
        if (segments > 1) {
            bytes = wire_cut_bytes(shape, i, 1);
            wire_cut(frame, shape, i, 1, copy);
        } else {
            memcpy(copy, frame, frame_bytes);
        }
        checksum_complete(copy, bytes);
        checksum_age(copy + VNET_BYTES, hops);
        put_packet(capture, mono_ns + i * segment_ns, copy + VNET_BYTES, (uint32_t)bytes - VNET_BYTES);
    }
}

bool capture_close(struct capture *capture) {
    bool is_whole = capture_flush(capture);
    free(capture->ring);
    capture->ring = capture->scratch = NULL;
    return is_whole;
}
