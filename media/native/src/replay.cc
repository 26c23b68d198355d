#include "replay.h"

namespace webtrunk {

bool ReplayWindow::is_fresh(uint64_t index) const {
  if (index >= next_) return true;
  const uint64_t age = next_ - 1 - index;
  return age < kSize && (seen_[age / 64] >> (age % 64) & 1) == 0;
}

void ReplayWindow::commit(uint64_t index) {
  if (index < next_) {
    const uint64_t age = next_ - 1 - index;
    if (age < kSize) seen_[age / 64] |= uint64_t{1} << (age % 64);
    return;
  }
  const uint64_t step = index + 1 - next_;
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
  next_ = index + 1;
}

}  // namespace webtrunk
