#include "fragment.h"

#include <string.h>

#include "checksum.h"

enum { DONT_FRAGMENT = 0x4000, MORE_FRAGMENTS = 0x2000, OFFSET_MASK = 0x1fff };
enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_COPIED = 0x80 };

/* Where each byte goes: data of the first fragment, and of those that follow under a header of their own. */
struct plan {
    uint32_t header, data_bytes;          /* of the packet */
    uint32_t later_header;
    uint32_t first_room, later_room;      /* data in a fragment that is not the last: a multiple of 8 */
    uint8_t options[40];                  /* of the later ones */
};

/* Which options go into every fragment (RFC 791 3.1); false where they are not sound. */
static bool copy_options(const uint8_t *ip, struct plan *plan) {
    uint32_t at = 20, used = 0;
    while (at < plan->header && ip[at] != OPTION_END) {
        uint32_t bytes = ip[at] == OPTION_NOP ? 1 : at + 1 < plan->header ? ip[at + 1] : 0;
        if (bytes == 0 || (ip[at] != OPTION_NOP && bytes < 2) || at + bytes > plan->header)
            return false;
        if (ip[at] & OPTION_COPIED) {
            memcpy(plan->options + used, ip + at, bytes);
            used += bytes;
        }
        at += bytes;
    }
    plan->later_header = 20 + (used + 3) / 4 * 4; /* padded with OPTION_END */
    return true;
}

static bool make_plan(const uint8_t *frame, size_t frame_bytes, uint32_t mtu_bytes, struct plan *plan) {
    if (frame_bytes < VNET_BYTES + 20)
        return false;
    const uint8_t *ip = frame + VNET_BYTES;
    uint32_t total = load16(ip + 2);
    *plan = (struct plan){.header = (ip[0] & 15u) * 4};
    if (ip[0] >> 4 != 4 || plan->header < 20 || total < plan->header || total > frame_bytes - VNET_BYTES)
        return false;
    plan->data_bytes = total - plan->header;
    if (total <= mtu_bytes)
        return true;
    if ((load16(ip + 6) & DONT_FRAGMENT) || mtu_bytes < plan->header + 8 || !copy_options(ip, plan))
        return false;
    plan->first_room = (mtu_bytes - plan->header) & ~7u;
    plan->later_room = (mtu_bytes - plan->later_header) & ~7u;
    /* the last byte's place must have a number; also what a forged offset would make too long (RFC 791) */
    return (load16(ip + 6) & OFFSET_MASK) * 8 + plan->data_bytes <= 65535;
}

uint32_t fragment_count(const uint8_t *frame, size_t frame_bytes, uint32_t mtu_bytes) {
    struct plan plan;
    if (!make_plan(frame, frame_bytes, mtu_bytes, &plan))
        return 0;
    if (plan.header + plan.data_bytes <= mtu_bytes)
        return 1;
    /* the last holds what is left, also where that is more than its room rounded down to 8 */
    uint32_t later_full = mtu_bytes - plan.later_header, left = plan.data_bytes - plan.first_room;
    return left <= later_full ? 2 : 2 + (left - later_full + plan.later_room - 1) / plan.later_room;
}

size_t fragment_make(const uint8_t *frame, size_t frame_bytes, uint32_t mtu_bytes, uint32_t index, uint8_t *out) {
    struct plan plan;
    uint32_t count = fragment_count(frame, frame_bytes, mtu_bytes);
    if (index >= count || !make_plan(frame, frame_bytes, mtu_bytes, &plan))
        return 0;
    const uint8_t *was = frame + VNET_BYTES;
    uint32_t header = index == 0 ? plan.header : plan.later_header;
    uint32_t from = index == 0 ? 0 : plan.first_room + (index - 1) * plan.later_room;
    bool is_last = index == count - 1;
    uint32_t data = is_last ? plan.data_bytes - from : index == 0 ? plan.first_room : plan.later_room;

    uint8_t *ip = out + VNET_BYTES;
    memset(out, 0, VNET_BYTES);
    memcpy(ip, was, index == 0 ? header : 20);
    if (index > 0)
        memcpy(ip + 20, plan.options, header - 20);
    memcpy(ip + header, was + plan.header + from, data);
    if (count == 1)
        return VNET_BYTES + header + data;
    ip[0] = (uint8_t)(0x40 | header / 4);
    store16(ip + 2, header + data);
    /* of a fragment cut again: offsets add, and more follow after the last if more followed the whole */
    uint32_t place = load16(was + 6);
    store16(ip + 6, (place & MORE_FRAGMENTS) | (is_last ? 0 : MORE_FRAGMENTS) | ((place & OFFSET_MASK) + from / 8));
    checksum_ipv4(ip);
    return VNET_BYTES + header + data;
}
