#pragma once

#include <cstddef>
#include <cstdint>

namespace bench {

/** 20 ms of G.711. */
constexpr size_t kPayloadLength = 160;

/**
 * What a payload says of its packet: whose it is, which one, and when it was sent. The rest is a pattern made of these,
 * so that a payload of another packet or with a changed byte is known.
 */
struct Mark {
  uint32_t stream;
  uint32_t number;
  /** By the wall clock. */
  int64_t sent_ns;
};

void write_payload(uint8_t* payload, const Mark& mark);
/** False when it is none of ours, or not as it was sent. */
bool read_payload(const uint8_t* payload, size_t length, Mark& mark);

}  // namespace bench
