#include "rtp.h"

#include "check.h"

using namespace webtrunk;
using check::Bytes;
using check::from_hex;

TEST(rtp_fields, "header fields are where RFC 3550 puts them") {
  const Bytes packet = from_hex("80e31234 aabbccdd 01020304 ffff");
  RtpHeader header;
  CHECK(parse_rtp_header(packet.data(), packet.size(), header) == Drop::none);
  CHECK(header.payload_type == 99 && header.marker && !header.has_padding);
  CHECK(header.sequence == 0x1234 && header.timestamp == 0xaabbccdd && header.ssrc == 0x01020304);
  CHECK(header.header_length == 12);
}

TEST(rtp_variable_parts, "CSRCs and extension count to the header; a cut anywhere in it is refused") {
  const Bytes packet = from_hex("92001234 aabbccdd 01020304 11111111 22222222 bede0001 10aa0000 ffff");
  RtpHeader header;
  CHECK(parse_rtp_header(packet.data(), packet.size(), header) == Drop::none);
  CHECK(header.header_length == 28);
  for (size_t length = 0; length < 28; ++length) {
    const Drop drop = parse_rtp_header(packet.data(), length, header);
    CHECK(drop == (length < 12 ? Drop::rtp_too_short : Drop::rtp_bad_header));
  }
  CHECK(parse_rtp_header(packet.data(), 28, header) == Drop::none);
}

TEST(rtp_version, "only version 2") {
  Bytes packet = from_hex("80001234 aabbccdd 01020304");
  RtpHeader header;
  for (int version = 0; version < 4; ++version) {
    packet[0] = static_cast<uint8_t>(version << 6);
    CHECK((parse_rtp_header(packet.data(), packet.size(), header) == Drop::none) == (version == 2));
  }
}

TEST(rtp_padding, "padding is 1 to all of the payload") {
  Bytes packet = from_hex("a0001234 aabbccdd 01020304 aabbcc00");
  RtpHeader header;
  CHECK(parse_rtp_header(packet.data(), packet.size(), header) == Drop::none);
  size_t length = 0;
  for (int padding = 0; padding < 256; ++padding) {
    packet[15] = static_cast<uint8_t>(padding);
    const bool is_valid = padding >= 1 && padding <= 4;
    CHECK(rtp_payload_length(packet.data(), packet.size(), header, length) == is_valid);
    if (is_valid) CHECK(length == 4 - static_cast<size_t>(padding));
  }
  CHECK(!rtp_payload_length(packet.data(), 12, header, length));
  header.has_padding = false;
  CHECK(rtp_payload_length(packet.data(), 12, header, length) && length == 0);
}

TEST(rtcp_compound, "a compound adds up to the datagram, packet by packet") {
  const Bytes report = from_hex("80c90001 01020304");
  const Bytes compound = from_hex("80c90001 01020304 81ca0003 01020304 01036162 63000000");
  CHECK(is_rtcp_compound(report.data(), report.size()));
  for (size_t length = 0; length < compound.size(); ++length) {
    CHECK(is_rtcp_compound(compound.data(), length) == (length == 8));
  }
  CHECK(is_rtcp_compound(compound.data(), compound.size()));
  Bytes wrong = compound;
  wrong[8] = 0x41;
  CHECK(!is_rtcp_compound(wrong.data(), wrong.size()));
  wrong = compound;
  wrong[9] = 191;
  CHECK(!is_rtcp_compound(wrong.data(), wrong.size()));
  wrong[9] = 224;
  CHECK(!is_rtcp_compound(wrong.data(), wrong.size()));
}

TEST(rtcp_padding, "padding only in the last packet, a multiple of 4 inside it") {
  Bytes padded = from_hex("80c90001 01020304 a0ca0002 01020304 00000004");
  CHECK(is_rtcp_compound(padded.data(), padded.size()));
  for (const uint8_t padding : {0, 1, 3, 5, 12, 255}) {
    padded.back() = padding;
    CHECK(!is_rtcp_compound(padded.data(), padded.size()));
  }
  const Bytes first = from_hex("a0c90002 01020304 00000004 80c90001 01020304");
  CHECK(!is_rtcp_compound(first.data(), first.size()));
}
