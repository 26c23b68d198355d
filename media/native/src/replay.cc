#include "replay.h"

namespace webtrunk {

bool ReplayWindow::is_fresh(uint64_t index) const {
  if (empty_ || index > highest_) return true;
  const uint64_t age = highest_ - index;
  return age < kSize && (seen_[age / 64] >> (age % 64) & 1) == 0;
}

void ReplayWindow::commit(uint64_t index) {
  if (!empty_ && index <= highest_) {
    const uint64_t age = highest_ - index;
    if (age < kSize) seen_[age / 64] |= uint64_t{1} << (age % 64);
    return;
  }
  const uint64_t step = empty_ ? kSize : index - highest_;
  if (step >= kSize) {
    seen_[0] = seen_[1] = 0;
  } else if (step >= 64) {
    seen_[1] = seen_[0] << (step - 64);
    seen_[0] = 0;
  } else {
    seen_[1] = seen_[1] << step | seen_[0] >> (64 - step);
    seen_[0] <<= step;
  }
  seen_[0] |= 1;
  highest_ = index;
  empty_ = false;
}

}  // namespace webtrunk
