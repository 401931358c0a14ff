#include "wire.h"

#include <string.h>

/* linux/virtio_net.h, which not every libc's headers bring in full */
enum { NEEDS_CSUM = 1, GSO_NONE = 0, GSO_TCPV4 = 1, GSO_TCPV6 = 4, GSO_UDP_L4 = 5, GSO_ECN = 0x80 };
struct vnet {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset; /* in the machine's byte order */
};
_Static_assert(sizeof(struct vnet) == VNET_BYTES, "the virtio-net header has no padding");

enum { TCP = 6, UDP = 17 };
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

static uint32_t get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t get32(const uint8_t *p) { return get16(p) << 16 | get16(p + 2); }
static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16), put16(p + 2, v & 0xffff); }

static uint32_t fold(uint32_t sum) {
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

/* Length of the IP header(s) and the protocol after them; 0 where they are not sound. */
static uint32_t network_header(const uint8_t *ip, uint32_t bytes, uint32_t *total_bytes, uint8_t *protocol) {
    if (bytes >= 20 && ip[0] >> 4 == 4) {
        uint32_t header = (ip[0] & 15u) * 4;
        *total_bytes = get16(ip + 2);
        /* the transport header of a fragment is elsewhere */
        *protocol = (get16(ip + 6) & 0x3fff) ? 0 : ip[9];
        return header >= 20 && header <= *total_bytes && *total_bytes <= bytes ? header : 0;
    }
    if (bytes >= 40 && ip[0] >> 4 == 6) {
        *total_bytes = 40 + get16(ip + 4);
        if (*total_bytes > bytes)
            return 0;
        uint32_t at = 40;
        *protocol = ip[6];
        /* hop-by-hop, routing, destination options; whatever else ends the walk */
        while ((*protocol == 0 || *protocol == 43 || *protocol == 60) && at + 8 <= *total_bytes) {
            *protocol = ip[at];
            at += 8 * (ip[at + 1] + 1u);
        }
        return at <= *total_bytes ? at : 0;
    }
    return 0;
}

bool wire_parse(const uint8_t *frame, size_t frame_bytes, struct shape *shape) {
    if (frame_bytes < VNET_BYTES + 20 || frame_bytes > WIRE_MAX_FRAME_BYTES)
        return false;
    struct vnet vnet;
    memcpy(&vnet, frame, sizeof vnet);
    const uint8_t *ip = frame + VNET_BYTES;
    uint32_t bytes = (uint32_t)frame_bytes - VNET_BYTES;
    uint32_t total_bytes;
    uint8_t protocol;
    uint32_t transport = network_header(ip, bytes, &total_bytes, &protocol);
    if (transport == 0)
        return false;
    bool partial = vnet.flags & NEEDS_CSUM;
    if (partial && (vnet.csum_start < 20 || (uint32_t)vnet.csum_start + vnet.csum_offset + 2 > bytes))
        return false;
    *shape = (struct shape){.segments = 1, .wire_bytes = bytes, .transport = (uint16_t)transport};
    if (vnet.gso_type == GSO_NONE)
        return true;

    uint32_t header, checksum_at;
    uint8_t kind = vnet.gso_type & (uint8_t)~GSO_ECN;
    if (kind == (ip[0] >> 4 == 4 ? GSO_TCPV4 : GSO_TCPV6) && protocol == TCP && transport + 20 <= bytes) {
        uint32_t tcp_bytes = (uint32_t)(ip[transport + 12] >> 4) * 4;
        if (tcp_bytes < 20)
            return false;
        header = transport + tcp_bytes, checksum_at = 16;
    } else if (vnet.gso_type == GSO_UDP_L4 && protocol == UDP && transport + 8 <= bytes) {
        header = transport + 8, checksum_at = 6;
    } else {
        return false;
    }
    if (total_bytes != bytes || header >= bytes || vnet.gso_size == 0 || header + vnet.gso_size > 65535)
        return false;
    if (partial && (vnet.csum_start != transport || vnet.csum_offset != checksum_at))
        return false;
    shape->payload_bytes = bytes - header;
    shape->segment_bytes = vnet.gso_size;
    shape->segments = (shape->payload_bytes + vnet.gso_size - 1) / vnet.gso_size;
    shape->wire_bytes = shape->payload_bytes + shape->segments * header;
    shape->header_bytes = (uint16_t)header;
    shape->can_cut = partial;
    return true;
}

static uint32_t cut_payload(const struct shape *shape, uint32_t first, uint32_t count) {
    uint32_t from = first * shape->segment_bytes, upto = (first + count) * shape->segment_bytes;
    return (upto < shape->payload_bytes ? upto : shape->payload_bytes) - from;
}

size_t wire_cut_bytes(const struct shape *shape, uint32_t first, uint32_t count) {
    return VNET_BYTES + shape->header_bytes + cut_payload(shape, first, count);
}

struct shape wire_cut(const uint8_t *frame, const struct shape *shape, uint32_t first, uint32_t count,
                      uint8_t *cut) {
    uint32_t header = shape->header_bytes, payload = cut_payload(shape, first, count);
    uint32_t skipped = first * shape->segment_bytes;
    bool is_last = first + count == shape->segments;
    memcpy(cut, frame, VNET_BYTES + header);
    memcpy(cut + VNET_BYTES + header, frame + VNET_BYTES + header + skipped, payload);

    struct vnet vnet;
    memcpy(&vnet, frame, sizeof vnet);
    bool is_tcp = vnet.gso_type != GSO_UDP_L4;
    vnet.hdr_len = (uint16_t)header;
    if (first > 0)
        vnet.gso_type &= (uint8_t)~GSO_ECN; /* the congestion mark goes out once */
    if (count == 1)
        vnet.gso_type = GSO_NONE, vnet.gso_size = 0;
    memcpy(cut, &vnet, sizeof vnet);

    uint8_t *ip = cut + VNET_BYTES, *transport = ip + shape->transport;
    if (ip[0] >> 4 == 4) {
        put16(ip + 2, header + payload);
        put16(ip + 4, (get16(ip + 4) + first) & 0xffff); /* as the kernel numbers segments */
        put16(ip + 10, 0);
        uint32_t sum = 0;
        for (uint32_t i = 0; i < (ip[0] & 15u) * 4; i += 2)
            sum += get16(ip + i);
        put16(ip + 10, ~fold(sum) & 0xffff);
    } else {
        put16(ip + 4, header + payload - 40);
    }
    uint32_t before = header - shape->transport + shape->payload_bytes;
    uint32_t after = header - shape->transport + payload;
    uint8_t *checksum = transport + (is_tcp ? 16 : 6);
    if (is_tcp) {
        put32(transport + 4, get32(transport + 4) + skipped);
        if (first > 0)
            transport[13] &= (uint8_t)~TCP_CWR;
        if (!is_last)
            transport[13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
    } else {
        put16(transport + 4, after);
    }
    /* the field holds the sum of the pseudo-header, of which only the length changes (RFC 1624) */
    put16(checksum, fold(get16(checksum) + (~before & 0xffff) + after));

    struct shape result = *shape;
    result.segments = count;
    result.payload_bytes = count == 1 ? 0 : payload;
    result.wire_bytes = payload + count * header;
    if (count == 1)
        result.segment_bytes = result.header_bytes = 0, result.can_cut = false;
    return result;
}
