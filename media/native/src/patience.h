#pragma once

#include <cstdint>

namespace webtrunk {

/**
 * When a thread stops hoping to catch up. A burst, or a machine that stood still, leaves a backlog that is soon worked off; one that lasts
 * means that more comes than the thread can carry, and then whoever is served has waited for all the others. Times are nanoseconds and never
 * go back.
 */
class Patience {
 public:
  /**
   * Without any backlog for as long, the thread keeps up again. Past its capacity each round has one, two milliseconds after the other; calls
   * whose packets all come at the same beat make one of them now and then.
   */
  static constexpr int64_t kCalmNs = 5'000'000;

  /** `lasts_ns`: how long one round after the other may leave something unserved. */
  explicit Patience(int64_t lasts_ns) : lasts_ns_(lasts_ns) {}

  void note(bool has_backlog, int64_t now_ns) {
    // A round has shown it: that no time was given to the thread is no calm.
    const bool is_calm = (!has_backlog || !was_backlog_) && now_ns - newest_ns_ >= kCalmNs;
    if (is_calm) is_over_ = false;
    if (has_backlog) {
      if (!was_backlog_) began_ns_ = now_ns;
      newest_ns_ = now_ns;
      if (now_ns - began_ns_ >= lasts_ns_) is_over_ = true;
    }
    was_backlog_ = has_backlog;
  }
  bool is_over() const { return is_over_; }

 private:
  const int64_t lasts_ns_;
  bool was_backlog_ = false;
  bool is_over_ = false;
  int64_t began_ns_ = 0;
  int64_t newest_ns_ = 0;
};

}  // namespace webtrunk
