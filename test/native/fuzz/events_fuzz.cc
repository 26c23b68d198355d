#include "fuzz/input.h"
#include "telephone_event.h"

using namespace webtrunk;

namespace {

/** Presses what it is told, as the relay does, and counts. */
class Player final : public EventSink {
 public:
  void on_begin(uint8_t event, uint8_t volume) override {
    begun++;
    sender.begin({101, 48000}, event, volume);
  }
  void on_end(uint8_t, int64_t duration_ns) override {
    MUST(duration_ns >= 0);
    ended++;
    sender.end(duration_ns);
  }

  EventSender sender;
  uint64_t begun = 0;
  uint64_t ended = 0;
};

}  // namespace

/** First byte: clock. Then RTP packets of 16 bytes, each followed by a byte of time. */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint32_t rate = input.byte() % 2 == 0 ? 8000 : 48000;
  EventDetector detector;
  Player player;
  int64_t now_ns = 1;
  while (!input.is_empty()) {
    const std::vector<uint8_t> packet = input.bytes(16);
    RtpHeader header;
    EventPayload event;
    if (parse_rtp_header(packet.data(), packet.size(), header) == Drop::none &&
        EventPayload::read(packet.data() + header.header_length, packet.size() - header.header_length, event)) {
      detector.on_packet(header, event, rate, now_ns, player);
    }
    now_ns += input.byte() * 2'000'000;
    detector.poll(now_ns, player);
    MUST(player.begun - player.ended == (detector.is_open() ? 1 : 0));
    for (int i = 0; i < 50 && player.sender.is_active() && player.sender.due_ns() <= now_ns; i++) {
      EventPacket sent;
      if (!player.sender.next(now_ns, sent)) continue;
      MUST(!sent.is_first || (sent.offset == 0 && player.sender.is_down()) || sent.payload.is_end);
      MUST(sent.payload_type == 101);
    }
  }
  detector.close(player);
  MUST(player.begun == player.ended);
  return 0;
}
