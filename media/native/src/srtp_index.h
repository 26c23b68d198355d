#pragma once

#include <cstdint>
#include <optional>

#include "replay.h"

namespace webtrunk {

/** 2^48 packets are the life of a key (RFC 3711 §9.2). */
constexpr uint64_t kSrtpIndexEnd = uint64_t{1} << 48;

/**
 * The 48-bit index that a sequence number most likely stands for (RFC 3711 §3.3.1, appendix A). A stream begins with
 * rollover counter 0. Empty when it would lie before the first round or after the last.
 */
inline std::optional<uint64_t> estimate_srtp_index(const ReplayWindow& window, uint16_t sequence) {
  if (window.is_empty()) return sequence;
  const uint64_t rollover = window.highest() >> 16;
  const int32_t newest = static_cast<int32_t>(window.highest() & 0xffff);
  const int32_t distance = static_cast<int32_t>(sequence) - newest;
  if (newest < 0x8000 && distance > 0x8000) {
    if (rollover == 0) return std::nullopt;
    return (rollover - 1) << 16 | sequence;
  }
  const bool is_next_round = newest >= 0x8000 && distance < -0x8000;
  const uint64_t index = (is_next_round ? rollover + 1 : rollover) << 16 | sequence;
  if (index >= kSrtpIndexEnd) return std::nullopt;
  return index;
}

}  // namespace webtrunk
