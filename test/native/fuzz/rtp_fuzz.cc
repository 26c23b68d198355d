#include <set>

#include "bytes.h"
#include "fuzz/input.h"
#include "rewrite.h"
#include "rtp.h"

using namespace webtrunk;

/** A series of packets, each with its length and the time since the one before, through one rewriter. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  RtpRewriter rewriter({0xcafebabe, static_cast<uint16_t>(input.word() & 0x7fff), 7});
  uint64_t now_us = 1;
  while (!input.is_empty()) {
    now_us += uint64_t{1} << (input.byte() % 48);
    const uint32_t rate = input.byte() % 4 == 0 ? 48000 : 8000;
    std::vector<uint8_t> packet = input.bytes(input.word() % 512);
    is_rtcp_compound(packet.data(), packet.size());

    RtpHeader header;
    size_t payload_length = 0;
    const bool is_valid = parse_rtp_header(packet.data(), packet.size(), header) == Drop::none &&
                          rtp_payload_length(packet.data(), packet.size(), header, payload_length) && payload_length > 0;
    const std::vector<uint8_t> payload =
        is_valid ? std::vector<uint8_t>(packet.begin() + static_cast<long>(header.header_length),
                                        packet.begin() + static_cast<long>(header.header_length + payload_length))
                 : std::vector<uint8_t>();
    const Outcome outcome = rewriter.rewrite(packet.data(), packet.size(), 111, rate, now_us);
    if (!outcome) {
      MUST(!is_valid || outcome.drop == Drop::rtp_stale);
      continue;
    }
    MUST(is_valid && outcome.length == kRtpFixedHeader + payload_length);
    MUST(packet[0] == 0x80 && (packet[1] & 0x7f) == 111 && read_u32(packet.data() + 8) == 0xcafebabe);
    MUST(std::equal(payload.begin(), payload.end(), packet.begin() + kRtpFixedHeader));
  }
  return 0;
}
