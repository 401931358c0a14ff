#include "merge.h"

#include <string.h>

#include "checksum.h"

enum { UDP_HEADER_BYTES = 8, MAX_PACKET_BYTES = 65535, DONT_FRAGMENT = 0x4000 };

/* A frame that holds one whole datagram and nothing else. */
struct datagram {
    const uint8_t *ip;
    uint32_t network; /* bytes of the IP header */
    uint32_t payload;
    bool is_partial;  /* its checksum is left to the device */
};

static bool look(const uint8_t *frame, size_t frame_bytes, struct datagram *datagram) {
    if (frame_bytes < VNET_BYTES + 20 + UDP_HEADER_BYTES || frame_bytes > VNET_BYTES + MAX_PACKET_BYTES)
        return false;
    struct virtio_header vnet;
    memcpy(&vnet, frame, sizeof vnet);
    const uint8_t *ip = frame + VNET_BYTES;
    uint32_t bytes = (uint32_t)frame_bytes - VNET_BYTES, network = ip[0] >> 4 == 4 ? 20 : 40;
    if (network == 20) {
        if (ip[0] != 0x45 || load16(ip + 2) != bytes || (load16(ip + 6) & ~(uint32_t)DONT_FRAGMENT) != 0 ||
            ip[9] != PROTOCOL_UDP)
            return false;
    } else if (ip[0] >> 4 != 6 || bytes < 40 + UDP_HEADER_BYTES || 40 + load16(ip + 4) != bytes ||
               ip[6] != PROTOCOL_UDP) {
        return false;
    }
    *datagram = (struct datagram){.ip = ip, .network = network, .payload = bytes - network - UDP_HEADER_BYTES,
                                  .is_partial = vnet.flags & VNET_NEEDS_CSUM};
    if (vnet.gso_type != VNET_GSO_NONE || (vnet.flags & ~(VNET_NEEDS_CSUM | VNET_DATA_VALID)) != 0)
        return false;
    if (datagram->is_partial && (vnet.csum_start != network || vnet.csum_offset != 6))
        return false;
    return datagram->payload > 0 && load16(ip + network + 4) == bytes - network && load16(ip + network + 6) != 0;
}

/* Would the kernel take it?  What splitting writes anew must have been right before. */
static bool is_right(const struct datagram *datagram) {
    const uint8_t *udp = datagram->ip + datagram->network;
    uint32_t bytes = UDP_HEADER_BYTES + datagram->payload;
    uint32_t pseudo = checksum_pseudo(datagram->ip, PROTOCOL_UDP, bytes);
    if (datagram->network == 20 && !checksum_ipv4_is_right(datagram->ip))
        return false;
    return datagram->is_partial ? load16(udp + 6) % 0xffff == pseudo % 0xffff
                                : checksum_add(pseudo, udp, bytes) == 0xffff;
}

/* Headers that splitting copies are equal. */
static bool is_alike(const struct datagram *a, const struct datagram *b) {
    if (a->network != b->network || a->is_partial != b->is_partial ||
        memcmp(a->ip + a->network, b->ip + b->network, 4) != 0) /* ports */
        return false;
    if (a->network == 20) /* type of service; DF and time to live; addresses */
        return a->ip[1] == b->ip[1] && memcmp(a->ip + 6, b->ip + 6, 4) == 0 && memcmp(a->ip + 12, b->ip + 12, 8) == 0;
    return memcmp(a->ip, b->ip, 4) == 0 && memcmp(a->ip + 6, b->ip + 6, 34) == 0;
}

static bool follows_in_number(struct merge *merge, const struct datagram *first, const struct datagram *next) {
    if (first->network != 20)
        return true;
    uint16_t ahead = (uint16_t)(load16(next->ip + 4) - load16(first->ip + 4));
    if (merge->datagrams == 1)
        merge->id_step = ahead == 0 && (load16(first->ip + 6) & DONT_FRAGMENT) ? 0 : 1;
    return ahead == (uint16_t)(merge->datagrams * merge->id_step);
}

void merge_open(struct merge *merge, uint8_t *buffer) { *merge = (struct merge){.buffer = buffer}; }

bool merge_add(struct merge *merge, const uint8_t *frame, size_t frame_bytes) {
    struct datagram next, first;
    if (merge->first == NULL) {
        bool can_grow = look(frame, frame_bytes, &next);
        merge->first = frame, merge->frame_bytes = frame_bytes, merge->datagrams = 1;
        merge->segment_bytes = (uint16_t)(can_grow ? next.payload : 0);
        merge->header_bytes = (uint16_t)(can_grow ? next.network + UDP_HEADER_BYTES : 0);
        return true;
    }
    if (merge->segment_bytes == 0 || merge->datagrams == MERGE_MAX_DATAGRAMS || !look(frame, frame_bytes, &next) ||
        next.payload > merge->segment_bytes ||
        merge->frame_bytes + next.payload > VNET_BYTES + MAX_PACKET_BYTES)
        return false;
    first = (struct datagram){.ip = merge->first + VNET_BYTES, .network = merge->header_bytes - UDP_HEADER_BYTES,
                              .payload = merge->segment_bytes, .is_partial = merge->first[0] & VNET_NEEDS_CSUM};
    if (!is_alike(&first, &next) || !follows_in_number(merge, &first, &next) || !is_right(&next))
        return false;
    if (merge->datagrams == 1) {
        if (!is_right(&first)) {
            merge->segment_bytes = 0;
            return false;
        }
        memcpy(merge->buffer, merge->first, merge->frame_bytes);
    }
    memcpy(merge->buffer + merge->frame_bytes, next.ip + merge->header_bytes, next.payload);
    merge->frame_bytes += next.payload;
    merge->datagrams++;
    if (next.payload < merge->segment_bytes)
        merge->segment_bytes = 0; /* a shorter one is the last */
    return true;
}

const uint8_t *merge_take(struct merge *merge, size_t *frame_bytes, uint32_t *frames) {
    const uint8_t *out = merge->first;
    *frame_bytes = merge->frame_bytes, *frames = merge->datagrams;
    if (merge->datagrams > 1) {
        uint32_t network = merge->header_bytes - UDP_HEADER_BYTES;
        uint8_t *ip = merge->buffer + VNET_BYTES, *udp = ip + network;
        uint32_t bytes = (uint32_t)merge->frame_bytes - VNET_BYTES;
        struct virtio_header vnet = {.flags = VNET_NEEDS_CSUM, .gso_type = VNET_GSO_UDP_L4,
                                     .hdr_len = merge->header_bytes, .csum_start = (uint16_t)network,
                                     .csum_offset = 6,
                                     .gso_size = (uint16_t)(load16(udp + 4) - UDP_HEADER_BYTES)};
        memcpy(merge->buffer, &vnet, sizeof vnet);
        if (network == 20) {
            store16(ip + 2, bytes);
            checksum_ipv4(ip);
        } else {
            store16(ip + 4, bytes - 40);
        }
        store16(udp + 4, bytes - network);
        store16(udp + 6, checksum_pseudo(ip, PROTOCOL_UDP, bytes - network));
        out = merge->buffer;
    }
    *merge = (struct merge){.buffer = merge->buffer};
    return out;
}
