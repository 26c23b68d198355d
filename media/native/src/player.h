#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace webtrunk {

/** Encoded frames, one each interval, forever. */
struct Playback {
  uint8_t payload_type = 0;
  std::vector<std::vector<uint8_t>> frames;
  int64_t interval_ns = 0;
  uint32_t timestamp_step = 0;

  uint32_t clock_rate_hz() const {
    return static_cast<uint32_t>(timestamp_step * 1'000'000'000ULL / static_cast<uint64_t>(interval_ns));
  }
};

/**
 * A playback under way: an RTP source like any other, with numbers of its own that the outbound stream rewrites.
 * Time is passed in, nanoseconds.
 */
class Player {
 public:
  /** Frames sent at once, at most, when the thread was held up; older ones are skipped. */
  static constexpr int64_t kMaxCatchUp = 3;
  /** Largest frame, bytes: what fits a datagram with RTP header and SRTP tag. */
  static constexpr size_t kMaxFrame = 1400;

  explicit Player(Playback playback, uint32_t source_ssrc) : playback_(std::move(playback)), source_ssrc_(source_ssrc) {}

  const Playback& playback() const { return playback_; }
  int64_t due_ns() const { return due_ns_; }

  void start(int64_t now_ns) { due_ns_ = now_ns; }
  /** Gives up frames that are too late; their time passes in the timestamp. */
  void skip_missed(int64_t now_ns);
  /** Writes the next frame as a plain RTP packet and moves on to the one after it. Returns its length. */
  size_t next(uint8_t* packet);

 private:
  Playback playback_;
  uint32_t source_ssrc_;
  size_t frame_ = 0;
  uint16_t sequence_ = 0;
  uint32_t timestamp_ = 0;
  int64_t due_ns_ = 0;
};

}  // namespace webtrunk
