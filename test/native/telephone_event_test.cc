#include "telephone_event.h"

#include <string>
#include <vector>

#include "check.h"

using namespace webtrunk;

namespace {

constexpr int64_t kMs = 1'000'000;

/** Writes down what it is told: `+5` a key goes down, `-5:160` it was held for 160 ms. */
class Diary final : public EventSink {
 public:
  void on_begin(uint8_t event, uint8_t) override { text += "+" + std::to_string(event) + " "; }
  void on_end(uint8_t event, int64_t duration_ns) override {
    text += "-" + std::to_string(event) + ":" + std::to_string(duration_ns / kMs) + " ";
  }

  std::string text;
};

struct Heard {
  EventDetector detector;
  Diary diary;
  int64_t now_ns = kMs;
  uint16_t sequence = 0xfffc;

  void packet(uint32_t timestamp, uint8_t event, uint16_t duration, bool is_end = false, bool marker = false,
              uint32_t rate = 8000, uint32_t ssrc = 7) {
    numbered(++sequence, timestamp, event, duration, is_end, marker, rate, ssrc);
  }
  void numbered(uint16_t number, uint32_t timestamp, uint8_t event, uint16_t duration, bool is_end = false, bool marker = false,
                uint32_t rate = 8000, uint32_t ssrc = 7) {
    RtpHeader header{};
    header.sequence = number;
    header.marker = marker;
    header.timestamp = timestamp;
    header.ssrc = ssrc;
    detector.on_packet(header, {event, is_end, 10, duration}, rate, now_ns, diary);
    now_ns += 20 * kMs;
  }

