#include "demux.h"

#include "check.h"

using namespace webtrunk;
using check::Bytes;

namespace {

DatagramKind kind_of(uint8_t first, uint8_t second = 0) {
  const uint8_t bytes[] = {first, second};
  return classify(bytes, sizeof bytes);
}

void add_attribute(Bytes& message, uint16_t type, const std::string& value) {
  message.push_back(static_cast<uint8_t>(type >> 8));
  message.push_back(static_cast<uint8_t>(type));
  message.push_back(static_cast<uint8_t>(value.size() >> 8));
  message.push_back(static_cast<uint8_t>(value.size()));
  message.insert(message.end(), value.begin(), value.end());
  while (message.size() % 4 != 0) message.push_back(0);
  const size_t body = message.size() - 20;
  message[2] = static_cast<uint8_t>(body >> 8);
  message[3] = static_cast<uint8_t>(body);
}

Bytes binding_request() { return check::from_hex("0001 0000 2112a442 000102030405060708090a0b"); }

std::string ufrag_of(const Bytes& message) { return std::string(stun_local_ufrag(message.data(), message.size())); }

}  // namespace

TEST(first_byte_decides, "every first byte has its RFC 7983 class") {
  for (int first = 0; first < 256; ++first) {
    DatagramKind expected = DatagramKind::unknown;
    if (first <= 3) expected = DatagramKind::stun;
    if (first >= 20 && first <= 63) expected = DatagramKind::dtls;
    if (first >= 128 && first <= 191) expected = DatagramKind::rtp;
    CHECK(kind_of(static_cast<uint8_t>(first)) == expected);
  }
}

TEST(second_byte_splits_rtcp, "RTCP is 192 to 223 in the second byte") {
  for (int second = 0; second < 256; ++second) {
    const bool is_rtcp = second >= 192 && second <= 223;
    CHECK(kind_of(0x80, static_cast<uint8_t>(second)) == (is_rtcp ? DatagramKind::rtcp : DatagramKind::rtp));
  }
}

TEST(short_is_unknown, "less than two bytes is nothing") {
  const uint8_t byte = 0;
  CHECK(classify(&byte, 0) == DatagramKind::unknown);
  CHECK(classify(&byte, 1) == DatagramKind::unknown);
}

TEST(stun_header, "a STUN header needs cookie and exact length") {
  Bytes message = binding_request();
  CHECK(is_stun(message.data(), message.size()));
  for (size_t length = 0; length < message.size(); ++length) CHECK(!is_stun(message.data(), length));
  Bytes longer = message;
  longer.push_back(0);
  CHECK(!is_stun(longer.data(), longer.size()));
  for (size_t at = 4; at < 8; ++at) {
    Bytes wrong = message;
    wrong[at] ^= 1;
    CHECK(!is_stun(wrong.data(), wrong.size()));
  }
  Bytes odd = message;
  odd[3] = 3;
  odd.resize(23);
  CHECK(!is_stun(odd.data(), odd.size()));
  message[0] = 0x40;
  CHECK(!is_stun(message.data(), message.size()));
}

TEST(stun_username, "the ufrag is what stands before the first colon of USERNAME") {
  Bytes message = binding_request();
  CHECK(ufrag_of(message).empty());
  add_attribute(message, 0x8022, "software!");
  CHECK(ufrag_of(message).empty());
  add_attribute(message, 0x0006, "ours:theirs:x");
  CHECK(ufrag_of(message) == "ours");
  add_attribute(message, 0x0006, "second:x");
  CHECK(ufrag_of(message) == "ours");
  for (size_t length = 0; length < message.size(); ++length) stun_local_ufrag(message.data(), length);
}

TEST(stun_username_refused, "no ufrag without colon, after MESSAGE-INTEGRITY, beyond the end or over 256 bytes") {
  Bytes no_colon = binding_request();
  add_attribute(no_colon, 0x0006, "ours");
  CHECK(ufrag_of(no_colon).empty());

  Bytes late = binding_request();
  add_attribute(late, 0x0008, std::string(20, 'x'));
  add_attribute(late, 0x0006, "ours:theirs");
  CHECK(ufrag_of(late).empty());

  Bytes overrun = binding_request();
  add_attribute(overrun, 0x0006, "ours:theirs");
  overrun[23] = 200;
  CHECK(ufrag_of(overrun).empty());

  Bytes longest = binding_request();
  add_attribute(longest, 0x0006, std::string(256, 'u') + ":x");
  CHECK(ufrag_of(longest).size() == 256);
  Bytes longer = binding_request();
  add_attribute(longer, 0x0006, std::string(257, 'u') + ":x");
  CHECK(ufrag_of(longer).empty());
}
