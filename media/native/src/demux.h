#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace webtrunk {

/** What the first bytes of a datagram say it is. */
enum class DatagramKind : uint8_t { stun, dtls, rtp, rtcp, unknown };

/** RFC 7983 §7 by first byte, RTP and RTCP apart by RFC 5761 §4. Nothing but the first two bytes is looked at. */
DatagramKind classify(const uint8_t* datagram, size_t length);

/** RFC 8489 §5: top bits zero, magic cookie, length a multiple of 4 that adds up to the datagram. */
bool is_stun(const uint8_t* datagram, size_t length);

/**
 * The part of USERNAME before the colon: the ufrag of the receiver of the check (RFC 8445 §7.2.2). Empty when this is
 * not a STUN message, has no USERNAME before MESSAGE-INTEGRITY, or no colon in it. Points into `datagram`.
 */
std::string_view stun_local_ufrag(const uint8_t* datagram, size_t length);

}  // namespace webtrunk
