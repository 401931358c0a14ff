/* Any bytes as a frame: what the fabric makes of it stays inside its buffers, is a sound packet, and adds up. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "capture.h"
#include "checksum.h"
#include "fragment.h"
#include "merge.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

static uint8_t *exact(const uint8_t *data, size_t size) { /* AddressSanitizer sees a read or write behind it */
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, data, size);
    return copy;
}

static void check_sound(const uint8_t *frame, size_t bytes, size_t limit) {
    struct shape shape;
    const uint8_t *ip = frame + VNET_BYTES;
    CHECK(bytes - VNET_BYTES <= limit && wire_parse(frame, bytes, &shape) && shape.segments == 1);
    for (int i = 0; i < VNET_BYTES; i++)
        CHECK(frame[i] == 0);
    if (ip[0] >> 4 == 4)
        CHECK(checksum_ipv4_is_right(ip) && load16(ip + 2) == bytes - VNET_BYTES);
    else
        CHECK(load16(ip + 4) + 40 == bytes - VNET_BYTES);
}

static void check_icmp(const uint8_t *frame, size_t bytes) {
    const uint8_t *ip = frame + VNET_BYTES;
    uint32_t header = ip[0] >> 4 == 4 ? 20 : 40, message = (uint32_t)(bytes - VNET_BYTES) - header;
    uint32_t pseudo = header == 20 ? 0 : checksum_pseudo(ip, PROTOCOL_ICMP6, message);
    CHECK(checksum_add(pseudo, ip + header, message) == 0xffff);
}

static void try_answers(const uint8_t *frame, size_t size, uint8_t choice) {
    static const uint8_t from[16] = {10, 1, 2, 3};
    for (int kind = ANSWER_EXPIRED; kind <= ANSWER_TOO_BIG; kind++) {
        uint8_t *answer = malloc(ANSWER_ERROR_MAX_FRAME_BYTES);
        size_t bytes = answer_error((enum answer_reason)kind, frame, size, choice, from, 1400, answer);
        if (bytes > 0) {
            bool is_ipv4 = answer[VNET_BYTES] >> 4 == 4;
            check_sound(answer, bytes, is_ipv4 ? ANSWER_IPV4_ERROR_BYTES : ANSWER_IPV6_ERROR_BYTES);
            check_icmp(answer, bytes);
            /* and about an error there is none */
            CHECK(answer_error((enum answer_reason)kind, answer, bytes, 0, from, 0, NULL) == 0);
        }
        free(answer);
    }
    uint8_t *reply = malloc(size + !size);
    size_t bytes = answer_echo(frame, size, reply);
    if (bytes > 0) {
        check_sound(reply, bytes, size);
        check_icmp(reply, bytes);
        CHECK(answer_echo(reply, bytes, NULL) == 0);
    }
    free(reply);
}

static void try_fragments(const uint8_t *given, size_t size, uint32_t mtu_bytes) {
    uint32_t count = fragment_count(given, size, mtu_bytes), next = 0;
    if (count == 0)
        return;
    uint8_t *frame = exact(given, size);
    checksum_complete(frame, size);
    const uint8_t *was = frame + VNET_BYTES;
    uint32_t header = (was[0] & 15u) * 4, data = load16(was + 2) - header;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *out = malloc(VNET_BYTES + mtu_bytes);
        size_t bytes = fragment_make(frame, size, mtu_bytes, i, out);
        const uint8_t *ip = out + VNET_BYTES;
        uint32_t own = (ip[0] & 15u) * 4, length = (uint32_t)bytes - VNET_BYTES - own;
        if (count > 1) {
            check_sound(out, bytes, mtu_bytes);
            CHECK(((load16(ip + 6) - load16(was + 6)) & 0x1fff) * 8 == next);
            CHECK((load16(ip + 6) & 0x2000) || i == count - 1);
        }
        CHECK(memcmp(ip + own, was + header + next, length) == 0);
        next += length;
        free(out);
    }
    CHECK(next == data);
    free(frame);
}

