#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "byte_ring.h"
#include "relay_socket.h"

namespace webtrunk {

/** Wakes a relay thread for what other relay threads have put down for it. It is there as long as one of them may still ring. */
class Doorbell {
 public:
  /** The eventfd may not have been granted: look at `event`. */
  Doorbell();

  /** Watched edge-triggered, and never read. */
  const Fd& event() const { return event_; }

  /** Any thread, after it has put something down. Costs a system call only when the other one sleeps, or is about to. */
  void ring();

  /** Its own thread: from here on it has to be woken; what was put down before must be looked for once more. */
  void sleep() { is_asleep_.store(true); }
  void wake() { is_asleep_.store(false, std::memory_order_relaxed); }

 private:
  Fd event_;
  std::atomic<bool> is_asleep_{false};
};

/**
 * The way from one relay thread to another, for packets of legs that are bridged to a leg over there: plain RTP as its leg
 * has accepted it, each with the id of the leg's visitor on the other side. One producer, one consumer.
 */
class Crossing {
 public:
  /** 2 900 packets of G.711: what comes in 58 ms when all of 1 000 calls cross, and in 2 s when 30 do. A packet past it is dropped. */
  static constexpr size_t kBytes = 512 << 10;
  /** What a packet takes up beside its bytes. */
  static constexpr size_t kHeader = 8;

  explicit Crossing(std::shared_ptr<Doorbell> doorbell) : ring_(kBytes), doorbell_(std::move(doorbell)) {}

  const Doorbell* doorbell() const { return doorbell_.get(); }

  /** Producer; false: no room, and nothing was put down. */
  bool put(uint32_t visitor, const uint8_t* packet, size_t length);

  /** Consumer: how much there is to be taken, in bytes. */
  size_t available() const { return ring_.available(); }
  /** Consumer: takes the oldest packet, which there is; `out` has room for any that was put. Returns how much that was, as `available` counts. */
  size_t take(uint32_t& visitor, uint8_t* out, size_t& length);

 private:
  struct Header {
    uint32_t visitor;
    uint32_t length;
  };
  static_assert(sizeof(Header) == kHeader, "as documented");

  ByteRing ring_;
  const std::shared_ptr<Doorbell> doorbell_;
};

}  // namespace webtrunk
