#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bench {

/** Times in nanoseconds, 32 steps for each power of two: a percentile is right to 3 %. Fixed size, nothing is allocated. */
class Histogram {
 public:
  void add(int64_t ns) {
    counts_[slot_of(ns < 0 ? 0 : static_cast<uint64_t>(ns))]++;
    total_++;
  }

  uint64_t total() const { return total_; }

  /** `share` in [0, 1]; the upper end of the step it falls into, 0 when nothing was added. */
  int64_t percentile(double share) const {
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(total_));
    uint64_t passed = 0;
    for (size_t slot = 0; slot < counts_.size(); slot++) {
      passed += counts_[slot];
      if (passed > wanted || (passed == total_ && total_ > 0)) return upper_end_of(slot);
    }
    return 0;
  }

  /** How many were longer. */
  uint64_t beyond(int64_t ns) const {
    uint64_t count = 0;
    for (size_t slot = 0; slot < counts_.size(); slot++)
      if (upper_end_of(slot) > ns) count += counts_[slot];
    return count;
  }

 private:
  static constexpr unsigned kStepBits = 5;
  static constexpr uint64_t kSteps = 1u << kStepBits;

  static size_t slot_of(uint64_t ns) {
    if (ns < kSteps) return ns;
    const unsigned shift = 63 - static_cast<unsigned>(__builtin_clzll(ns)) - kStepBits;
    return (static_cast<size_t>(shift) + 1) * kSteps + ((ns >> shift) - kSteps);
  }

  static int64_t upper_end_of(size_t slot) {
    if (slot < kSteps) return static_cast<int64_t>(slot);
    const unsigned shift = static_cast<unsigned>(slot / kSteps) - 1;
    return static_cast<int64_t>(((slot % kSteps + kSteps + 1) << shift) - 1);
  }

  std::array<uint64_t, (64 - kStepBits + 1) * kSteps> counts_{};
  uint64_t total_ = 0;
};

}  // namespace bench
