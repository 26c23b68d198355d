#pragma once

#include <cstddef>
#include <cstdint>

namespace webtrunk {

/**
 * Which of the last 128 packet indices were seen (RFC 3711 §3.3.2). Checking and committing are apart: the caller
 * authenticates in between, so that a forged packet never moves the window.
 */
class ReplayWindow {
 public:
  static constexpr uint64_t kSize = 128;

  /** False for an index that was seen, or is too old to tell. */
  bool is_fresh(uint64_t index) const;
  void commit(uint64_t index);
  bool is_empty() const { return empty_; }
  /** Highest committed index; 0 when empty. */
  uint64_t highest() const { return highest_; }

 private:
  /** Bit n stands for `highest_ - n`. */
  uint64_t seen_[2] = {0, 0};
  uint64_t highest_ = 0;
  bool empty_ = true;
};

}  // namespace webtrunk
