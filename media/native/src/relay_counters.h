#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "drop.h"
#include "endpoint.h"

namespace webtrunk {

/** A count with one writer, the relay thread, that other threads may read. */
class Counter {
 public:
  void add(uint64_t amount) { value_.store(get() + amount, std::memory_order_relaxed); }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/**
 * An endpoint with one writer: readers try again when they meet a half-written one. Written when a target moves, so all
 * of it is sequentially consistent and nothing has to be proven about fences.
 */
class PublishedEndpoint {
 public:
  void set(const Endpoint& endpoint) {
    uint64_t words[kWords] = {};
    std::memcpy(words, endpoint.address.data(), 16);
    words[2] = endpoint.port;
    version_++;
    for (size_t i = 0; i < kWords; i++) words_[i] = words[i];
    version_++;
  }

  std::optional<Endpoint> get() const {
    uint64_t words[kWords];
    uint32_t version;
    do {
      version = version_;
      for (size_t i = 0; i < kWords; i++) words[i] = words_[i];
    } while (version % 2 == 1 || version != version_);
    if (version == 0) return std::nullopt;
    Endpoint endpoint;
    std::memcpy(endpoint.address.data(), words, 16);
    endpoint.port = static_cast<uint16_t>(words[2]);
    return endpoint;
  }

 private:
  static constexpr size_t kWords = 3;
  std::atomic<uint32_t> version_{0};
  std::array<std::atomic<uint64_t>, kWords> words_{};
};

using DropCounters = std::array<Counter, kDropCount>;

inline void count(DropCounters& drops, Drop drop) { drops[static_cast<size_t>(drop)].add(1); }

/** RTP of one leg. Octets are of RTP payload, as in sender reports (RFC 3550 §6.4.1). */
struct LegCounters {
  Counter packets_received;
  Counter octets_received;
  Counter packets_sent;
  Counter octets_sent;
  DropCounters drops;
  PublishedEndpoint remote;
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
};

}  // namespace webtrunk
