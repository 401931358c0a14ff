#include "answer.h"

#include <string.h>

#include "checksum.h"

/* Types and codes: RFC 792, RFC 1191, RFC 4443. */
enum { ECHO_REPLY = 0, UNREACHABLE = 3, ECHO_REQUEST = 8, EXPIRED = 11 };
enum { ECHO6_REQUEST = 128, ECHO6_REPLY = 129 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTHENTICATION = 51, DESTINATION = 60 };

static const struct meaning {
    uint8_t type, code, type6, code6;
} meanings[] = {
    [ANSWER_EXPIRED] = {EXPIRED, 0, 3, 0},
    [ANSWER_NO_NET] = {UNREACHABLE, 0, 1, 0},
    [ANSWER_NO_HOST] = {UNREACHABLE, 1, 1, 3},
    [ANSWER_NO_PROTOCOL] = {UNREACHABLE, 2, 4, 1},
    [ANSWER_NO_PORT] = {UNREACHABLE, 3, 1, 4},
    [ANSWER_TOO_BIG] = {UNREACHABLE, 4, 2, 0},
};

/* An IP packet, its lengths checked. */
struct view {
    const uint8_t *ip;
    uint32_t bytes;     /* of the whole */
    uint32_t transport; /* where its header begins; `bytes` at most */
    uint32_t next_at;   /* IPv6: where its protocol is named */
    uint8_t protocol;
    bool is_ipv6;
    bool is_fragment;       /* a part of something */
    bool is_later_fragment; /* and not the first */
};

static bool look(const uint8_t *frame, size_t frame_bytes, struct view *view) {
    if (frame_bytes < VNET_BYTES + 20 || frame_bytes > WIRE_MAX_FRAME_BYTES)
        return false;
    const uint8_t *ip = frame + VNET_BYTES;
    uint32_t bytes = (uint32_t)frame_bytes - VNET_BYTES;
    *view = (struct view){.ip = ip};
    if (ip[0] >> 4 == 4) {
        view->bytes = load16(ip + 2), view->transport = (ip[0] & 15u) * 4, view->protocol = ip[9];
        view->is_fragment = load16(ip + 6) & 0x3fff, view->is_later_fragment = load16(ip + 6) & 0x1fff;
        return view->transport >= 20 && view->transport <= view->bytes && view->bytes <= bytes &&
               checksum_ipv4_is_right(ip);
    }
    if (ip[0] >> 4 != 6 || bytes < 40 || 40 + load16(ip + 4) > bytes)
        return false;
    view->is_ipv6 = true;
    view->bytes = 40 + load16(ip + 4), view->transport = 40, view->next_at = 6;
    for (;;) {
        uint32_t at = view->transport, header;
        view->protocol = ip[view->next_at];
        if (view->protocol == HOP_BY_HOP || view->protocol == ROUTING || view->protocol == DESTINATION)
            header = at + 8 <= view->bytes ? 8 * (ip[at + 1] + 1u) : 0;
        else if (view->protocol == AUTHENTICATION)
            header = at + 8 <= view->bytes ? 4 * (ip[at + 1] + 2u) : 0;
        else if (view->protocol == FRAGMENT)
            header = 8;
        else
            return true;
        if (header == 0 || at + header > view->bytes)
            return false;
        if (view->protocol == FRAGMENT) {
            view->is_fragment |= (load16(ip + at + 2) & 0xfff9) != 0;
            view->is_later_fragment |= (load16(ip + at + 2) & 0xfff8) != 0;
        }
        view->next_at = at, view->transport = at + header;
        if (view->is_later_fragment) { /* what follows is not a header */
            view->protocol = ip[at];
            return true;
        }
    }
}

/* An address that stands for one node which can be reached: RFC 1122 3.2.1.3, RFC 1812 5.3.7, RFC 4443 2.4 (e). */
static bool is_one_node(const uint8_t *address, bool is_ipv6) {
    if (!is_ipv6)
        return address[0] != 0 && address[0] != 127 && address[0] < 224;
    static const uint8_t zeros[15];
    bool is_loopback_or_unspecified = memcmp(address, zeros, 15) == 0 && address[15] <= 1;
    bool is_link_local = address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
    return address[0] != 0xff && !is_loopback_or_unspecified && !is_link_local;
}

