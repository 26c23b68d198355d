#include "latch.h"

namespace webtrunk {

void Latch::expect(const Endpoint& remote, uint64_t window_ms, uint64_t now_ms) {
  former_ = {};
  if (!has_target_ || remote != expected_) {
    if (has_target_ && remote != target_) former_ = target_;
    expected_ = remote;
    target_ = remote;
  }
  has_target_ = true;
  settled_ = false;
  open_until_ms_ = now_ms + window_ms;
}

Latch::Verdict Latch::judge(const Endpoint& source, uint64_t now_ms) const {
  if (!has_target_) return Verdict::rejected;
  if (source == target_) return Verdict::accepted;
  const bool is_open = now_ms < open_until_ms_;
  const bool is_believed = source == expected_ ? is_open || !settled_ : is_open && !settled_;
  return is_believed ? Verdict::moved : Verdict::rejected;
}

Latch::Verdict Latch::offer(const Endpoint& source, uint64_t now_ms) {
  const Verdict verdict = judge(source, now_ms);
  if (verdict == Verdict::rejected) return verdict;
  target_ = source;
  settled_ = settled_ || source != former_;
  return verdict;
}

}  // namespace webtrunk
