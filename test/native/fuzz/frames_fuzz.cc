#include "fuzz/input.h"
#include "repacketiser.h"

using namespace webtrunk;

/** First byte: length wanted. Then headers of 12 bytes, a length of payload and a time. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const size_t frame = Repacketiser::kMinFrame + (input.byte() % 6) * 80;
  Repacketiser frames(frame, 0xbeef);
  int64_t now_ns = 1;
  size_t put = 0, sent = 0;
  while (!input.is_empty()) {
    const std::vector<uint8_t> bytes = input.bytes(12);
    const size_t length = input.byte() * 8;
    now_ns += input.byte() * 1'000'000;
    const std::vector<uint8_t> payload(length + 1);
    RtpHeader header;
    if (parse_rtp_header(bytes.data(), bytes.size(), header) == Drop::none && length > 0) {
      if (header.marker) frames.withhold(header);
      else if (frames.put(header, payload.data(), length, now_ns) == Repacketiser::Taken::kept) put += length;
    }
    uint8_t packet[kRtpFixedHeader + Repacketiser::kMaxFrame];
    for (size_t made = frames.next(now_ns, packet); made > 0; made = frames.next(now_ns, packet)) {
      MUST(made == kRtpFixedHeader + frame);
      sent += frame;
      MUST(sent <= put);
    }
    const int64_t due = frames.due_ns();
    MUST(due == Repacketiser::kNever || due > now_ns);
  }
  return 0;
}
