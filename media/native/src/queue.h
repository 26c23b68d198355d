#pragma once

#include <cstddef>
#include <cstdint>

#include "byte_ring.h"
#include "endpoint.h"

namespace webtrunk {

/** Numbers shared with `batch.ts`. */
enum class RecordKind : uint8_t { stun = 1, dtls = 2, rtcp = 3, first_received = 4, first_sent = 5, target_moved = 6, key_pressed = 7, silent = 8 };

/** What a record says beside its bytes. */
struct RecordHead {
  RecordKind kind;
  uint32_t leg;
  uint16_t socket;
  /** Null: the record names no address. */
  const Endpoint* remote;
};

/**
 * What goes up to TypeScript: a ring of records between one producer (relay thread) and one consumer (JavaScript
 * thread). The last quarter is only for records of admitted 5-tuples and of legs.
 *
 * A record, little endian: u32 length of all of it, u8 kind, u8 length of the address text, u16 socket, u32 leg,
 * u16 port, u16 zero, address text, bytes.
 */
class UpQueue {
 public:
  static constexpr size_t kHeaderLength = 16;

  explicit UpQueue(size_t bytes) : ring_(bytes) {}

  /** Relay thread. False: no room, and nothing was added. */
  bool push(const RecordHead& head, const uint8_t* bytes, size_t length, bool is_admitted);

  /** JavaScript thread: length of the oldest whole records that fit into `maximum`, at least one record if there is any. */
  size_t peek(size_t maximum) const;
  /** JavaScript thread: takes what `peek` measured. */
  void take(uint8_t* out, size_t length);
  bool is_empty() const { return ring_.is_empty(); }

 private:
  ByteRing ring_;
};

}  // namespace webtrunk