static bool has_one_node_at_each_end(const struct view *view) {
    const uint8_t *source = view->ip + (view->is_ipv6 ? 8 : 12);
    return is_one_node(source, view->is_ipv6) && is_one_node(source + (view->is_ipv6 ? 16 : 4), view->is_ipv6);
}

/* An ICMP message about which errors may be sent: those that ask, and their answers. */
static bool is_query(const struct view *view) {
    if (view->transport >= view->bytes)
        return false; /* its type is not there */
    uint8_t type = view->ip[view->transport];
    if (view->is_ipv6)
        return type >= 128 && type != 137; /* RFC 4443 2.4 (e): neither an error nor a redirect */
    return type == ECHO_REPLY || type == ECHO_REQUEST || (type >= 13 && type <= 18);
}

static bool may_be_answered(const struct view *view) {
    if (view->is_later_fragment || !has_one_node_at_each_end(view))
        return false;
    /* each protocol in its own version too: ICMP for IPv4 in an IPv6 packet is an unknown protocol */
    return view->protocol != (view->is_ipv6 ? PROTOCOL_ICMP6 : PROTOCOL_ICMP) || is_query(view);
}

/* The first segment of a frame as the wire has it: its first `limit` bytes; returns how many. */
static uint32_t quote(const uint8_t *frame, size_t frame_bytes, const struct view *view, uint32_t hops,
                      uint32_t limit, uint8_t *out) {
    struct virtio_header vnet;
    struct shape shape;
    memcpy(&vnet, frame, sizeof vnet);
    uint32_t bytes = view->bytes;
    if (!wire_parse(frame, frame_bytes, &shape))
        return 0;
    bool is_train = shape.segments > 1;
    if (is_train)
        bytes = shape.header_bytes + shape.segment_bytes;
    uint32_t quoted = bytes < limit ? bytes : limit;
    memcpy(out, view->ip, quoted);
    if (is_train) {
        store16(out + (view->is_ipv6 ? 4 : 2), bytes - (view->is_ipv6 ? 40 : 0));
        if (shape.header_bytes <= quoted) {
            uint8_t *transport = out + shape.transport;
            uint32_t before = view->bytes - shape.transport, after = bytes - shape.transport;
            uint8_t *checksum = transport + (view->protocol == PROTOCOL_UDP ? 6 : 16);
            if (view->protocol == PROTOCOL_UDP)
                store16(transport + 4, after);
            else
                transport[13] &= (uint8_t)~0x09; /* FIN and PSH go out with the last */
            if (vnet.flags & VNET_NEEDS_CSUM) { /* of the pseudo-header only the length changes (RFC 1624) */
                uint8_t length[4];
                store16(length, ~before & 0xffff), store16(length + 2, after);
                store16(checksum, checksum_add(load16(checksum), length, 4));
            }
        }
    }
    checksum_age(out, hops);
    uint32_t start = vnet.csum_start, field = start + vnet.csum_offset;
    uint32_t copied = is_train ? shape.header_bytes : start; /* beyond it the frame's own bytes are right */
    if ((vnet.flags & VNET_NEEDS_CSUM) && field + 2 <= quoted && copied <= quoted && field + 2 <= bytes) {
        uint32_t sum = is_train ? checksum_add(0, out + start, copied - start) : 0;
        sum = ~checksum_add(sum, view->ip + copied, bytes - copied) & 0xffff;
        store16(out + field, sum == 0 ? 0xffff : sum);
    }
    return quoted;
}

/* IP header of an answer of `bytes` in all. */
static void put_ipv4(uint8_t *ip, uint32_t bytes, uint8_t type_of_service, uint16_t id, const uint8_t *from,
                     const uint8_t *to) {
    memset(ip, 0, 20);
    ip[0] = 0x45, ip[1] = type_of_service, ip[8] = ANSWER_TIME_TO_LIVE, ip[9] = PROTOCOL_ICMP;
    store16(ip + 2, bytes);
    store16(ip + 4, id);
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, to, 4);
    checksum_ipv4(ip);
}

static void put_ipv6(uint8_t *ip, uint32_t bytes, uint8_t traffic_class, const uint8_t *from, const uint8_t *to) {
    store32(ip, 6u << 28 | (uint32_t)traffic_class << 20);
    store16(ip + 4, bytes - 40);
    ip[6] = PROTOCOL_ICMP6, ip[7] = ANSWER_TIME_TO_LIVE;
    memcpy(ip + 8, from, 16);
    memcpy(ip + 24, to, 16);
}

