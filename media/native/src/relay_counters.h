#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "counter.h"
#include "endpoint.h"
#include "fetch_ahead.h"
#include "leg_drops.h"
#include "receive_statistics.h"

namespace webtrunk {

/**
 * A value with one writer, the relay thread: readers try again when they meet a half-written one. Every store releases
 * and every load acquires, so whoever sees a word of a newer value also sees the version that was set before it.
 */
template <typename Value>
class Published {
  static_assert(std::is_trivially_copyable_v<Value>);

 public:
  void set(const Value& value) {
    uint64_t words[kWords] = {};
    std::memcpy(words, &value, sizeof value);
    const uint32_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_release);
    for (size_t i = 0; i < kWords; i++) words_[i].store(words[i], std::memory_order_release);
    version_.store(version + 2, std::memory_order_release);
  }

  /** Nothing before the first `set`. */
  std::optional<Value> get() const {
    uint64_t words[kWords];
    uint32_t version;
    do {
      version = version_.load(std::memory_order_acquire);
      for (size_t i = 0; i < kWords; i++) words[i] = words_[i].load(std::memory_order_acquire);
    } while (version % 2 == 1 || version != version_.load(std::memory_order_relaxed));
    if (version == 0) return std::nullopt;
    Value value;
    std::memcpy(static_cast<void*>(&value), words, sizeof value);
    return value;
  }

 private:
  static constexpr size_t kWords = (sizeof(Value) + 7) / 8;
  std::atomic<uint32_t> version_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

/** What a sender report of ours says of the outbound stream. */
struct SendFigures {
  /** The stream's first sequence number; no cycles are counted before it. */
  uint16_t first_sequence;
  uint32_t newest_timestamp;
  uint32_t clock_rate_hz;
  uint64_t newest_at_us;
};

/** RTP of one leg. Octets are of RTP payload, as in sender reports (RFC 3550 §6.4.1). */
struct LegCounters {
  Counter packets_received;
  Counter octets_received;
  Counter packets_sent;
  Counter octets_sent;
  /** Of one received packet in 64: how many were looked into, and how many held one byte all through (digital silence). */
  Counter payload_samples;
  Counter flat_samples;
  Published<ReceiveFigures> receive;
  Published<SendFigures> send;
  /** What follows is for the packets that are not as the others. */
  Published<Endpoint> remote;
  LegDrops drops;

  void fetch_ahead() const { webtrunk::fetch_ahead(this, reinterpret_cast<uintptr_t>(&remote) - reinterpret_cast<uintptr_t>(this)); }
};

/** What the relay thread shows of itself. */
struct RelayCounters {
  /** Of what belonged to no leg. */
  DropCounters drops;
  Counter legs;
  Counter tuples;
  Counter sockets;
  Counter players;
  Counter stray_sources;
  /** Share of the last second that the thread worked, per mille. */
  Counter load;
};

}  // namespace webtrunk
