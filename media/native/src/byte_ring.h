#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace webtrunk {

/**
 * Bytes between one producer thread and one consumer thread, without locks, in a ring that never grows. What was written is
 * the consumer's when it is published, what was read is the producer's when it is given back.
 */
class ByteRing {
 public:
  explicit ByteRing(size_t bytes) : ring_(bytes) {}

  size_t size() const { return ring_.size(); }

  /** Producer: bytes in use, as seen by now. */
  size_t used() const { return head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_acquire); }

  /** Producer: `at` bytes behind what was published last. The caller has seen to it that there is room. */
  void write(size_t at, const void* from, size_t length) {
    if (length == 0) return;
    const size_t start = (head_.load(std::memory_order_relaxed) + at) % ring_.size();
    const size_t first = std::min(length, ring_.size() - start);
    std::memcpy(ring_.data() + start, from, first);
    std::memcpy(ring_.data(), static_cast<const uint8_t*>(from) + first, length - first);
  }

  /** Producer. Sequentially consistent, as `available` is: of "something added" and "about to sleep" the second sees the first. */
  void publish(size_t length) { head_.store(head_.load(std::memory_order_relaxed) + length); }

  /** Consumer. */
  size_t available() const { return head_.load() - tail_.load(std::memory_order_relaxed); }

  /** Consumer: of what is available, from `at` on. */
  void read(size_t at, void* to, size_t length) const {
    const size_t start = (tail_.load(std::memory_order_relaxed) + at) % ring_.size();
    const size_t first = std::min(length, ring_.size() - start);
    std::memcpy(to, ring_.data() + start, first);
    std::memcpy(static_cast<uint8_t*>(to) + first, ring_.data(), length - first);
  }

  /** Consumer. */
  void give_back(size_t length) { tail_.store(tail_.load(std::memory_order_relaxed) + length); }

  /** Either, or a third. */
  bool is_empty() const { return head_.load() == tail_.load(); }

 private:
  std::vector<uint8_t> ring_;
  /** Bytes ever put in and taken out; only their difference is bounded. */
  std::atomic<size_t> head_{0};
  std::atomic<size_t> tail_{0};
};

}  // namespace webtrunk
