#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "drop.h"

namespace webtrunk {

/** A count with one writer, the relay thread, that other threads may read: who sees it sees what was counted before it. */
class Counter {
 public:
  void add(uint64_t amount) { set(value_.load(std::memory_order_relaxed) + amount); }
  void set(uint64_t value) { value_.store(value, std::memory_order_release); }
  uint64_t get() const { return value_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> value_{0};
};

using DropCounters = std::array<Counter, kDropCount>;

inline void count(DropCounters& drops, Drop drop, uint64_t amount = 1) { drops[static_cast<size_t>(drop)].add(amount); }
inline uint64_t counted(const DropCounters& drops, Drop drop) { return drops[static_cast<size_t>(drop)].get(); }

}  // namespace webtrunk
