/* Any bytes as a frame: parsing never reads beyond them, and a super-packet's cuts are what the whole was. */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

static uint32_t be16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t be32(const uint8_t *p) { return be16(p) << 16 | be16(p + 2); }

static uint32_t sum16(const uint8_t *p, size_t n, uint32_t sum) {
    for (size_t i = 0; i < n; i += 2)
        sum += be16(p + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* What the checksum field of a packet whose checksum is left to the hardware must hold; 0 and 0xffff are one. */
static uint32_t pseudo_header(const uint8_t *ip, const struct shape *shape, size_t bytes) {
    bool v4 = ip[0] >> 4 == 4;
    uint32_t length = (uint32_t)bytes - shape->transport;
    uint8_t protocol = v4 ? ip[9] : 0;
    if (!v4) {
        uint32_t at = 40;
        for (protocol = ip[6]; at < shape->transport; at += 8 * (ip[at + 1] + 1u))
            protocol = ip[at];
    }
    return sum16(v4 ? ip + 12 : ip + 8, v4 ? 8 : 32, length + protocol) % 0xffff;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct shape whole;
    uint8_t choice = size > 0 ? data[0] : 0;
    if (size < 1)
        return 0;
    data++, size--;
    /* an exact copy: AddressSanitizer sees a read behind it */
    uint8_t *frame = malloc(size + !size);
    memcpy(frame, data, size);
    if (!wire_parse(frame, size, &whole))
        goto done;
    CHECK(whole.segments >= 1 && whole.wire_bytes >= 20);
    if (!whole.can_cut) {
        CHECK(whole.segments == 1 || whole.payload_bytes > 0);
        goto done;
    }
    bool is_tcp = frame[1] != 5;
    size_t checksum_at = VNET_BYTES + whole.transport + (is_tcp ? 16u : 6u);
    uint32_t sound = pseudo_header(frame + VNET_BYTES, &whole, size - VNET_BYTES);
    frame[checksum_at] = (uint8_t)(sound >> 8), frame[checksum_at + 1] = (uint8_t)sound;

    uint32_t step = 1 + choice % 7, wire_bytes = 0, payload = 0, header = whole.header_bytes;
    for (uint32_t first = 0; first < whole.segments; first += step) {
        uint32_t count = whole.segments - first < step ? whole.segments - first : step;
        size_t bytes = wire_cut_bytes(&whole, first, count);
        CHECK(bytes <= size);
        uint8_t *cut = malloc(bytes);
        struct shape said = wire_cut(frame, &whole, first, count, cut), seen;
        const uint8_t *ip = cut + VNET_BYTES, *was = frame + VNET_BYTES;
        CHECK(wire_parse(cut, bytes, &seen));
        CHECK(seen.segments == count && seen.segments == said.segments);
        CHECK(seen.wire_bytes == said.wire_bytes && seen.can_cut == said.can_cut);
        wire_bytes += seen.wire_bytes;
        CHECK(memcmp(ip + header, was + header + payload, bytes - VNET_BYTES - header) == 0);
        if (is_tcp)
            CHECK(be32(ip + whole.transport + 4) == be32(was + whole.transport + 4) + payload);
        else
            CHECK(be16(ip + whole.transport + 4) == bytes - VNET_BYTES - whole.transport);
        if (ip[0] >> 4 == 4)
            CHECK(sum16(ip, (ip[0] & 15u) * 4, 0) == 0xffff);
        CHECK(be16(cut + checksum_at) % 0xffff == pseudo_header(ip, &whole, bytes - VNET_BYTES));
        payload += (uint32_t)(bytes - VNET_BYTES) - header;
        free(cut);
    }
    CHECK(payload == whole.payload_bytes);
    CHECK(wire_bytes == whole.wire_bytes);
done:
    free(frame);
    return 0;
}
