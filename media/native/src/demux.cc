#include "demux.h"

#include "bytes.h"

namespace webtrunk {

namespace {

constexpr size_t kStunHeader = 20;
constexpr uint32_t kStunCookie = 0x2112a442;
constexpr uint16_t kUsername = 0x0006;
constexpr uint16_t kMessageIntegrity = 0x0008;
/** RFC 8839 §5.4. */
constexpr size_t kMaxUfrag = 256;

}  // namespace

DatagramKind classify(const uint8_t* datagram, size_t length) {
  if (length < 2) return DatagramKind::unknown;
  const uint8_t first = datagram[0];
  if (first <= 3) return DatagramKind::stun;
  if (first >= 20 && first <= 63) return DatagramKind::dtls;
  if (first < 128 || first > 191) return DatagramKind::unknown;
  const uint8_t second = datagram[1];
  return second >= 192 && second <= 223 ? DatagramKind::rtcp : DatagramKind::rtp;
}

bool is_stun(const uint8_t* datagram, size_t length) {
  if (length < kStunHeader || datagram[0] > 3) return false;
  const size_t body = read_u16(datagram + 2);
  return body % 4 == 0 && kStunHeader + body == length && read_u32(datagram + 4) == kStunCookie;
}

std::string_view stun_local_ufrag(const uint8_t* datagram, size_t length) {
  if (!is_stun(datagram, length)) return {};
  size_t at = kStunHeader;
  while (length - at >= 4) {
    const uint16_t type = read_u16(datagram + at);
    const size_t size = read_u16(datagram + at + 2);
    at += 4;
    if (size > length - at || type == kMessageIntegrity) return {};
    if (type == kUsername) {
      const std::string_view username(reinterpret_cast<const char*>(datagram + at), size);
      const size_t colon = username.find(':');
      return colon == std::string_view::npos || colon > kMaxUfrag ? std::string_view{} : username.substr(0, colon);
    }
    // The body is a multiple of 4, so the padded size fits when the size does.
    at += (size + 3) & ~static_cast<size_t>(3);
  }
  return {};
}

}  // namespace webtrunk
