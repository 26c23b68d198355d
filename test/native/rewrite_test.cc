#include "rewrite.h"

#include "bytes.h"
#include "check.h"
#include "rtp.h"

using namespace webtrunk;
using check::Bytes;
using check::from_hex;

namespace {

constexpr uint64_t kMs = 1000;
constexpr uint32_t kOurs = 0xcafebabe;

Bytes packet(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, bool marker = false) {
  Bytes bytes = from_hex("80080000 00000000 00000000 d5d5d5d5");
  if (marker) bytes[1] |= 0x80;
  write_u16(bytes.data() + 2, sequence);
  write_u32(bytes.data() + 4, timestamp);
  write_u32(bytes.data() + 8, ssrc);
  return bytes;
}

struct Sent {
  Drop drop;
  uint16_t sequence;
  uint32_t timestamp;
  bool marker;
};

Sent send(RtpRewriter& rewriter, Bytes bytes, uint64_t now_us, uint32_t rate = 8000) {
  const Outcome outcome = rewriter.rewrite(bytes.data(), bytes.size(), 8, rate, now_us);
  RtpHeader header{};
  if (outcome) CHECK(parse_rtp_header(bytes.data(), outcome.length, header) == Drop::none && header.ssrc == kOurs);
  return {outcome.drop, header.sequence, header.timestamp, header.marker};
}

RtpRewriter rewriter_at(uint16_t sequence) { return RtpRewriter({kOurs, sequence, 1000}); }

}  // namespace

TEST(rewrite_header, "CSRCs, extension and padding go, payload type and SSRC change, the payload stays") {
  RtpRewriter rewriter({kOurs, 7, 1000});
  Bytes bytes = from_hex("b2081234 aabbccdd 01020304 11111111 22222222 bede0001 10aa0000 d5d6d7 000003");
  const Outcome outcome = rewriter.rewrite(bytes.data(), bytes.size(), 0, 8000, 0);
  CHECK(outcome && outcome.length == 15);
  bytes.resize(15);
  CHECK(check::to_hex(bytes) == "80800007000003e8cafebabed5d6d7");
}

TEST(rewrite_refused, "no payload, bad padding, a cut header or no clock rate: dropped, and nothing moved") {
  RtpRewriter rewriter = rewriter_at(7);
  const auto drop_of = [&](const char* hex, uint32_t rate = 8000) {
    Bytes bytes = from_hex(hex);
    return rewriter.rewrite(bytes.data(), bytes.size(), 0, rate, 0).drop;
  };
  CHECK(drop_of("80081234 aabbccdd 01020304") == Drop::rtp_empty);
  CHECK(drop_of("a0081234 aabbccdd 01020304 00000004") == Drop::rtp_empty);
  CHECK(drop_of("a0081234 aabbccdd 01020304 00000005") == Drop::rtp_bad_header);
  CHECK(drop_of("90081234 aabbccdd 01020304 bede") == Drop::rtp_bad_header);
  CHECK(drop_of("80081234 aabbccdd 010203") == Drop::rtp_too_short);
  CHECK(drop_of("80081234 aabbccdd 01020304 d5", 0) == Drop::rtp_unmapped);
  CHECK(send(rewriter, packet(1, 50, 0), 0).sequence == 7);
}

TEST(rewrite_gaps, "loss and reordering of the source are ours too, across both wraps") {
  RtpRewriter rewriter = rewriter_at(0x7ffe);
  CHECK(send(rewriter, packet(1, 65534, 0xfffffff0), 0).sequence == 0x7ffe);
  CHECK(send(rewriter, packet(1, 1, 0xfffffff0 + 480), 60 * kMs).sequence == 0x8001);
  const Sent late = send(rewriter, packet(1, 65535, 0xfffffff0 + 160), 61 * kMs);
  CHECK(late.sequence == 0x7fff && late.timestamp == 1160 && !late.marker);
  CHECK(send(rewriter, packet(1, 2, 0xfffffff0 + 640), 80 * kMs).sequence == 0x8002);

  RtpRewriter wrapping = rewriter_at(0x7fff);
  uint16_t source = 0;
  uint64_t now = 0;
  for (int i = 0; i < 70'000; ++i) {
    const Sent sent = send(wrapping, packet(1, source, static_cast<uint32_t>(i) * 160), now);
    CHECK(sent.drop == Drop::none && sent.sequence == static_cast<uint16_t>(0x7fff + i));
    ++source;
    now += 20 * kMs;
  }
}