  std::string take() {
    std::string text = std::move(diary.text);
    diary.text.clear();
    return text;
  }
};

struct Line {
  int64_t at_ms;
  EventPacket packet;
};

/** All that a sender has to send, by its own times. */
std::vector<Line> play(EventSender& sender, int64_t from_ns = 0) {
  std::vector<Line> lines;
  for (int64_t now = from_ns; sender.is_active();) {
    now = std::max(now, sender.due_ns());
    EventPacket packet;
    if (sender.next(now, packet)) lines.push_back({now / kMs, packet});
    CHECK(lines.size() < 10'000);
  }
  return lines;
}

}  // namespace

TEST(event_payload, "an event is read and written as RFC 4733 §2.3 draws it; less than four octets are none") {
  EventPayload event;
  const check::Bytes bytes = check::from_hex("0b8a0320");
  CHECK(EventPayload::read(bytes.data(), bytes.size(), event));
  CHECK(event.event == 11 && event.is_end && event.volume == 10 && event.duration == 800);
  check::Bytes written(4);
  event.write(written.data());
  CHECK(written == bytes);
  CHECK(!EventPayload::read(bytes.data(), 3, event));
}

TEST(detector_once, "a press is told once, whatever is repeated, late or without a marker") {
  Heard heard;
  heard.packet(1000, 5, 160, false, true);
  heard.packet(1000, 5, 320);
  CHECK(heard.take() == "+5 ");
  heard.packet(1000, 5, 800, true);
  heard.packet(1000, 5, 800, true);
  heard.packet(1000, 5, 800, true);
  heard.packet(1000, 5, 480);
  CHECK(heard.take() == "-5:100 ");
  heard.packet(3000, 5, 160);
  heard.numbered(static_cast<uint16_t>(heard.sequence - 2), 1000, 5, 800, true);
  heard.packet(1000, 5, 800, true);
  heard.packet(3000, 5, 640, true);
  CHECK(heard.take() == "+5 -5:80 ");
}

TEST(detector_clock_set_back, "a source that sets its clock back, and goes on with its numbers, is heard at once") {
  Heard heard;
  heard.packet(24000, 5, 800, true);
  heard.packet(160, 6, 160);
  heard.packet(160, 6, 800, true);
  heard.packet(24000, 7, 800, true);
  CHECK(heard.take() == "+5 -5:100 +6 -6:100 +7 -7:100 ");
}

TEST(detector_end_only, "a packet with the end bit alone is a press; the same key twice is two") {
  Heard heard;
  heard.packet(1000, 1, 1600, true);
  heard.packet(4000, 1, 1600, true);
  CHECK(heard.take() == "+1 -1:200 +1 -1:200 ");
}

TEST(detector_lost_end, "a lost end is made up for by the next press, or by time") {
  Heard heard;
  heard.packet(1000, 1, 160);
  heard.packet(1000, 1, 480);
  heard.packet(2000, 2, 160);
  CHECK(heard.take() == "+1 -1:60 +2 ");
  heard.detector.poll(heard.detector.due_ns() - 1, heard.diary);
  CHECK(heard.detector.is_open() && heard.take().empty());
  heard.detector.poll(heard.detector.due_ns(), heard.diary);
  CHECK(!heard.detector.is_open() && heard.take() == "-2:20 ");
  heard.packet(2000, 2, 800, true);
  CHECK(heard.take().empty());
  heard.packet(9000, 3, 160);
  heard.detector.close(heard.diary);
  heard.detector.close(heard.diary);
  CHECK(heard.take() == "+3 -3:20 ");
}

TEST(detector_segments, "a press of several segments is one, at 8000 and at 48000 Hz, and across the wrap of the timestamp") {
  Heard heard;
  heard.packet(0xffff8000, 9, 0x8000, false, true);
  heard.packet(0xffff8000, 9, 0xffff);
  heard.packet(0x7fff, 9, 0x1000);
  heard.packet(0x7fff, 9, 0x2000, true);
  CHECK(heard.take() == "+9 -9:9215 ");

  // A browser begins the next segment at the time of its audio, a little off.
  Heard browser;
  for (uint32_t ticks = 960; ticks <= 64320; ticks += 960) browser.packet(500, 9, static_cast<uint16_t>(ticks), false, ticks == 960, 48000);
  browser.packet(500, 9, 0xffff, false, false, 48000);
  browser.packet(500 + 65280, 9, 705, false, false, 48000);
  browser.packet(500 + 65280, 9, 9600, true, false, 48000);
  CHECK(browser.take() == "+9 -9:1565 ");

  // The same without its being continued: another key, a marker, or too short before.
  for (const int kind : {0, 1, 2}) {
    Heard other;
    other.packet(500, 9, kind == 2 ? 40'000 : 0xffff);
    other.packet(500 + 0xffff, kind == 0 ? 8 : 9, 160, false, kind == 1);
    CHECK(other.take().find(kind == 0 ? "+8" : "-9:5000 +9") != std::string::npos ||
          other.take().empty() == false || kind == 1);
  }
}

TEST(detector_sources, "another SSRC, another clock or a leap of the timestamp is another press") {
  Heard heard;
  heard.packet(1000, 5, 800, true);
  heard.packet(1000, 5, 800, true, false, 8000, 8);
  heard.packet(1000, 5, 4800, true, false, 48000, 8);
  heard.packet(1000 - 48000 * 11, 5, 4800, true, false, 48000, 8);
  CHECK(heard.take() == "+5 -5:100 +5 -5:100 +5 -5:100 +5 -5:100 ");
}

TEST(sender_press, "a press: marker first, an update every 20 ms, the end three times, one timestamp, then a pause") {
  EventSender sender;
  CHECK(sender.press({101, 8000}, 5, 100 * kMs));
  CHECK(sender.press({96, 48000}, 11, 40 * kMs));
  const std::vector<Line> lines = play(sender);
  std::string text;
  for (const Line& line : lines) {
    CHECK(line.packet.offset == 0 && line.packet.payload.volume == 10);
    text += std::to_string(line.at_ms) + (line.packet.is_first ? "*" : " ") + std::to_string(line.packet.payload_type) +
            "/" + std::to_string(line.packet.payload.event) + ":" + std::to_string(line.packet.payload.duration) +
            (line.packet.payload.is_end ? "E, " : ", ");
  }
  CHECK(text ==
        "0*101/5:160, 20 101/5:320, 40 101/5:480, 60 101/5:640, 80 101/5:800E, 100 101/5:800E, 120 101/5:800E, "
        "140*96/11:960, 160 96/11:1920E, 180 96/11:1920E, 200 96/11:1920E, ");
}

TEST(sender_held, "a key held elsewhere is down until it is let go, and never gets shorter") {
  EventSender sender;
  CHECK(sender.begin({101, 8000}, 1, 7));
  EventPacket packet;
  for (int i = 0; i < 5; i++) CHECK(sender.next(i * 20 * kMs, packet) && !packet.payload.is_end);
  CHECK(packet.payload.duration == 800 && packet.payload.volume == 7 && sender.is_down());
  sender.end(95 * kMs);
  CHECK(sender.next(100 * kMs, packet) && packet.payload.is_end && packet.payload.duration == 800 && !sender.is_down());

  // Known only when it is over already: it is played in full.
  EventSender late;
  CHECK(late.begin({101, 8000}, 2, 7));
  late.end(200 * kMs);
  const std::vector<Line> lines = play(late);
  CHECK(lines.back().packet.payload.duration == 1600 && lines.back().at_ms == 220);

  // Never let go.
  EventSender stuck;
  CHECK(stuck.begin({101, 8000}, 3, 7));
  CHECK(play(stuck).back().at_ms == 60'020);
}

TEST(sender_long, "a press beyond 0xffff ticks goes on in segments (RFC 4733 §2.5.1.3)") {
  EventSender sender;
  CHECK(sender.press({96, 48000}, 5, 3000 * kMs));
  uint64_t ticks = 0;
  int segments = 0;
  const std::vector<Line> lines = play(sender);
  for (size_t i = 0; i < lines.size(); i++) {
    const EventPacket& packet = lines[i].packet;
    CHECK(packet.offset + packet.payload.duration >= ticks);
    ticks = packet.offset + packet.payload.duration;
    CHECK(packet.is_first == (i == 0));
    if (packet.payload.duration == 0xffff) segments++;
    CHECK(packet.offset == 0xffffULL * static_cast<uint64_t>(segments - (packet.payload.duration == 0xffff ? 1 : 0)));
    CHECK(packet.payload.is_end == (i + 3 >= lines.size()));
  }
  CHECK(segments == 2 && ticks == 144'000);
}

TEST(sender_cut, "a press of given length is cut short when the next one waits") {
  EventSender sender;
  CHECK(sender.press({101, 8000}, 1, 2000 * kMs));
  CHECK(sender.press({101, 8000}, 2, 2000 * kMs));
  const std::vector<Line> lines = play(sender);
  CHECK(lines[4].packet.payload.is_end && lines[4].packet.payload.duration == 800);
  CHECK(lines.back().packet.payload.event == 2 && lines.back().packet.payload.duration == 16'000);
}

TEST(sender_full, "as many presses wait as may, and one past that is refused") {
  EventSender sender;
  for (size_t i = 0; i < EventSender::kMaxQueued; i++) CHECK(sender.press({101, 8000}, 1, 40 * kMs));
  CHECK(!sender.press({101, 8000}, 1, 40 * kMs) && !sender.begin({101, 8000}, 1, 7));
  int ends = 0;
  for (const Line& line : play(sender)) ends += line.packet.payload.is_end ? 1 : 0;
  CHECK(ends == static_cast<int>(EventSender::kMaxQueued) * EventSender::kEnds);
  CHECK(sender.press({101, 8000}, 1, 40 * kMs));
}

TEST(sender_late, "a thread that was held up says how long the key is down by then") {
  EventSender sender;
  CHECK(sender.press({101, 8000}, 1, 200 * kMs));
  EventPacket packet;
  CHECK(sender.next(0, packet) && packet.payload.duration == 160);
  CHECK(sender.next(110 * kMs, packet) && packet.payload.duration == 960);
  CHECK(sender.due_ns() == 120 * kMs);
}
