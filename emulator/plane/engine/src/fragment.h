/* IPv4 fragmentation of one packet (RFC 791): for packets without DF that are larger than a pipe's MTU.
 *
 *     count = fragment_count(frame, frame_bytes, mtu_bytes);
 *     checksum_complete(frame, frame_bytes);       // a transport checksum covers the whole: before cutting
 *     for (i = 0; i < count; i++)
 *         bytes = fragment_make(frame, frame_bytes, mtu_bytes, i, out);
 *
 * A super-packet is not one packet.  Where header_bytes + segment_bytes of its
 * shape exceed the MTU, cut it into single segments first (wire_cut with count
 * 1) and treat each as above; the last may fit and is then one "fragment", the
 * packet itself.  Where they do not exceed it nothing is to be done.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

/* How many: 1 where the packet fits, 0 where it cannot be fragmented (IPv6, DF, not sound, no room for 8 bytes
 * of data).  A fragment may itself be fragmented. */
uint32_t fragment_count(const uint8_t *frame, size_t frame_bytes, uint32_t mtu_bytes);

/* Write fragment `index` < fragment_count() as a frame with a virtio header of zeros; returns its bytes.
 * `out` has room for VNET_BYTES + mtu_bytes and is not inside `frame`, whose checksum is complete. */
size_t fragment_make(const uint8_t *frame, size_t frame_bytes, uint32_t mtu_bytes, uint32_t index, uint8_t *out);
