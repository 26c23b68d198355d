#pragma once

#include <cstddef>
#include <cstdint>

#include "drop.h"
#include "rtp.h"

namespace webtrunk {

/** Where an outbound stream starts. */
struct RewriteStart {
  uint32_t ssrc;
  /** Below 2^15, so that a lost first packet cannot confuse the peer's rollover counter (RFC 3711 §3.3.1). */
  uint16_t sequence;
  uint32_t timestamp;

  /** Random sequence number and timestamp. */
  static RewriteStart random(uint32_t ssrc);
};

/**
 * One outbound RTP stream with our own SSRC, fed by whatever source is routed to it, one after the other. Gaps in the
 * source's sequence numbers stay gaps, so that the receiver sees the loss. A new source, or one that starts over,
 * continues ours without a gap: sequence number + 1, timestamp advanced by the wall clock, marker set.
 */
class RtpRewriter {
 public:
  explicit RtpRewriter(const RewriteStart& start);

  /**
   * Rewrites a plain RTP packet in place to a bare 12-byte header and its payload: no CSRC, extension or padding.
   * `now_us` never goes back. `clock_rate_hz` is that of the payload type.
   */
  Outcome rewrite(uint8_t* packet, size_t length, uint8_t payload_type, uint32_t clock_rate_hz, uint64_t now_us);

  /**
   * A packet of the source that goes no further, and is no loss: the numbers close up over it. What is older than it and
   * still comes is too late.
   */
  void withhold(const RtpHeader& header);

  /** Writes the header of a packet of our own, with the next sequence number, between those of the source. */
  void insert(uint8_t* packet, uint8_t payload_type, bool marker, uint32_t timestamp);
  /** Where the stream's clock is now; begins a stream that has not begun, with this rate. */
  uint32_t timestamp_at(uint64_t now_us, uint32_t clock_rate_hz);
  /** Of the audio sent last; 0: nothing was. */
  uint32_t clock_rate_hz() const { return clock_rate_hz_; }

  /** Whatever comes next is a new source, whatever its SSRC: another leg may have the same one, or the stream was held. */
  void end_source() { has_source_ = false; }

  /** Goes on with this sequence number, which is later than all before, as with a new source: the receiver sees a loss. */
  void skip_to(uint16_t sequence);

  uint32_t ssrc() const { return ssrc_; }
  /** Of the next packet, when nothing is lost. */
  uint16_t next_sequence() const { return static_cast<uint16_t>(highest_index_ + 1); }
  uint16_t first_sequence() const { return first_sequence_; }
  /** RTP timestamp and time of the newest packet sent, for sender reports. */
  uint32_t newest_timestamp() const { return newest_source_timestamp_ + timestamp_offset_; }
  uint64_t newest_timestamp_at_us() const { return newest_timestamp_at_us_; }

 private:
  enum class Step : uint8_t { next, rebase, drop };

  Step judge(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint32_t clock_rate_hz, uint64_t now_us);
  uint32_t ticks_since_newest(uint64_t now_us, uint32_t clock_rate_hz) const;
  void rebase(uint32_t ssrc, uint16_t sequence, uint32_t timestamp, uint32_t clock_rate_hz, uint64_t now_us);

  uint32_t ssrc_;
  uint16_t first_sequence_;
  bool started_ = false;
  bool has_source_ = false;
  uint32_t source_ssrc_ = 0;
  uint16_t highest_source_sequence_ = 0;
  /** After a jump: the sequence number that would confirm that the source started over (RFC 3550 A.1). */
  uint32_t restart_sequence_;
  /** Outbound sequence numbers, extended so that they never wrap. */
  uint64_t highest_index_;
  uint64_t base_index_;
  uint32_t clock_rate_hz_ = 0;
  uint32_t timestamp_offset_;
  uint32_t newest_source_timestamp_ = 0;
  uint64_t newest_timestamp_at_us_ = 0;
};

}  // namespace webtrunk
