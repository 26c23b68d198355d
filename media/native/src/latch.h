#pragma once

#include <cstdint>

#include "endpoint.h"

namespace webtrunk {

/**
 * Whom a trunk leg believes and where it sends. The peer's description names the expected remote. For a learning
 * window another source may take its place (a peer behind NAT); after it, only the source learnt is accepted. The
 * expected remote itself always wins during the window, so a stray first packet cannot keep the real peer out.
 */
class Latch {
 public:
  enum class Verdict : uint8_t { accepted, moved, rejected };

  /** The window starts at `now_ms`; 0: strict at once. Repeating the remote in force opens the window again and keeps the target. */
  void expect(const Endpoint& remote, uint64_t window_ms, uint64_t now_ms);

  /** Judges the source of a plausible packet, on an SRTP leg an authenticated one. `moved`: accepted, and `target()` is new. */
  Verdict offer(const Endpoint& source, uint64_t now_ms);

  bool has_target() const { return has_target_; }
  /** Whether this is the remote in force. */
  bool expects(const Endpoint& remote) const { return has_target_ && remote == expected_; }
  const Endpoint& target() const { return target_; }

 private:
  Endpoint expected_;
  Endpoint target_;
  uint64_t open_until_ms_ = 0;
  bool has_target_ = false;
  /** A packet was accepted: no further unknown source is. */
  bool settled_ = false;
};

}  // namespace webtrunk
