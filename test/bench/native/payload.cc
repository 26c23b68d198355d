#include "payload.h"

#include <cstring>

namespace bench {

namespace {

constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;

void fill(uint8_t* payload, const Mark& mark) {
  memcpy(payload, &mark, sizeof mark);
  uint64_t word = (static_cast<uint64_t>(mark.stream) << 32 | mark.number) ^ static_cast<uint64_t>(mark.sent_ns);
  for (size_t at = sizeof mark; at < kPayloadLength; at += sizeof word) {
    word = word * kOdd + 1;
    memcpy(payload + at, &word, sizeof word);
  }
}

static_assert(sizeof(Mark) == 16 && kPayloadLength % 8 == 0, "the pattern goes up to the end");

}  // namespace

void write_payload(uint8_t* payload, const Mark& mark) { fill(payload, mark); }

bool read_payload(const uint8_t* payload, size_t length, Mark& mark) {
  if (length != kPayloadLength) return false;
  memcpy(&mark, payload, sizeof mark);
  uint8_t expected[kPayloadLength];
  fill(expected, mark);
  return memcmp(payload, expected, kPayloadLength) == 0;
}

}  // namespace bench
