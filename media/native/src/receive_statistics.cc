#include "receive_statistics.h"

namespace webtrunk {

namespace {

constexpr int32_t kMaxDropout = 3000;
constexpr int32_t kMaxMisorder = 100;
/** A source whose clock stood still or leapt, as over a hold, has a new timeline; it is no jitter. */
constexpr int64_t kMaxDeviationNs = 1'000'000'000;

}  // namespace

void ReceiveStatistics::on_packet(const RtpHeader& header, uint32_t clock_rate_hz, int64_t now_ns) {
  if (figures_.epoch == 0) {
    begin(header);
  } else if (header.ssrc != figures_.ssrc) {
    const bool is_confirmed = header.ssrc == candidate_ssrc_ && header.sequence == candidate_next_;
    candidate_ssrc_ = header.ssrc;
    candidate_next_ = static_cast<uint16_t>(header.sequence + 1);
    if (!is_confirmed) return;
    begin(header);
    // The packet that made it a candidate.
    figures_.base_sequence--;
    figures_.received++;
  } else if (!follow(header)) {
    return;
  }
  measure(header, clock_rate_hz, now_ns);
}

void ReceiveStatistics::begin(const RtpHeader& header) {
  figures_.expected_before += figures_.expected();
  figures_.received_before += figures_.received;
  figures_.epoch++;
  figures_.ssrc = header.ssrc;
  // One cycle above zero, so that there is always one below.
  figures_.base_sequence = 0x10000 + uint64_t{header.sequence};
  figures_.highest_sequence = figures_.base_sequence;
  figures_.received = 1;
  figures_.jitter_ns = 0;
  figures_.report_ntp = 0;
  figures_.report_at_ns = 0;
  candidate_next_ = kNone;
  restart_next_ = kNone;
  has_reference_ = false;
}

/** False: the packet is too far off to count (yet). */
bool ReceiveStatistics::follow(const RtpHeader& header) {
  candidate_next_ = kNone;
  const int32_t step = static_cast<int16_t>(header.sequence - static_cast<uint16_t>(figures_.highest_sequence));
  if (step > kMaxDropout || step < -kMaxMisorder) {
    if (header.sequence != restart_next_) {
      restart_next_ = static_cast<uint16_t>(header.sequence + 1);
      return false;
    }
    begin(header);
    return true;
  }
  restart_next_ = kNone;
  if (step > 0) figures_.highest_sequence += static_cast<uint64_t>(step);
  figures_.received++;
  return true;
}

void ReceiveStatistics::measure(const RtpHeader& header, uint32_t clock_rate_hz, int64_t now_ns) {
  if (clock_rate_hz == 0) return;
  figures_.clock_rate_hz = clock_rate_hz;
  // Events repeat the timestamp of their start (RFC 4733 §2.5.1.2): nothing can be read from those.
  if (has_reference_ && reference_rate_hz_ == clock_rate_hz && reference_timestamp_ == header.timestamp) return;

  const int64_t media_ns =
      int64_t{static_cast<int32_t>(header.timestamp - reference_timestamp_)} * 1'000'000'000 / int64_t{clock_rate_hz};
  const int64_t clock_ns = now_ns - reference_at_ns_;
  const int64_t difference_ns = clock_ns - media_ns;
  const int64_t deviation_ns = difference_ns < 0 ? -difference_ns : difference_ns;
  const bool is_comparable = has_reference_ && reference_rate_hz_ == clock_rate_hz && deviation_ns <= kMaxDeviationNs;
  has_reference_ = true;
  reference_rate_hz_ = clock_rate_hz;
  reference_timestamp_ = header.timestamp;
  reference_at_ns_ = now_ns;
  if (!is_comparable) return;

  const auto jitter_ns = static_cast<int64_t>(figures_.jitter_ns);
  figures_.jitter_ns = static_cast<uint64_t>(jitter_ns + (deviation_ns - jitter_ns) / 16);
  figures_.deviation_sum_ns += static_cast<uint64_t>(deviation_ns);
  figures_.deviations++;
  figures_.media_span_ns += media_ns;
  figures_.clock_span_ns += clock_ns;
}

void ReceiveStatistics::on_sender_report(uint32_t ssrc, uint32_t ntp_middle, int64_t now_ns) {
  if (figures_.epoch == 0 || ssrc != figures_.ssrc) return;
  figures_.report_ntp = ntp_middle;
  figures_.report_at_ns = now_ns;
}

}  // namespace webtrunk
