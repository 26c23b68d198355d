#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "endpoint.h"
#include "relay_table.h"
#include "relay_token_bucket.h"

namespace webtrunk {

/**
 * Limits what sources without an admitted 5-tuple may send upwards: a token bucket per IPv4 address or IPv6 /64 (one
 * host has all of it). Holds at most `max_sources`; beyond that the least recently seen is replaced.
 */
class StrayLimiter {
 public:
  StrayLimiter(size_t max_sources, BucketRate rate, KeyedHash hash);

  bool allows(const Endpoint& from, int64_t now_ns);
  /** Forgets sources whose bucket has recovered, least recently seen first: nothing is lost by that. */
  void expire(int64_t now_ns);
  size_t size() const { return index_.size(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  using Key = std::array<uint8_t, 16>;

  struct Source {
    Key key{};
    TokenBucket bucket;
    uint32_t newer = kNone;
    /** In the free list: the next free one. */
    uint32_t older = kNone;
  };

  uint32_t add(const Key& key);
  void drop(uint32_t at);
  void unlink(uint32_t at);
  void link_as_newest(uint32_t at);

  BucketRate rate_;
  BoundedTable<Key, uint32_t> index_;
  std::vector<Source> sources_;
  uint32_t newest_ = kNone;
  uint32_t oldest_ = kNone;
  uint32_t free_ = kNone;
};

}  // namespace webtrunk
