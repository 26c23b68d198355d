#include "rewrite.h"

#include <openssl/rand.h>

#include <cstring>

#include "bytes.h"

namespace webtrunk {

namespace {

/** RFC 3550 A.1: jumps beyond these are a source that started over, if its next packet agrees. */
constexpr int32_t kMaxDropout = 3000;
constexpr int32_t kMaxMisorder = 100;
/** Difference between the source's media clock and ours that is a new timeline. */
constexpr int64_t kMaxClockGapMs = 10'000;
/** A source sets its clock back, though its numbers go on: PBXes do between ringing and answer. Listeners hear nothing until it is where it was. */
constexpr int64_t kMaxClockStepBackMs = 200;
/** Never a sequence number. */
constexpr uint32_t kNoRestart = 0x10000;

}  // namespace

RewriteStart RewriteStart::random(uint32_t ssrc) {
  uint8_t bytes[6] = {};
  // Unpredictability only hardens (RFC 3550 §5.1); a fixed start is still correct.
  if (RAND_bytes(bytes, sizeof bytes) != 1) std::memset(bytes, 1, sizeof bytes);
  return {ssrc, static_cast<uint16_t>(read_u16(bytes) & 0x7fff), read_u32(bytes + 2)};
}

RtpRewriter::RtpRewriter(const RewriteStart& start)
    : ssrc_(start.ssrc),
      first_sequence_(start.sequence),
      restart_sequence_(kNoRestart),
      // One round above zero, so that `highest_index_ + step` stays positive for late packets.
      highest_index_(0x10000 + static_cast<uint64_t>(start.sequence) - 1),
      base_index_(highest_index_ + 1),
      timestamp_offset_(start.timestamp) {}

RtpRewriter::Step RtpRewriter::judge(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint32_t clock_rate_hz,
                                     uint64_t now_us) {
  if (!has_source_ || ssrc != source_ssrc_) return Step::rebase;
  const int32_t step = static_cast<int16_t>(sequence - highest_source_sequence_);
  if (step > kMaxDropout || step < -kMaxMisorder) {
    if (sequence == restart_sequence_) return Step::rebase;
    restart_sequence_ = static_cast<uint16_t>(sequence + 1);
    return Step::drop;
  }
  restart_sequence_ = kNoRestart;
  // Older than what this source began with: its number belongs to the source before it.
  if (step <= 0) {
    const uint64_t index = highest_index_ - static_cast<uint64_t>(-step);
    return index < base_index_ ? Step::drop : Step::next;
  }
  // Events repeat the timestamp of their start (RFC 4733 §2.5.1.2), however long the key is held.
  if (timestamp == newest_source_timestamp_) return Step::next;

  const int64_t media_ms =
      int64_t{static_cast<int32_t>(timestamp - newest_source_timestamp_)} * 1000 / int64_t{clock_rate_hz};
  const int64_t wall_ms = static_cast<int64_t>((now_us - newest_timestamp_at_us_) / 1000);
  const int64_t gap_ms = media_ms - wall_ms;
  const bool is_new_timeline = gap_ms > kMaxClockGapMs || gap_ms < -kMaxClockGapMs || media_ms < -kMaxClockStepBackMs;
  return is_new_timeline ? Step::rebase : Step::next;
}

uint32_t RtpRewriter::ticks_since_newest(uint64_t now_us, uint32_t clock_rate_hz) const {
  const uint64_t elapsed_us = now_us - newest_timestamp_at_us_;
  // Seconds and the rest apart: the product of a long pause and the rate must not overflow.
  return static_cast<uint32_t>(elapsed_us / 1'000'000 * clock_rate_hz +
                               elapsed_us % 1'000'000 * clock_rate_hz / 1'000'000);
}

void RtpRewriter::rebase(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint32_t clock_rate_hz, uint64_t now_us) {
  if (started_) {
    const uint32_t ticks = ticks_since_newest(now_us, clock_rate_hz);
    const uint32_t outbound = newest_timestamp() + (ticks == 0 ? 1 : ticks);
    timestamp_offset_ = outbound - timestamp;
  } else {
    timestamp_offset_ -= timestamp;
  }
  started_ = true;
  has_source_ = true;
  source_ssrc_ = ssrc;
  restart_sequence_ = kNoRestart;
  highest_source_sequence_ = sequence;
  ++highest_index_;
  base_index_ = highest_index_;
  newest_source_timestamp_ = timestamp;
  newest_timestamp_at_us_ = now_us;
}

void RtpRewriter::skip_to(uint16_t sequence) {
  highest_index_ += static_cast<uint16_t>(sequence - next_sequence());
  end_source();
}

void RtpRewriter::withhold(const RtpHeader& header) {
  if (!has_source_ || header.ssrc != source_ssrc_) return;
  const int32_t step = static_cast<int16_t>(header.sequence - highest_source_sequence_);
  if (step <= 0 || step > kMaxDropout) return;
  highest_source_sequence_ = header.sequence;
  highest_index_ += static_cast<uint64_t>(step - 1);
  base_index_ = highest_index_ + 1;
}

uint32_t RtpRewriter::timestamp_at(uint64_t now_us, uint32_t clock_rate_hz) {
  if (!started_) {
    started_ = true;
    newest_timestamp_at_us_ = now_us;
    return newest_timestamp();
  }
  return newest_timestamp() + ticks_since_newest(now_us, clock_rate_hz_ == 0 ? clock_rate_hz : clock_rate_hz_);
}

void RtpRewriter::insert(uint8_t* packet, uint8_t payload_type, bool marker, uint32_t timestamp) {
  ++highest_index_;
  base_index_ = highest_index_ + 1;
  packet[0] = 0x80;
  packet[1] = static_cast<uint8_t>((marker ? 0x80 : 0) | (payload_type & 0x7f));
  write_u16(packet + 2, static_cast<uint16_t>(highest_index_));
  write_u32(packet + 4, timestamp);
  write_u32(packet + 8, ssrc_);
}

Outcome RtpRewriter::rewrite(uint8_t* packet, size_t length, uint8_t payload_type, uint32_t clock_rate_hz,
                             uint64_t now_us) {
  RtpHeader header;
  if (const Drop drop = parse_rtp_header(packet, length, header); drop != Drop::none) return Outcome::dropped(drop);
  size_t payload_length = 0;
  if (!rtp_payload_length(packet, length, header, payload_length)) return Outcome::dropped(Drop::rtp_bad_header);
  if (payload_length == 0) return Outcome::dropped(Drop::rtp_empty);
  if (clock_rate_hz == 0) return Outcome::dropped(Drop::rtp_unmapped);

  const Step step = judge(header.ssrc, header.sequence, header.timestamp, clock_rate_hz, now_us);
  if (step == Step::drop) return Outcome::dropped(Drop::rtp_stale);
  clock_rate_hz_ = clock_rate_hz;

  bool marker = header.marker;
  uint64_t index = 0;
  if (step == Step::rebase) {
    rebase(header.ssrc, header.sequence, header.timestamp, clock_rate_hz, now_us);
    index = highest_index_;
    marker = true;
  } else {
    const int64_t distance = static_cast<int16_t>(header.sequence - highest_source_sequence_);
    index = highest_index_ + static_cast<uint64_t>(distance);
    if (distance > 0) {
      highest_index_ = index;
      highest_source_sequence_ = header.sequence;
    }
    if (static_cast<int32_t>(header.timestamp - newest_source_timestamp_) > 0) {
      newest_source_timestamp_ = header.timestamp;
      newest_timestamp_at_us_ = now_us;
    }
  }

  if (header.header_length != kRtpFixedHeader) {
    std::memmove(packet + kRtpFixedHeader, packet + header.header_length, payload_length);
  }
  packet[0] = 0x80;
  packet[1] = static_cast<uint8_t>((marker ? 0x80 : 0) | (payload_type & 0x7f));
  write_u16(packet + 2, static_cast<uint16_t>(index));
  write_u32(packet + 4, header.timestamp + timestamp_offset_);
  write_u32(packet + 8, ssrc_);
  return Outcome::kept(kRtpFixedHeader + payload_length);
}

}  // namespace webtrunk
