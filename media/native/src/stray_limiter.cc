#include "stray_limiter.h"

#include <algorithm>

#include "relay_address.h"

namespace webtrunk {

StrayLimiter::StrayLimiter(size_t max_sources, BucketRate rate, KeyedHash hash)
    : rate_(rate), index_(max_sources, hash), sources_(max_sources) {
  for (size_t i = max_sources; i-- > 0;) {
    sources_[i].older = free_;
    free_ = static_cast<uint32_t>(i);
  }
}

bool StrayLimiter::allows(const Endpoint& from, int64_t now_ns) {
  Key key = from.address;
  if (!is_v4(from)) std::fill(key.begin() + 8, key.end(), uint8_t{0});

  const uint32_t* known = index_.find(key);
  const uint32_t at = known != nullptr ? *known : add(key);
  if (at != newest_) {
    unlink(at);
    link_as_newest(at);
  }
  return sources_[at].bucket.take(rate_, now_ns);
}

void StrayLimiter::expire(int64_t now_ns) {
  while (oldest_ != kNone && sources_[oldest_].bucket.is_full(now_ns)) drop(oldest_);
}

uint32_t StrayLimiter::add(const Key& key) {
  if (free_ == kNone) drop(oldest_);
  const uint32_t at = free_;
  free_ = sources_[at].older;
  sources_[at] = Source();
  sources_[at].key = key;
  index_.put(key, at);
  link_as_newest(at);
  return at;
}

void StrayLimiter::drop(uint32_t at) {
  unlink(at);
  index_.erase(sources_[at].key);
  sources_[at].older = free_;
  free_ = at;
}

void StrayLimiter::unlink(uint32_t at) {
  Source& source = sources_[at];
  (source.newer == kNone ? newest_ : sources_[source.newer].older) = source.older;
  (source.older == kNone ? oldest_ : sources_[source.older].newer) = source.newer;
  source.newer = source.older = kNone;
}

void StrayLimiter::link_as_newest(uint32_t at) {
  sources_[at].older = newest_;
  (newest_ == kNone ? oldest_ : sources_[newest_].newer) = at;
  newest_ = at;
}

}  // namespace webtrunk
