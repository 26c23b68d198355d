#include "repacketiser.h"

#include <algorithm>
#include <string>
#include <vector>

#include "bytes.h"
#include "check.h"

using namespace webtrunk;
using Taken = Repacketiser::Taken;

namespace {

constexpr int64_t kMs = 1'000'000;

struct Sent {
  int64_t at_us;
  RtpHeader header;
  std::vector<uint8_t> octets;
};

/** A source and a repacketiser, with the time between them. The octet of each millisecond is its number. */
struct Line {
  Repacketiser frames;
  std::vector<Sent> sent;
  int64_t now_ns = kMs;

  explicit Line(int frame_ms) : frames(static_cast<size_t>(frame_ms) * 8, 0xbeef) {}

  void collect() {
    uint8_t packet[kRtpFixedHeader + Repacketiser::kMaxFrame];
    for (size_t length = frames.next(now_ns, packet); length > 0; length = frames.next(now_ns, packet)) {
      RtpHeader header{};
      CHECK(parse_rtp_header(packet, length, header) == Drop::none);
      CHECK(length == kRtpFixedHeader + frames.frame());
      sent.push_back({now_ns / 1000, header, {packet + kRtpFixedHeader, packet + length}});
    }
  }

  void until(int64_t at_ns) {
    for (int64_t due = frames.due_ns(); due != Repacketiser::kNever && due <= at_ns; due = frames.due_ns()) {
      now_ns = std::max(now_ns, due);
      collect();
    }
    now_ns = std::max(now_ns, at_ns);
  }

  Taken put(int64_t at_ns, uint16_t sequence, uint32_t ms, int length_ms, uint8_t type = 0, uint32_t ssrc = 7) {
    until(at_ns);
    std::vector<uint8_t> payload(static_cast<size_t>(length_ms) * 8);
    for (size_t i = 0; i < payload.size(); i++) payload[i] = static_cast<uint8_t>(ms + i / 8);
    RtpHeader header{};
    header.payload_type = type;
    header.sequence = sequence;
    header.timestamp = ms * 8;
    header.ssrc = ssrc;
    const Taken taken = frames.put(header, payload.data(), payload.size(), now_ns);
    collect();
    return taken;
  }

  /** The media that was sent, as the numbers of its milliseconds, must be what its timestamps say. */
  void check_media() const {
    for (const Sent& packet : sent) {
      for (size_t i = 0; i < packet.octets.size(); i++) {
        CHECK(packet.octets[i] == static_cast<uint8_t>(packet.header.timestamp / 8 + i / 8));
      }
    }
  }
};

}  // namespace