static void put_checksum(uint8_t *ip, uint32_t header, uint32_t bytes) {
    uint32_t sum = header == 20 ? 0 : checksum_pseudo(ip, PROTOCOL_ICMP6, bytes - header);
    store16(ip + header + 2, 0);
    store16(ip + header + 2, ~checksum_add(sum, ip + header, bytes - header) & 0xffff);
}

size_t answer_error(enum answer_reason kind, const uint8_t *frame, size_t frame_bytes, uint32_t hops, const uint8_t *from,
                  uint32_t mtu_bytes, uint8_t *answer) {
    struct view view;
    if (!look(frame, frame_bytes, &view) || !may_be_answered(&view))
        return 0;
    const struct meaning *meaning = &meanings[kind];
    uint32_t header = view.is_ipv6 ? 40 : 20;
    uint32_t limit = (view.is_ipv6 ? ANSWER_IPV6_ERROR_BYTES : ANSWER_IPV4_ERROR_BYTES) - header - 8;
    memset(answer, 0, VNET_BYTES + header + 8);
    uint8_t *ip = answer + VNET_BYTES, *icmp = ip + header;
    uint32_t quoted = quote(frame, frame_bytes, &view, hops, limit, icmp + 8);
    if (quoted == 0)
        return 0;
    uint32_t bytes = header + 8 + quoted;
    icmp[0] = view.is_ipv6 ? meaning->type6 : meaning->type;
    icmp[1] = view.is_ipv6 ? meaning->code6 : meaning->code;
    if (kind == ANSWER_TOO_BIG)
        view.is_ipv6 ? store32(icmp + 4, mtu_bytes) : store16(icmp + 6, mtu_bytes < 65535 ? mtu_bytes : 65535);
    else if (kind == ANSWER_NO_PROTOCOL && view.is_ipv6)
        store32(icmp + 4, view.next_at); /* the octet that names what nobody knows */
    if (view.is_ipv6) {
        put_ipv6(ip, bytes, 0, from, view.ip + 8);
    } else {
        /* type of service of the packet, precedence "internetwork control": RFC 1812 4.3.2.5; no mark of ECN */
        put_ipv4(ip, bytes, 0xc0 | (view.ip[1] & 0x1c), (uint16_t)load16(view.ip + 4), from, view.ip + 12);
    }
    put_checksum(ip, header, bytes);
    return VNET_BYTES + bytes;
}

size_t answer_echo(const uint8_t *frame, size_t frame_bytes, uint8_t *answer) {
    struct view view;
    struct virtio_header vnet;
    if (!look(frame, frame_bytes, &view) || view.is_fragment || !has_one_node_at_each_end(&view))
        return 0;
    memcpy(&vnet, frame, sizeof vnet);
    const uint8_t *was = view.ip, *request = was + view.transport;
    uint32_t message = view.bytes - view.transport;
    if (message < 8 || vnet.gso_type != VNET_GSO_NONE || request[1] != 0 ||
        view.protocol != (view.is_ipv6 ? PROTOCOL_ICMP6 : PROTOCOL_ICMP) ||
        request[0] != (view.is_ipv6 ? ECHO6_REQUEST : ECHO_REQUEST))
        return 0;
    uint32_t pseudo = view.is_ipv6 ? checksum_pseudo(was, PROTOCOL_ICMP6, message) : 0;
    if (!(vnet.flags & VNET_NEEDS_CSUM) && checksum_add(pseudo, request, message) != 0xffff)
        return 0;

    uint32_t header = view.is_ipv6 ? 40 : 20, bytes = header + message;
    uint8_t *ip = answer + VNET_BYTES, *reply = ip + header;
    memset(answer, 0, VNET_BYTES);
    memcpy(reply, request, message);
    reply[0] = view.is_ipv6 ? ECHO6_REPLY : ECHO_REPLY;
    if (view.is_ipv6) {
        put_ipv6(ip, bytes, (uint8_t)(load16(was) >> 4), was + 24, was + 8);
    } else {
        /* with DF a request may be without a number; a reply, which may be fragmented, needs one */
        uint32_t id = load16(was + 4) ? load16(was + 4) : load16(request + 4) + load16(request + 6);
        put_ipv4(ip, bytes, was[1], (uint16_t)id, was + 16, was + 12);
    }
    put_checksum(ip, header, bytes);
    return VNET_BYTES + bytes;
}
