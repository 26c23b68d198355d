#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "leg.h"
#include "relay_table.h"

namespace webtrunk {

/** What the JavaScript thread keeps of each leg: which ids are valid, and where its counters are. */
class LegDirectory {
 public:
  struct Entry {
    LegId id = 0;
    LegKind kind = LegKind::rtp;
    uint32_t ssrc = 0;
    bool is_dtls = false;
    /** Trunk leg on shared sockets: where, and the tuples that are its own. */
    std::optional<SharedPlace> place;
    std::vector<Tuple> tuples;
    std::vector<std::string> ufrags;
    std::shared_ptr<LegCounters> counters;
  };

  explicit LegDirectory(uint16_t max_legs)
      : entries_(max_legs), generations_(max_legs, 0), claims_(max_legs * kMaxClaims, KeyedHash::random(), kFirstClaims) {
    for (uint32_t slot = 0; slot < max_legs; slot++) free_.push_back(static_cast<uint16_t>(slot));
  }

  bool is_full() const { return free_.empty(); }
  bool has_ufrag(const std::string& ufrag) const { return ufrags_.count(ufrag) > 0; }

  /** Not when full. The slot freed longest ago is taken, so that ids come back as late as possible. */
  Entry& add(LegKind kind, uint32_t ssrc, const std::string& ufrag) {
    const uint16_t slot = free_.front();
    free_.pop_front();
    uint16_t& generation = generations_[slot];
    generation = generation == UINT16_MAX ? 1 : static_cast<uint16_t>(generation + 1);
    Entry& entry = entries_[slot];
    entry = Entry();
    entry.id = static_cast<LegId>(generation) << 16 | slot;
    entry.kind = kind;
    entry.ssrc = ssrc;
    entry.counters = std::make_shared<LegCounters>();
    if (kind == LegKind::webrtc) set_ufrags(entry, {ufrag});
    return entry;
  }

  /** False, and nothing changed, when another leg has one of them. */
  bool set_ufrags(Entry& entry, const std::vector<std::string>& ufrags) {
    for (const std::string& ufrag : ufrags) {
      const bool is_own = std::find(entry.ufrags.begin(), entry.ufrags.end(), ufrag) != entry.ufrags.end();
      if (!is_own && has_ufrag(ufrag)) return false;
    }
    for (const std::string& ufrag : entry.ufrags) ufrags_.erase(ufrag);
    ufrags_.insert(ufrags.begin(), ufrags.end());
    entry.ufrags = ufrags;
    return true;
  }

  /**
   * The tuples of a leg on shared sockets, RTP and at most one for RTCP, in place of those before. 0, or the leg that has one
   * of them; then nothing changed.
   */
  LegId claim(Entry& entry, const std::vector<Tuple>& tuples) {
    for (const Tuple& tuple : tuples) {
      const LegId* owner = claims_.find(tuple);
      if (owner != nullptr && *owner != entry.id) return *owner;
    }
    for (const Tuple& tuple : entry.tuples) claims_.erase(tuple);
    for (const Tuple& tuple : tuples) claims_.put(tuple, entry.id);
    entry.tuples = tuples;
    return 0;
  }

  /** Null when the id is not, or no longer, a leg. */
  Entry* find(LegId id) {
    const size_t slot = id & 0xffff;
    return id != 0 && slot < entries_.size() && entries_[slot].id == id ? &entries_[slot] : nullptr;
  }

  void remove(LegId id) {
    Entry* entry = find(id);
    if (entry == nullptr) return;
    set_ufrags(*entry, {});
    claim(*entry, {});
    *entry = Entry();
    free_.push_back(static_cast<uint16_t>(id & 0xffff));
  }

 private:
  std::vector<Entry> entries_;
  std::vector<uint16_t> generations_;
  std::deque<uint16_t> free_;
  std::unordered_set<std::string> ufrags_;
  static constexpr size_t kMaxClaims = 2;
  static constexpr size_t kFirstClaims = 64;
  BoundedTable<Tuple, LegId> claims_;
};

}  // namespace webtrunk