static void try_capture(const uint8_t *frame, size_t size, const struct shape *shape, uint8_t choice) {
    struct capture capture;
    int ends[2];
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    CHECK(capture_open(&capture, ends[1], "any", choice, WIRE_MAX_FRAME_BYTES + 64, 1000) == NULL);
    uint8_t *scratch = malloc(1 << 20);
    size_t got = 0;
    for (int turn = 0; turn < 3; turn++) {
        capture_packet(&capture, 5, 7, choice % 4, frame, size, shape);
        if (choice % 2) {
            ssize_t n = read(ends[0], scratch + got, 999);
            got += n > 0 ? (size_t)n : 0;
        }
    }
    uint32_t segments = shape->can_cut ? shape->segments : 1;
    CHECK(capture.packets + capture.dropped == 3 * (uint64_t)segments);
    for (bool is_done = false; !is_done;) {
        is_done = capture_flush(&capture);
        for (ssize_t n; got < 1 << 20 && (n = read(ends[0], scratch + got, (1 << 20) - got)) > 0;)
            got += (size_t)n;
    }
    CHECK(capture_close(&capture));
    uint64_t packets = 0;
    size_t at = 0;
    while (at < got) { /* block by block, to the byte */
        uint32_t type, bytes, again;
        memcpy(&type, scratch + at, 4), memcpy(&bytes, scratch + at + 4, 4);
        CHECK(bytes % 4 == 0 && bytes >= 12 && at + bytes <= got);
        memcpy(&again, scratch + at + bytes - 4, 4);
        CHECK(again == bytes);
        packets += type == 6, at += bytes;
    }
    CHECK(at == got && packets == capture.packets);
    free(scratch);
    close(ends[0]), close(ends[1]);
}

/* Copies of the frame with what the input says changed; a merge must give the same bytes as one by one. */
static void try_merge(const uint8_t *frame, size_t size, const uint8_t *changes, size_t n_changes) {
    uint8_t *buffer = malloc(WIRE_MAX_FRAME_BYTES);
    uint8_t *copy[8];
    size_t bytes[8];
    struct merge merge;
    merge_open(&merge, buffer);
    CHECK(merge_take(&merge, &(size_t){0}, &(uint32_t){0}) == NULL);
    uint32_t first = 0, count = 0;
    for (; count < 8; count++) {
        copy[count] = exact(frame, size), bytes[count] = size;
        if (size >= VNET_BYTES + 20 && copy[count][VNET_BYTES] >> 4 == 4) {
            store16(copy[count] + VNET_BYTES + 4, load16(frame + VNET_BYTES + 4) + count);
            if ((copy[count][VNET_BYTES] & 15u) == 5)
                checksum_ipv4(copy[count] + VNET_BYTES);
        }
        if (n_changes >= 3 && changes[0] % 8 == count && size > 0)
            copy[count][(changes[1] << 8 | changes[2]) % size] ^= 1;
    }
    for (uint32_t i = 0; i <= count; i++) {
        if (i < count && merge_add(&merge, copy[i], bytes[i]))
            continue;
        size_t out_bytes;
        uint32_t frames;
        const uint8_t *out = merge_take(&merge, &out_bytes, &frames);
        CHECK(out != NULL && frames == i - first);
        struct shape shape;
        if (frames == 1) {
            CHECK(out == copy[first] && out_bytes == bytes[first]);
        } else {
            CHECK(wire_parse(out, out_bytes, &shape) && shape.segments == frames && shape.can_cut);
            for (uint32_t k = 0; k < frames; k++) {
                uint8_t *cut = malloc(wire_cut_bytes(&shape, k, 1)), *was = copy[first + k];
                size_t cut_bytes = wire_cut_bytes(&shape, k, 1);
                wire_cut(out, &shape, k, 1, cut);
                checksum_complete(cut, cut_bytes);
                checksum_complete(was, bytes[first + k]);
                CHECK(cut_bytes == bytes[first + k] && memcmp(cut, was, cut_bytes) == 0);
                free(cut);
            }
        }
        first = i;
        if (i < count)
            CHECK(merge_add(&merge, copy[i], bytes[i]));
    }
    for (uint32_t i = 0; i < count; i++)
        free(copy[i]);
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct shape shape;
    if (size < 4)
        return 0;
    uint8_t *frame = exact(data + 4, size - 4);
    try_merge(frame, size - 4, data, 3);
    uint32_t ip_at = VNET_BYTES;
    if (size - 4 >= ip_at + 20 && frame[ip_at] >> 4 == 4 && (frame[ip_at] & 15u) * 4 + ip_at <= size - 4)
        checksum_ipv4(frame + ip_at); /* else nothing gets past it */
    if (wire_parse(frame, size - 4, &shape)) {
        try_answers(frame, size - 4, data[0]);
        if (shape.segments == 1)
            try_fragments(frame, size - 4, 20u + data[1] * 8u + data[2]);
        if (shape.segments < 1000)
            try_capture(frame, size - 4, &shape, data[3]);
    }
    free(frame);
    return 0;
}