TEST(frames_clock_set_back, "a source that sets its clock back is heard again after two packets; single stragglers and forgeries change nothing") {
  for (const uint32_t back_ms : {600u, 100'000u, 200'000'000u}) {
    Line line(30);
    uint16_t sequence = 0;
    uint32_t ms = 250'000'000;
    int64_t at = kMs;
    for (int i = 0; i < 30; i++, at += 20 * kMs, ms += 20) CHECK(line.put(at, sequence++, ms, 20) == Taken::kept);
    // One straggler, whatever its number, and what follows as before.
    CHECK(line.put(at, static_cast<uint16_t>(sequence - 100), ms - back_ms, 20) == Taken::late);
    for (int i = 0; i < 30; i++, at += 20 * kMs, ms += 20) CHECK(line.put(at, sequence++, ms, 20) == Taken::kept);
    // Two that do not follow each other.
    CHECK(line.put(at, static_cast<uint16_t>(sequence - 100), ms - back_ms, 20) == Taken::late);
    CHECK(line.put(at, static_cast<uint16_t>(sequence - 99), ms - back_ms + 40, 20) == Taken::late);
    const size_t before = line.sent.size();
    ms -= back_ms;
    CHECK(line.put(at, sequence++, ms, 20) == Taken::late);
    for (int i = 0; i < 30; i++, at += 20 * kMs) CHECK(line.put(at, sequence++, ms += 20, 20) == Taken::kept);
    line.until(at + 100 * kMs);
    CHECK(line.sent.size() >= before + 19);
    line.check_media();
  }
}

TEST(frames_every_length, "10 to 60 ms become 10 to 60 ms: nothing lost, numbers and timestamps in step, exactly paced") {
  for (const int from : {10, 20, 30, 40, 60}) {
    for (const int to : {10, 20, 30, 40, 50, 60}) {
      if (from == to) continue;
      Line line(to);
      const int packets = 6000 / from;
      for (int i = 0; i < packets; i++) {
        const auto ms = static_cast<uint32_t>(i * from);
        CHECK(line.put((ms + 1) * kMs, static_cast<uint16_t>(65'500 + i), ms, from) == Taken::kept);
      }
      line.until(7000 * kMs);
      line.check_media();
      CHECK(line.sent.size() == static_cast<size_t>(packets * from / to));
      for (size_t i = 1; i < line.sent.size(); i++) {
        const Sent& before = line.sent[i - 1];
        const Sent& now = line.sent[i];
        CHECK(now.header.sequence == static_cast<uint16_t>(before.header.sequence + 1));
        CHECK(now.header.timestamp == before.header.timestamp + static_cast<uint32_t>(to) * 8);
        CHECK(now.header.marker == false && now.header.ssrc == before.header.ssrc);
        // The first few find their place between the source's packets.
        if (i > 8) CHECK(now.at_us - before.at_us == to * 1000);
      }
      CHECK(line.sent.front().header.marker);
    }
  }
}

TEST(frames_pass, "packets of the wanted length pass, with no wait") {
  Line line(20);
  CHECK(line.put(kMs, 1, 0, 20) == Taken::passes);
  CHECK(line.put(21 * kMs, 2, 20, 20) == Taken::passes);
  CHECK(line.frames.due_ns() == Repacketiser::kNever);
  CHECK(line.put(41 * kMs, 3, 40, 10) == Taken::kept);
  CHECK(line.put(51 * kMs, 4, 50, 20) == Taken::kept);
  CHECK(line.put(71 * kMs, 5, 70, 10) == Taken::kept);
  line.until(200 * kMs);
  CHECK(line.sent.size() == 2);
  CHECK(line.put(201 * kMs, 6, 80, 20) == Taken::passes);
}

TEST(frames_jitter, "a source that comes in jerks is smoothed out") {
  Line line(30);
  for (int i = 0; i < 300; i++) {
    const auto ms = static_cast<uint32_t>(i * 20);
    line.put((ms + 1 + i % 5 * 3) * kMs, static_cast<uint16_t>(i), ms, 20);
  }
  line.check_media();
  CHECK(line.sent.size() > 190);
  for (size_t i = 20; i < line.sent.size(); i++) {
    CHECK(line.sent[i].header.sequence == static_cast<uint16_t>(line.sent[i - 1].header.sequence + 1));
    CHECK(line.sent[i].at_us - line.sent[i - 1].at_us == 30'000);
  }
}

TEST(frames_reordered, "packets that change places lose nothing") {
  Line line(30);
  for (const int i : {0, 1, 3, 2, 4, 6, 5, 7, 8}) line.put((20 * i + 1) * kMs, static_cast<uint16_t>(i), static_cast<uint32_t>(i * 20), 20);
  line.until(1000 * kMs);
  line.check_media();
  CHECK(line.sent.size() == 6 && line.sent.back().header.sequence == 5 && line.sent.back().header.timestamp == 150 * 8);
}

TEST(frames_lost, "a lost packet is a gap in the numbers, and the media behind it is not lost with it") {
  Line line(30);
  for (int i = 0; i < 20; i++) {
    if (i != 5) line.put((20 * i + 1) * kMs, static_cast<uint16_t>(i), static_cast<uint32_t>(i * 20), 20);
  }
  line.until(1000 * kMs);
  line.check_media();
  int gaps = 0;
  for (size_t i = 1; i < line.sent.size(); i++) {
    const int step = line.sent[i].header.sequence - line.sent[i - 1].header.sequence;
    CHECK(step >= 1);
    if (step == 1) continue;
    gaps++;
    CHECK(line.sent[i].header.timestamp == 120 * 8 && !line.sent[i].header.marker);
  }
  CHECK(gaps == 1);
}

TEST(frames_silence, "a pause of the source is none of its numbers: the timestamp shows it, and the marker") {
  for (const uint32_t pause_ms : {100U, 5000U}) {
    Line line(30);
    for (int i = 0; i < 6; i++) line.put((20 * i + 1) * kMs, static_cast<uint16_t>(i), static_cast<uint32_t>(i * 20), 20);
    for (int i = 6; i < 12; i++) {
      const uint32_t ms = static_cast<uint32_t>(i * 20) + pause_ms;
      line.put((ms + 1) * kMs, static_cast<uint16_t>(i), ms, 20);
    }
    line.until(9000 * kMs);
    line.check_media();
    CHECK(line.sent.size() == 8);
    for (size_t i = 1; i < line.sent.size(); i++) {
      CHECK(line.sent[i].header.sequence == line.sent[i - 1].header.sequence + 1);
      CHECK(line.sent[i].header.marker == (i == 4));
    }
    CHECK(line.sent[4].header.timestamp == (120 + pause_ms) * 8);
  }
}

TEST(frames_withheld, "numbers of packets that are not audio leave no gap") {
  Line line(30);
  for (int i = 0; i < 6; i++) line.put((20 * i + 1) * kMs, static_cast<uint16_t>(i), static_cast<uint32_t>(i * 20), 20);
  for (uint16_t i = 6; i < 12; i++) {
    RtpHeader header{};
    header.sequence = i;
    header.ssrc = 7;
    line.frames.withhold(header);
  }
  for (int i = 12; i < 18; i++) line.put((20 * i + 1) * kMs, static_cast<uint16_t>(i), static_cast<uint32_t>(i * 20), 20);
  line.until(1000 * kMs);
  CHECK(line.sent.size() == 8 && line.sent[4].header.sequence == line.sent[3].header.sequence + 1);
}

TEST(frames_sources, "another source, or another codec, begins anew") {
  Line line(30);
  for (int i = 0; i < 4; i++) line.put((20 * i + 1) * kMs, static_cast<uint16_t>(i), static_cast<uint32_t>(i * 20), 20);
  for (int i = 0; i < 4; i++) line.put((20 * i + 101) * kMs, static_cast<uint16_t>(900 + i), static_cast<uint32_t>(7000 + i * 20), 20, 0, 8);
  for (int i = 0; i < 4; i++) line.put((20 * i + 201) * kMs, static_cast<uint16_t>(904 + i), static_cast<uint32_t>(7080 + i * 20), 20, 8, 8);
  line.until(1000 * kMs);
  line.check_media();
  CHECK(line.sent.size() == 6);
  CHECK(line.sent[1].header.ssrc != line.sent[2].header.ssrc && line.sent[3].header.ssrc != line.sent[4].header.ssrc);
  CHECK(line.sent[3].header.payload_type == 0 && line.sent[4].header.payload_type == 8 && line.sent[4].header.marker);
}

TEST(frames_fast, "a source with a faster clock does not fill the buffer") {
  Line line(30);
  int64_t now = kMs;
  for (int i = 0; i < 3000; i++) {
    line.put(now, static_cast<uint16_t>(i), static_cast<uint32_t>(i * 20), 20);
    now += 19 * kMs;
  }
  line.check_media();
  const uint32_t behind = 3000 * 20 * 8 - line.sent.back().header.timestamp;
  CHECK(behind < 200 * 8);
  CHECK(line.sent.back().header.sequence == line.sent.size() - 1);
}

TEST(frames_limits, "packets that are too long, too old or far ahead") {
  Line line(30);
  CHECK(line.put(kMs, 1, 0, 20) == Taken::kept);
  CHECK(line.put(2 * kMs, 2, 20, 300) == Taken::late);
  CHECK(line.put(3 * kMs, 3, 20, 20) == Taken::kept);
  CHECK(line.sent.size() == 1);
  CHECK(line.put(4 * kMs, 1, 0, 20) == Taken::late);
  CHECK(line.put(5 * kMs, 4, 100'000, 20) == Taken::kept);
  CHECK(line.put(25 * kMs, 5, 100'020, 20) == Taken::kept);
  line.until(1000 * kMs);
  CHECK(line.sent.size() == 2 && line.sent[1].header.timestamp == 800'000);
}
