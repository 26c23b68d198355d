#include "latch.h"

namespace webtrunk {

void Latch::expect(const Endpoint& remote, uint64_t window_ms, uint64_t now_ms) {
  if (!has_target_ || remote != expected_) {
    expected_ = remote;
    target_ = remote;
  }
  has_target_ = true;
  settled_ = false;
  open_until_ms_ = now_ms + window_ms;
}

Latch::Verdict Latch::offer(const Endpoint& source, uint64_t now_ms) {
  if (!has_target_) return Verdict::rejected;
  if (source == target_) {
    settled_ = true;
    return Verdict::accepted;
  }
  if (now_ms >= open_until_ms_) return Verdict::rejected;
  if (settled_ && source != expected_) return Verdict::rejected;
  target_ = source;
  settled_ = true;
  return Verdict::moved;
}

}  // namespace webtrunk
