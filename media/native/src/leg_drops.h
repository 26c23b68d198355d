#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "counter.h"
#include "drop.h"

namespace webtrunk {

/**
 * Packets of one leg that went no further, by reason. Most legs meet two or three reasons in their life: the first few have a
 * word each, and memory for all is taken once, with the first reason beyond them. One writer, the relay thread; others may read.
 */
class LegDrops {
 public:
  /** `drop` is not `none`. */
  void add(Drop drop, uint64_t amount) {
    const uint64_t reason = static_cast<uint64_t>(drop) << kReasonAt;
    for (std::atomic<uint64_t>& word : first_) {
      const uint64_t before = word.load(std::memory_order_relaxed);
      if (before != 0 && before >> kReasonAt != static_cast<uint64_t>(drop)) continue;
      word.store((before == 0 ? reason : before) + amount, std::memory_order_release);
      return;
    }
    if (others_ == nullptr) {
      others_ = std::make_unique<DropCounters>();
      others_to_read_.store(others_.get(), std::memory_order_release);
    }
    count(*others_, drop, amount);
  }

  uint64_t of(Drop drop) const {
    for (const std::atomic<uint64_t>& word : first_) {
      const uint64_t value = word.load(std::memory_order_acquire);
      if (value != 0 && value >> kReasonAt == static_cast<uint64_t>(drop)) return value & kCountMask;
    }
    const DropCounters* others = others_to_read_.load(std::memory_order_acquire);
    return others == nullptr ? 0 : counted(*others, drop);
  }

 private:
  static constexpr size_t kFirst = 4;
  /** A leg would need centuries of its line's rate to count beyond the bits below. */
  static constexpr unsigned kReasonAt = 56;
  static constexpr uint64_t kCountMask = (uint64_t{1} << kReasonAt) - 1;

  /** Reason and count; 0: free. */
  std::array<std::atomic<uint64_t>, kFirst> first_{};
  std::unique_ptr<DropCounters> others_;
  std::atomic<const DropCounters*> others_to_read_{nullptr};
};

inline void count(LegDrops& drops, Drop drop, uint64_t amount = 1) { drops.add(drop, amount); }
inline uint64_t counted(const LegDrops& drops, Drop drop) { return drops.of(drop); }

}  // namespace webtrunk
