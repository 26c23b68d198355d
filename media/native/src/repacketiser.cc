#include "repacketiser.h"

#include "bytes.h"

namespace webtrunk {

namespace {

constexpr int64_t kNsPerOctet = 1'000'000 / static_cast<int64_t>(Repacketiser::kOctetsPerMs);
/** How long a packet that is out of order is waited for. */
constexpr int64_t kHoleNs = 40'000'000;
/** Octets that may wait beside the packet just put, when the source's clock is faster than ours. */
constexpr uint32_t kBacklog = 80 * Repacketiser::kOctetsPerMs;

}  // namespace

Repacketiser::Taken Repacketiser::put(const RtpHeader& header, const uint8_t* payload, size_t length, int64_t now_ns) {
  const auto octets = static_cast<uint32_t>(length);
  const bool is_same = has_source_ && header.ssrc == source_ssrc_ && header.payload_type == payload_type_;
  const bool is_empty = !is_same || base_ == end_;
  if (octets == frame_ && is_empty) {
    has_source_ = false;
    return Taken::passes;
  }
  if (!is_same) {
    // Another timeline: the stream that takes our packets must not read a pause into it.
    if (has_source_) ssrc_++;
    begin(header, now_ns);
  }
  if (octets > kWindow / 2) return Taken::late;

  const uint32_t offset = header.timestamp - base_;
  if (offset >= kWindow - octets) {
    // Older than what was sent: late, unless its source has set its clock back.
    if (offset > UINT32_MAX / 2 && !is_restart(header, octets)) return Taken::late;
    const bool is_loss = header.sequence != next_source_sequence_;
    begin(header, now_ns);
    has_loss_ = is_loss;
    if (is_loss) sequence_++;
  }
  const auto step = static_cast<int16_t>(header.sequence - next_source_sequence_);
  if (step != 0) has_loss_ = step > 0;
  if (step >= 0) next_source_sequence_ = static_cast<uint16_t>(header.sequence + 1);

  for (uint32_t i = 0; i < octets; i++) {
    const size_t at = (header.timestamp + i) % kWindow;
    window_->octets[at] = payload[i];
    window_->present.set(at);
  }
  const uint32_t end = header.timestamp + octets;
  if (end - base_ > end_ - base_) end_ = end;
  if (end_ - base_ > frame_ + octets + kBacklog) due_ns_ = now_ns;
  return Taken::kept;
}

/** Of a packet that seems late. Two in a row, far back, that follow each other are no stragglers (compare RFC 3550 A.1). */
bool Repacketiser::is_restart(const RtpHeader& header, uint32_t octets) {
  if (base_ - header.timestamp <= kWindow) return false;
  const bool is_confirmed =
      has_restart_ && header.sequence == restart_sequence_ && header.timestamp == restart_timestamp_;
  has_restart_ = true;
  restart_sequence_ = static_cast<uint16_t>(header.sequence + 1);
  restart_timestamp_ = header.timestamp + octets;
  return is_confirmed;
}

void Repacketiser::withhold(const RtpHeader& header) {
  if (!has_source_ || header.ssrc != source_ssrc_) return;
  if (static_cast<int16_t>(header.sequence - next_source_sequence_) >= 0)
    next_source_sequence_ = static_cast<uint16_t>(header.sequence + 1);
}

/** Nothing waits any more; the next octet is the first of this packet. */
void Repacketiser::begin(const RtpHeader& header, int64_t now_ns) {
  has_source_ = true;
  source_ssrc_ = header.ssrc;
  payload_type_ = header.payload_type;
  next_source_sequence_ = header.sequence;
  has_loss_ = false;
  has_restart_ = false;
  is_marked_ = true;
  base_ = header.timestamp;
  end_ = base_;
  due_ns_ = now_ns;
  if (window_ == nullptr) window_ = std::make_unique<Window>();
  window_->present.reset();
}

bool Repacketiser::is_complete() const {
  if (end_ - base_ < frame_) return false;
  for (uint32_t i = 0; i < frame_; i++) {
    if (!has_octet(base_ + i)) return false;
  }
  return true;
}

void Repacketiser::forget(uint32_t from, uint32_t to) {
  for (uint32_t at = from; at != to; at++) window_->present.reset(at % kWindow);
}

/** Goes on with what is behind the first hole. */
void Repacketiser::skip_hole() {
  uint32_t at = base_;
  while (has_octet(at)) at++;
  while (!has_octet(at)) at++;
  forget(base_, at);
  if (has_loss_) sequence_ = static_cast<uint16_t>(sequence_ + (at - base_ + frame_ - 1) / frame_);
  is_marked_ = !has_loss_;
  has_loss_ = false;
  base_ = at;
}

size_t Repacketiser::next(int64_t now_ns, uint8_t* packet) {
  if (!has_source_) return 0;
  while (!is_complete()) {
    if (!is_beyond_hole() || now_ns < due_ns_ + kHoleNs) return 0;
    skip_hole();
    due_ns_ = now_ns;
  }
  if (now_ns < due_ns_) return 0;

  packet[0] = 0x80;
  packet[1] = static_cast<uint8_t>((is_marked_ ? 0x80 : 0) | payload_type_);
  write_u16(packet + 2, sequence_);
  write_u32(packet + 4, base_);
  write_u32(packet + 8, ssrc_);
  for (uint32_t i = 0; i < frame_; i++) packet[kRtpFixedHeader + i] = window_->octets[(base_ + i) % kWindow];
  forget(base_, base_ + frame_);
  base_ += frame_;
  sequence_++;
  is_marked_ = false;
  const int64_t length_ns = frame_ * kNsPerOctet;
  // What was late moves all that follow: the next one comes no sooner after it.
  due_ns_ = now_ns - due_ns_ < length_ns / 8 ? due_ns_ + length_ns : now_ns + length_ns;
  return kRtpFixedHeader + frame_;
}

int64_t Repacketiser::due_ns() const {
  if (!has_source_) return kNever;
  if (is_complete()) return due_ns_;
  return is_beyond_hole() ? due_ns_ + kHoleNs : kNever;
}

}  // namespace webtrunk
