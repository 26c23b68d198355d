#include "player.h"

#include <cstring>

#include "bytes.h"
#include "rtp.h"

namespace webtrunk {

void Player::skip_missed(int64_t now_ns) {
  const int64_t late = (now_ns - due_ns_) / playback_.interval_ns;
  if (late <= kMaxCatchUp) return;
  const int64_t skipped = late - kMaxCatchUp;
  due_ns_ += skipped * playback_.interval_ns;
  timestamp_ += static_cast<uint32_t>(skipped) * playback_.timestamp_step;
}

size_t Player::next(uint8_t* packet) {
  const std::vector<uint8_t>& frame = playback_.frames[frame_];
  packet[0] = 0x80;
  packet[1] = playback_.payload_type;
  write_u16(packet + 2, sequence_);
  write_u32(packet + 4, timestamp_);
  write_u32(packet + 8, source_ssrc_);
  std::memcpy(packet + kRtpFixedHeader, frame.data(), frame.size());

  frame_ = (frame_ + 1) % playback_.frames.size();
  sequence_++;
  timestamp_ += playback_.timestamp_step;
  due_ns_ += playback_.interval_ns;
  return kRtpFixedHeader + frame.size();
}

}  // namespace webtrunk
