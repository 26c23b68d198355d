#pragma once

#include <cstdint>

#include "rtp.h"

namespace webtrunk {

/** What is known of the RTP that a leg receives. Times are of CLOCK_MONOTONIC, nanoseconds. */
struct ReceiveFigures {
  /** The source heard now. `epoch` counts sources and their restarts; 0: nothing was heard yet, the rest is void. */
  uint32_t ssrc;
  uint32_t epoch;
  /** Sequence numbers, extended by their cycles (RFC 3550 A.1). */
  uint64_t base_sequence;
  uint64_t highest_sequence;
  uint64_t received;
  /** RFC 3550 A.8, in time instead of ticks, because payload types of one source may differ in rate. */
  uint64_t jitter_ns;
  /** Of the last packet whose payload type has a route; 0: none had. */
  uint32_t clock_rate_hz;
  /** Middle 32 bits of the NTP time in the source's last sender report, and when it came; 0 when there was none. */
  uint32_t report_ntp;
  int64_t report_at_ns;
  /** Of the sources, and of the time before a restart, that are over. */
  uint64_t expected_before;
  uint64_t received_before;
  /** All that ever went into a jitter: its sum and number, for a mean over the leg's life. */
  uint64_t deviation_sum_ns;
  uint64_t deviations;
  /** How far its timestamps went, and how long that took: a wrong clock shows in their ratio. */
  int64_t media_span_ns;
  int64_t clock_span_ns;

  uint64_t expected() const { return epoch == 0 ? 0 : highest_sequence - base_sequence + 1; }
};

/**
 * RFC 3550 A.1, A.3 and A.8 for one leg, packet by packet. The first source is believed at once; another SSRC replaces
 * it after two packets in sequence, so that a single stray one resets nothing.
 */
class ReceiveStatistics {
 public:
  /** `clock_rate_hz` 0: unknown, and the packet says nothing of jitter. `now_ns` never goes back. */
  void on_packet(const RtpHeader& header, uint32_t clock_rate_hz, int64_t now_ns);
  void on_sender_report(uint32_t ssrc, uint32_t ntp_middle, int64_t now_ns);

  const ReceiveFigures& figures() const { return figures_; }

 private:
  /** Never a sequence number. */
  static constexpr uint32_t kNone = 0x10000;

  void begin(const RtpHeader& header);
  bool follow(const RtpHeader& header);
  void measure(const RtpHeader& header, uint32_t clock_rate_hz, int64_t now_ns);

  ReceiveFigures figures_{};
  /** Another source, and the number that would confirm it. */
  uint32_t candidate_ssrc_ = 0;
  uint32_t candidate_next_ = kNone;
  /** After a jump: the number that would confirm a restart. */
  uint32_t restart_next_ = kNone;
  /** Of the packet before, as a reference for the jitter. */
  bool has_reference_ = false;
  uint32_t reference_rate_hz_ = 0;
  uint32_t reference_timestamp_ = 0;
  int64_t reference_at_ns_ = 0;
};

}  // namespace webtrunk
