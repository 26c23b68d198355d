#pragma once

#include <cstddef>
#include <cstdint>

#include "drop.h"

namespace webtrunk {

constexpr size_t kRtpFixedHeader = 12;
constexpr size_t kRtcpFixedHeader = 8;

/** RFC 3550 §5.1. */
struct RtpHeader {
  uint8_t payload_type;
  bool marker;
  bool has_padding;
  uint16_t sequence;
  uint32_t timestamp;
  uint32_t ssrc;
  /** Fixed part, CSRCs and header extension. */
  size_t header_length;
};

/**
 * Reads the clear part of an RTP or SRTP packet. `none`, `rtp_too_short` or `rtp_bad_header`; the header is complete
 * inside `length` when `none`. Padding is not looked at: in SRTP it is encrypted.
 */
Drop parse_rtp_header(const uint8_t* packet, size_t length, RtpHeader& header);

/** Length of the payload of a plain RTP packet without its padding (RFC 3550 §5.1); false when the padding is invalid. */
bool rtp_payload_length(const uint8_t* packet, size_t length, const RtpHeader& header, size_t& payload_length);

/**
 * RFC 3550 §6.1, A.2 on plain RTCP: every packet of the compound has version 2 and its length adds up to the datagram;
 * padding only in the last. Reduced size (RFC 5506) passes: the first may be of any RTCP type.
 */
bool is_rtcp_compound(const uint8_t* packet, size_t length);

/** What a sender report says of when it was sent (RFC 3550 §6.4.1). */
struct SenderReport {
  uint32_t ssrc;
  /** Middle 32 bits of its NTP timestamp. */
  uint32_t ntp_middle;
};

/** The first whole sender report in a compound; false when there is none. */
bool find_sender_report(const uint8_t* packet, size_t length, SenderReport& report);

}  // namespace webtrunk
