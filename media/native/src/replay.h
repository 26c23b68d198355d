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
  bool is_empty() const { return next_ == 0; }
  /** Highest committed index; 0 when empty. */
  uint64_t highest() const { return is_empty() ? 0 : next_ - 1; }

 private:
  /** Bit n stands for `next_ - 1 - n`. */
  uint64_t seen_[2] = {0, 0};
  /** The index after the highest; 0: none was committed. An index has 48 bits. */
  uint64_t next_ = 0;
};

}  // namespace webtrunk
