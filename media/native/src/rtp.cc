#include "rtp.h"

#include "bytes.h"

namespace webtrunk {

Drop parse_rtp_header(const uint8_t* packet, size_t length, RtpHeader& header) {
  if (length < kRtpFixedHeader) return Drop::rtp_too_short;
  if (packet[0] >> 6 != 2) return Drop::rtp_bad_header;

  size_t header_length = kRtpFixedHeader + 4 * static_cast<size_t>(packet[0] & 0x0f);
  if (packet[0] & 0x10) {
    if (length < header_length + 4) return Drop::rtp_bad_header;
    header_length += 4 + 4 * static_cast<size_t>(read_u16(packet + header_length + 2));
  }
  if (length < header_length) return Drop::rtp_bad_header;

  header.payload_type = packet[1] & 0x7f;
  header.marker = (packet[1] & 0x80) != 0;
  header.has_padding = (packet[0] & 0x20) != 0;
  header.sequence = read_u16(packet + 2);
  header.timestamp = read_u32(packet + 4);
  header.ssrc = read_u32(packet + 8);
  header.header_length = header_length;
  return Drop::none;
}

bool rtp_payload_length(const uint8_t* packet, size_t length, const RtpHeader& header, size_t& payload_length) {
  payload_length = length - header.header_length;
  if (!header.has_padding) return true;
  if (payload_length == 0) return false;
  const size_t padding = packet[length - 1];
  if (padding == 0 || padding > payload_length) return false;
  payload_length -= padding;
  return true;
}

bool is_rtcp_compound(const uint8_t* packet, size_t length) {
  if (length < 4) return false;
  size_t at = 0;
  while (at < length) {
    if (length - at < 4 || packet[at] >> 6 != 2) return false;
    if (packet[at + 1] < 192 || packet[at + 1] > 223) return false;
    const size_t size = 4 + 4 * static_cast<size_t>(read_u16(packet + at + 2));
    if (size > length - at) return false;
    const bool is_last = at + size == length;
    if ((packet[at] & 0x20) != 0) {
      const size_t padding = packet[at + size - 1];
      if (!is_last || padding == 0 || padding % 4 != 0 || padding > size - 4) return false;
    }
    at += size;
  }
  return true;
}

bool find_sender_report(const uint8_t* packet, size_t length, SenderReport& report) {
  constexpr uint8_t kSenderReport = 200;
  constexpr size_t kWithSenderInfo = 28;
  size_t at = 0;
  while (length - at >= 4) {
    const size_t size = 4 + 4 * static_cast<size_t>(read_u16(packet + at + 2));
    if (size > length - at) return false;
    if (packet[at + 1] == kSenderReport && size >= kWithSenderInfo) {
      report = {read_u32(packet + at + 4), read_u32(packet + at + 10)};
      return true;
    }
    at += size;
  }
  return false;
}

}  // namespace webtrunk