TEST(rewrite_marker, "the first packet of a source has the marker, later ones keep their own") {
  RtpRewriter rewriter = rewriter_at(0);
  CHECK(send(rewriter, packet(1, 1, 0), 0).marker);
  CHECK(!send(rewriter, packet(1, 2, 160), 20 * kMs).marker);
  CHECK(send(rewriter, packet(1, 3, 320, true), 40 * kMs).marker);
}

TEST(rewrite_new_source, "a new source continues without a gap, timestamp by the wall clock") {
  RtpRewriter rewriter = rewriter_at(10);
  send(rewriter, packet(1, 100, 5000), 0);
  send(rewriter, packet(1, 101, 5160), 20 * kMs);
  const Sent next = send(rewriter, packet(2, 60000, 0xdeadbeef), 520 * kMs);
  CHECK(next.sequence == 12 && next.marker && next.timestamp == 1160 + 4000);
  const Sent after = send(rewriter, packet(2, 60001, 0xdeadbeef + 160), 540 * kMs);
  CHECK(after.sequence == 13 && after.timestamp == 1160 + 4160);
  CHECK(rewriter.newest_timestamp() == after.timestamp && rewriter.newest_timestamp_at_us() == 540 * kMs);
}

TEST(rewrite_end_source, "after the end of a source the next packet is a new one's, whatever its SSRC and number") {
  RtpRewriter rewriter = rewriter_at(10);
  rewriter.end_source();
  const Sent first = send(rewriter, packet(1, 100, 5000), 0);
  CHECK(first.sequence == 10 && first.timestamp == 1000 && first.marker);
  // The same source after a hold; another with its SSRC and an older number.
  rewriter.end_source();
  const Sent held = send(rewriter, packet(1, 600, 5000 + 500 * 160), 10'000 * kMs);
  CHECK(held.sequence == 11 && held.timestamp == 1000 + 500 * 160 && held.marker);
  rewriter.end_source();
  const Sent other = send(rewriter, packet(1, 590, 77), 10'020 * kMs);
  CHECK(other.sequence == 12 && other.timestamp == 1000 + 501 * 160 && other.marker);
  const Sent next = send(rewriter, packet(1, 591, 237), 10'040 * kMs);
  CHECK(next.sequence == 13 && !next.marker);
}

TEST(rewrite_skip, "the stream goes on with the number it was told, as with a new source, ahead of all before") {
  RtpRewriter rewriter = rewriter_at(7);
  CHECK(rewriter.next_sequence() == 7);
  CHECK(send(rewriter, packet(1, 50, 0), 0).sequence == 7);
  CHECK(rewriter.next_sequence() == 8);
  rewriter.skip_to(5000);
  CHECK(rewriter.next_sequence() == 5000);
  const Sent next = send(rewriter, packet(1, 51, 160), 20 * kMs);
  CHECK(next.sequence == 5000 && next.timestamp == 1160 && next.marker);
  CHECK(send(rewriter, packet(1, 49, 0), 20 * kMs).drop == Drop::rtp_stale);
  rewriter.skip_to(100);  // In the next round.
  CHECK(send(rewriter, packet(1, 52, 320), 40 * kMs).sequence == 100);
  CHECK(send(rewriter, packet(1, 53, 480), 60 * kMs).sequence == 101);
}

TEST(rewrite_older_than_base, "a packet from before the change of source never takes a number already used") {
  RtpRewriter rewriter = rewriter_at(10);
  send(rewriter, packet(1, 100, 0), 0);
  send(rewriter, packet(1, 101, 160), 20 * kMs);
  CHECK(send(rewriter, packet(2, 500, 0), 40 * kMs).sequence == 12);
  CHECK(send(rewriter, packet(2, 499, 0), 41 * kMs).drop == Drop::rtp_stale);
  CHECK(send(rewriter, packet(2, 502, 320), 80 * kMs).sequence == 14);
  CHECK(send(rewriter, packet(2, 501, 160), 81 * kMs).sequence == 13);
  CHECK(send(rewriter, packet(2, 499, 0), 82 * kMs).drop == Drop::rtp_stale);
}

TEST(rewrite_restart, "a sequence number far off is believed when the next one follows it") {
  RtpRewriter rewriter = rewriter_at(10);
  send(rewriter, packet(1, 100, 0), 0);
  CHECK(send(rewriter, packet(1, 40000, 9'000'000), 20 * kMs).drop == Drop::rtp_stale);
  CHECK(send(rewriter, packet(1, 101, 160), 20 * kMs).sequence == 11);
  CHECK(send(rewriter, packet(1, 40000, 9'000'000), 40 * kMs).drop == Drop::rtp_stale);
  const Sent restarted = send(rewriter, packet(1, 40001, 9'000'160), 60 * kMs);
  CHECK(restarted.sequence == 12 && restarted.marker && restarted.timestamp == 1160 + 320);
  CHECK(send(rewriter, packet(1, 40002, 9'000'320), 80 * kMs).sequence == 13);
}

TEST(rewrite_dropout_limits, "3000 ahead and 100 behind are loss and reordering, one more is a restart") {
  RtpRewriter rewriter = rewriter_at(0);
  send(rewriter, packet(1, 0, 0), 0);
  CHECK(send(rewriter, packet(1, 3000, 480'000), 60'000 * kMs).sequence == 3000);
  CHECK(send(rewriter, packet(1, 2900, 464'000), 60'001 * kMs).sequence == 2900);
  CHECK(send(rewriter, packet(1, 2899, 463'840), 60'002 * kMs).drop == Drop::rtp_stale);
  CHECK(send(rewriter, packet(1, 6001, 960'160), 120'000 * kMs).drop == Drop::rtp_stale);
}

TEST(rewrite_clock_jump, "a timestamp that jumps is a new timeline, silence is not") {
  RtpRewriter rewriter = rewriter_at(0);
  send(rewriter, packet(1, 1, 0), 0);
  const Sent jumped = send(rewriter, packet(1, 2, 3'000'000), 20 * kMs);
  CHECK(jumped.sequence == 1 && jumped.marker && jumped.timestamp == 1160);
  const Sent silence = send(rewriter, packet(1, 3, 3'000'000 + 60 * 8000), 60'020 * kMs);
  CHECK(!silence.marker && silence.timestamp == 1160 + 60 * 8000);
  // A source whose clock stood still while it was on hold.
  const Sent held = send(rewriter, packet(1, 4, 3'000'160 + 60 * 8000), 120'020 * kMs);
  CHECK(held.marker && held.timestamp == 1160 + 120 * 8000);
  const Sent back = send(rewriter, packet(1, 5, 7), 120'040 * kMs);
  CHECK(back.marker && back.timestamp == 1160 + 120 * 8000 + 160);
}

TEST(rewrite_clock_set_back, "a clock that is set back while numbers go on is a new timeline; a little out of order it is none") {
  RtpRewriter rewriter = rewriter_at(0);
  uint64_t now_us = 0;
  Sent sent{};
  for (uint16_t number = 1; number <= 150; number++) sent = send(rewriter, packet(1, number, 160u * number), now_us += 20 * kMs);
  const uint32_t before = sent.timestamp;
  const Sent back = send(rewriter, packet(1, 151, 0), now_us += 20 * kMs);
  CHECK(back.sequence == sent.sequence + 1 && back.marker && back.timestamp == before + 160);
  const Sent after = send(rewriter, packet(1, 152, 160), now_us += 20 * kMs);
  CHECK(!after.marker && after.timestamp == before + 320);
  const Sent early = send(rewriter, packet(1, 153, 160 * 12), now_us += 20 * kMs);
  const Sent older = send(rewriter, packet(1, 154, 160 * 2), now_us += 20 * kMs);
  CHECK(!older.marker && early.timestamp - older.timestamp == 1600);
}

TEST(rewrite_long_event, "a long telephone-event with one timestamp does not break the timeline") {
  RtpRewriter rewriter = rewriter_at(0);
  uint16_t sequence = 0;
  uint64_t now = 0;
  send(rewriter, packet(1, sequence++, 0), now);
  for (int i = 1; i <= 1000; ++i) {
    now += 20 * kMs;
    const Sent event = send(rewriter, packet(1, sequence++, 160, i == 1), now);
    CHECK(event.drop == Drop::none && event.timestamp == 1160 && event.marker == (i == 1));
  }
  now += 20 * kMs;
  const Sent audio = send(rewriter, packet(1, sequence, 160 * 1001), now);
  CHECK(!audio.marker && audio.timestamp == 1000 + 160 * 1001);
}

TEST(rewrite_start, "a random start leaves half the sequence numbers before the first wrap") {
  bool differs = false;
  const RewriteStart first = RewriteStart::random(5);
  for (int i = 0; i < 1000; ++i) {
    const RewriteStart start = RewriteStart::random(5);
    CHECK(start.sequence < 0x8000 && start.ssrc == 5);
    differs = differs || start.sequence != first.sequence || start.timestamp != first.timestamp;
  }
  CHECK(differs);
}

TEST(rewrite_withhold, "what is withheld is no gap; what was lost before it is; what comes late behind it is too late") {
  RtpRewriter rewriter = rewriter_at(7);
  const auto withhold = [&](uint32_t ssrc, uint16_t sequence) {
    RtpHeader header{};
    header.ssrc = ssrc;
    header.sequence = sequence;
    rewriter.withhold(header);
  };
  withhold(1, 9);  // Nobody's yet.
  CHECK(send(rewriter, packet(1, 10, 0), 0).sequence == 7);
  withhold(1, 11);
  withhold(1, 12);
  withhold(2, 13);
  withhold(1, 12);
  CHECK(send(rewriter, packet(1, 13, 480), 60 * kMs).sequence == 8);
  withhold(1, 16);
  CHECK(send(rewriter, packet(1, 15, 800), 61 * kMs).drop == Drop::rtp_stale);
  const Sent next = send(rewriter, packet(1, 17, 1120), 140 * kMs);
  CHECK(next.sequence == 11 && !next.marker && next.timestamp == 1000 + 1120);
}

TEST(rewrite_insert, "packets of our own stand between those of the source, at the time of the stream") {
  RtpRewriter rewriter = rewriter_at(7);
  Bytes own(16);
  CHECK(rewriter.timestamp_at(0, 48000) == 1000);
  rewriter.insert(own.data(), 101, true, 1000);
  CHECK(read_u16(own.data() + 2) == 7 && own[1] == (0x80 | 101) && read_u32(own.data() + 8) == kOurs);
  const Sent first = send(rewriter, packet(1, 50, 0), 20 * kMs);
  CHECK(first.sequence == 8 && first.timestamp == 1160 && first.marker);
  CHECK(rewriter.timestamp_at(70 * kMs, 48000) == 1160 + 400);
  rewriter.insert(own.data(), 101, false, 1560);
  CHECK(read_u16(own.data() + 2) == 9 && read_u32(own.data() + 4) == 1560);
  CHECK(send(rewriter, packet(1, 50, 0), 71 * kMs).drop == Drop::rtp_stale);
  const Sent next = send(rewriter, packet(1, 51, 160), 72 * kMs);
  CHECK(next.sequence == 10 && next.timestamp == 1320 && !next.marker);
}

TEST(rewrite_hours_of_hold, "after hours of hold: the next number, the timestamp by the wall clock, the marker") {
  RtpRewriter rewriter = rewriter_at(7);
  CHECK(send(rewriter, packet(1, 50, 0), 0).sequence == 7);
  const uint64_t hours_us = uint64_t{20} * 3600 * 1'000'000;
  for (const uint32_t ssrc : {1U, 2U}) {
    RtpRewriter held = rewriter;
    if (ssrc == 1) held.end_source();
    const Sent again = send(held, packet(ssrc, 9, 77), hours_us);
    CHECK(again.sequence == 8 && again.marker && again.timestamp == 1000 + static_cast<uint32_t>(uint64_t{20} * 3600 * 8000));
  }
}
