#include <set>

#include "bytes.h"
#include "fuzz/input.h"
#include "receive_statistics.h"
#include "rewrite.h"
#include "rtp.h"

using namespace webtrunk;

namespace {

/** Within what nanoseconds can hold. */
int64_t now_ns(uint64_t now_us) { return static_cast<int64_t>(now_us % (uint64_t{1} << 50)) * 1000; }

}  // namespace

/** A series of packets, each with its length and the time since the one before, through one rewriter. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  RtpRewriter rewriter({0xcafebabe, static_cast<uint16_t>(input.word() & 0x7fff), 7});
  ReceiveStatistics statistics;
  uint64_t now_us = 1;
  while (!input.is_empty()) {
    now_us += uint64_t{1} << (input.byte() % 48);
    const uint32_t rate = input.byte() % 4 == 0 ? 48000 : 8000;
    std::vector<uint8_t> packet = input.bytes(input.word() % 512);
    SenderReport report;
    is_rtcp_compound(packet.data(), packet.size());
    find_sender_report(packet.data(), packet.size(), report);

    RtpHeader header;
    size_t payload_length = 0;
    const bool is_valid = parse_rtp_header(packet.data(), packet.size(), header) == Drop::none &&
                          rtp_payload_length(packet.data(), packet.size(), header, payload_length) && payload_length > 0;
    if (is_valid) statistics.on_packet(header, input.byte() % 2 == 0 ? rate : 0, now_ns(now_us));
    MUST(statistics.figures().epoch == 0 || statistics.figures().expected() > 0);
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
