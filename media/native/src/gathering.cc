#include "gathering.h"

#include <algorithm>

namespace webtrunk {

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
/** The length of a packet: in less, calls that pause and start look like a change. */
constexpr int64_t kWindowNs = 20'000'000;
/** A window that idleness made this long says all by itself. */
constexpr int64_t kLongWindowNs = 10 * kWindowNs;
/** Weight of what was known before a window. */
constexpr int64_t kMemory = 3;

}  // namespace

void Gathering::note(size_t packets, int64_t began_ns) {
  window_packets_ += static_cast<int64_t>(packets);
  const int64_t elapsed_ns = began_ns - window_began_ns_;
  if (elapsed_ns < kWindowNs) return;
  // The packets of a window came in the time that it lasted; seconds first, so that the product stays small.
  const int64_t per_second = window_packets_ * 1'000'000 / (elapsed_ns / 1'000);
  const bool is_all_known = elapsed_ns >= kLongWindowNs;
  choose(is_all_known ? per_second : (per_second_ * kMemory + per_second) / (kMemory + 1));
  window_packets_ = 0;
  window_began_ns_ = began_ns;
}

void Gathering::choose(int64_t per_second) {
  per_second_ = per_second;
  pause_ns_ = 0;
  if (per_second == 0 || per_second * (longest_ns_ / 1'000) < kLeast * 1'000'000) return;
  pause_ns_ = std::min(longest_ns_, kEnough * kSecondNs / per_second);
}

}  // namespace webtrunk
