#pragma once

#include <cstddef>
#include <cstdint>

namespace webtrunk {

/**
 * How long the relay thread sleeps before it looks at its sockets again. Waking up costs about as much as a packet, and
 * packets of many calls come evenly spread, so they share wake-ups only if somebody waits for them. Nobody waits where there
 * is little to gather: below `kLeast` packets in the longest pause a packet is taken at once. Times are nanoseconds.
 */
class Gathering {
 public:
  /** Packets that make a pause worth its delay. */
  static constexpr int64_t kLeast = 2;
  /** A batch. More in one wake-up save nothing: the pause gets shorter instead. */
  static constexpr int64_t kEnough = 64;

  /** `longest_ns` 0: never a pause. */
  explicit Gathering(int64_t longest_ns) : longest_ns_(longest_ns) {}

  /** A round that began at `began_ns` took in so many packets. */
  void note(size_t packets, int64_t began_ns);
  /** From the beginning of one round to that of the next, at least; 0: at once. */
  int64_t pause_ns() const { return pause_ns_; }

 private:
  void choose(int64_t per_second);

  const int64_t longest_ns_;
  int64_t pause_ns_ = 0;
  int64_t per_second_ = 0;
  int64_t window_packets_ = 0;
  int64_t window_began_ns_ = 0;
};

}  // namespace webtrunk
