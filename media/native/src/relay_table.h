#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "fetch_ahead.h"

namespace webtrunk {

/** SipHash-1-3 with a random key: peers choose what is hashed, and must not be able to choose collisions. */
class KeyedHash {
 public:
  /** Seeded by the kernel. */
  static KeyedHash random();

  uint64_t operator()(const void* bytes, size_t length) const {
    uint64_t v0 = k0_ ^ 0x736f6d6570736575U, v1 = k1_ ^ 0x646f72616e646f6dU;
    uint64_t v2 = k0_ ^ 0x6c7967656e657261U, v3 = k1_ ^ 0x7465646279746573U;
    const auto round = [&] {
      v0 += v1, v1 = rotate(v1, 13) ^ v0, v0 = rotate(v0, 32);
      v2 += v3, v3 = rotate(v3, 16) ^ v2;
      v0 += v3, v3 = rotate(v3, 21) ^ v0;
      v2 += v1, v1 = rotate(v1, 17) ^ v2, v2 = rotate(v2, 32);
    };
    const auto* at = static_cast<const uint8_t*>(bytes);
    size_t left = length;
    for (; left >= 8; left -= 8, at += 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      v3 ^= word, round(), v0 ^= word;
    }
    uint64_t last = static_cast<uint64_t>(length) << 56;
    for (size_t i = 0; i < left; i++) last |= static_cast<uint64_t>(at[i]) << (8 * i);
    v3 ^= last, round(), v0 ^= last;
    v2 ^= 0xff, round(), round(), round();
    return v0 ^ v1 ^ v2 ^ v3;
  }

 private:
  KeyedHash(uint64_t k0, uint64_t k1) : k0_(k0), k1_(k1) {}
  static uint64_t rotate(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

  uint64_t k0_;
  uint64_t k1_;
};

/**
 * Hash table with a maximum, for the relay thread: open addressing, linear probing, at most half full. A `Key` is compared and
 * hashed by its bytes, so it has no padding.
 */
template <typename Key, typename Value>
class BoundedTable {
  static_assert(std::has_unique_object_representations_v<Key>, "compared by its bytes");

 public:
  /** All its memory is taken now: `put` does not allocate. */
  BoundedTable(size_t capacity, KeyedHash hash) : BoundedTable(capacity, hash, capacity) {}
  /** Memory for `first` entries; it doubles in the `put` that finds no room, and is kept. */
  BoundedTable(size_t capacity, KeyedHash hash, size_t first) : hash_(hash), capacity_(capacity) {
    size_t slots = 4;
    while (slots < first * 2) slots *= 2;
    entries_.resize(slots);
  }

  size_t size() const { return size_; }

  const Value* find(const Key& key) const { return find(key, home_of(key)); }

  /** Where the search for a key begins, for `find` a little later; has it fetched. Holds until the table is changed. */
  size_t seek(const Key& key) const {
    const size_t home = home_of(key);
    fetch_ahead(&entries_[home], sizeof(Entry));
    return home;
  }
  const Value* find(const Key& key, size_t home) const {
    const Entry& entry = entries_[locate(key, home)];
    return entry.is_used ? &entry.value : nullptr;
  }

  /** Adds or overwrites; false when the table is full. */
  bool put(const Key& key, const Value& value) {
    if (Entry& entry = entries_[locate(key)]; entry.is_used) {
      entry.value = value;
      return true;
    }
    if (size_ == capacity_) return false;
    if ((size_ + 1) * 2 > entries_.size()) grow();
    entries_[locate(key)] = {key, value, true};
    size_++;
    return true;
  }

  void erase(const Key& key) {
    size_t hole = locate(key);
    if (!entries_[hole].is_used) return;
    size_--;
    // Entries that a collision pushed past the hole move back, so that probing needs no tombstones.
    for (size_t next = after(hole); entries_[next].is_used; next = after(next)) {
      const size_t home = home_of(entries_[next].key);
      const bool is_beyond_hole = hole < next ? (hole < home && home <= next) : (hole < home || home <= next);
      if (is_beyond_hole) continue;
      entries_[hole] = entries_[next];
      hole = next;
    }
    entries_[hole] = Entry();
  }

 private:
  struct Entry {
    Key key{};
    Value value{};
    bool is_used = false;
  };

  void grow() {
    std::vector<Entry> before(entries_.size() * 2);
    before.swap(entries_);
    for (const Entry& entry : before) {
      if (entry.is_used) entries_[locate(entry.key)] = entry;
    }
  }

  size_t home_of(const Key& key) const { return hash_(&key, sizeof key) & (entries_.size() - 1); }
  size_t after(size_t index) const { return (index + 1) & (entries_.size() - 1); }

  /** Where the key is, or the free entry where it would go. */
  size_t locate(const Key& key) const { return locate(key, home_of(key)); }
  size_t locate(const Key& key, size_t index) const {
    while (entries_[index].is_used && std::memcmp(&entries_[index].key, &key, sizeof key) != 0) index = after(index);
    return index;
  }

  KeyedHash hash_;
  size_t capacity_;
  size_t size_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace webtrunk
