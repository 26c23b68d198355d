#pragma once

#include <cstdint>

#include "endpoint.h"

namespace webtrunk {

/**
 * Whom a trunk leg believes and where it sends. The peer's description names the expected remote. For a learning
 * window another source may take its place (a peer behind NAT); after it, only the source learnt is accepted. The
 * expected remote itself always wins during the window, so a stray first packet cannot keep the real peer out.
 *
 * A peer that is described anew still sends from where it was for a moment, and behind a NAT for good. Its former source is
 * therefore believed, but does not end the learning: the first other source in the window takes its place.
 */
class Latch {
 public:
  enum class Verdict : uint8_t { accepted, moved, rejected };

  /** The window starts at `now_ms`; 0: strict at once. Repeating the remote in force opens the window again and keeps the target. */
  void expect(const Endpoint& remote, uint64_t window_ms, uint64_t now_ms);

  /** Judges the source of a plausible packet, on an SRTP leg an authenticated one. `moved`: accepted, and `target()` is new. */
  Verdict offer(const Endpoint& source, uint64_t now_ms);
  /** What `offer` would say. */
  Verdict judge(const Endpoint& source, uint64_t now_ms) const;

  bool has_target() const { return has_target_; }
  /** Whether this is the remote in force. */
  bool expects(const Endpoint& remote) const { return has_target_ && remote == expected_; }
  const Endpoint& target() const { return target_; }

 private:
  Endpoint expected_;
  Endpoint target_;
  /** The target before the description changed; else nobody's. */
  Endpoint former_;
  bool has_target_ = false;
  /** A packet of another source than the former one was accepted: no further unknown source is. */
  bool settled_ = false;
  uint64_t open_until_ms_ = 0;
};

}  // namespace webtrunk
