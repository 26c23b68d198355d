#pragma once

#include <cstdint>

namespace webtrunk {

/** How often something may happen: `burst` at once, then `per_second`. Both at least 1. */
struct BucketRate {
  uint32_t per_second;
  uint32_t burst;
};

/**
 * Token bucket as a single number, the time at which it will be full again: so a bucket that was never used and one
 * that has recovered are the same thing.
 */
class TokenBucket {
 public:
  bool take(BucketRate rate, int64_t now_ns) {
    const int64_t cost_ns = 1'000'000'000 / rate.per_second;
    const int64_t start_ns = full_at_ns_ > now_ns ? full_at_ns_ : now_ns;
    if (start_ns + cost_ns - now_ns > cost_ns * rate.burst) return false;
    full_at_ns_ = start_ns + cost_ns;
    return true;
  }

  bool is_full(int64_t now_ns) const { return full_at_ns_ <= now_ns; }

 private:
  int64_t full_at_ns_ = 0;
};

}  // namespace webtrunk
