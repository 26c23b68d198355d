#include "stream.h"

#include "bytes.h"
#include "clock.h"
#include "rtp.h"

namespace bench {

using webtrunk::read_u32;
using webtrunk::write_u16;
using webtrunk::write_u32;

namespace {

constexpr uint8_t kPcmu = 0;
constexpr uint16_t kFirstSequence = 1000;
constexpr uint32_t kTicks = kPayloadLength;

}  // namespace

void Stream::begin(uint32_t id, uint32_t packets, uint32_t sampling, Range measured) {
  id_ = id;
  measured_ = measured;
  sampling_ = sampling;
  seen_.assign(packets / 64 + 1, 0);
}

size_t Stream::make(uint8_t* packet, webtrunk::SrtpSender* sender) {
  const uint32_t number = next_++;
  packet[0] = 0x80;
  packet[1] = static_cast<uint8_t>(kPcmu | (number == 0 ? 0x80 : 0));
  write_u16(packet + 2, static_cast<uint16_t>(kFirstSequence + number));
  write_u32(packet + 4, number * kTicks);
  write_u32(packet + 8, ssrc_of(id_));
  write_payload(packet + 12, {id_, number, wall_ns()});
  if (sender == nullptr) return kRtpPacket;
  const webtrunk::Outcome outcome = sender->protect_rtp(packet, kRtpPacket, kMaxPacket);
  return outcome ? outcome.length : 0;
}

void Stream::check(uint8_t* packet, size_t length, int64_t arrived_ns, webtrunk::SrtpReceiver* receiver, Tally& tally) {
  webtrunk::RtpHeader header;
  if (parse_rtp_header(packet, length, header) != webtrunk::Drop::none || header.payload_type != kPcmu ||
      header.header_length != webtrunk::kRtpFixedHeader) {
    tally.faults.header++;
    return;
  }
  uint32_t number = static_cast<uint16_t>(header.sequence - offset_);
  const bool is_sample = number % sampling_ == 0;
  if (receiver == nullptr || is_sample || !is_known_) {
    if (receiver != nullptr) {
      const webtrunk::Outcome outcome = receiver->unprotect_rtp(packet, length);
      if (outcome.drop == webtrunk::Drop::srtp_replay) {
        tally.faults.duplicate++;
        return;
      }
      if (!outcome) {
        tally.faults.authentication++;
        return;
      }
      length = outcome.length;
    }
    Mark mark;
    if (!read_payload(packet + header.header_length, length - header.header_length, mark)) {
      tally.faults.payload++;
      return;
    }
    if (!learn(mark, header.sequence, header.ssrc, tally)) return;
    number = mark.number;
    if (number % sampling_ == 0 && number >= measured_.first && number < measured_.end)
      tally.latency.add(arrived_ns - mark.sent_ns);
  } else if (header.ssrc != ssrc_) {
    tally.faults.order++;
    return;
  }
  enter(number, tally);
}

bool Stream::learn(const Mark& mark, uint16_t sequence, uint32_t ssrc, Tally& tally) {
  if (mark.stream != id_) {
    tally.faults.foreign++;
    return false;
  }
  const auto offset = static_cast<uint16_t>(sequence - mark.number);
  if (is_known_ && (offset != offset_ || ssrc != ssrc_)) {
    tally.faults.order++;
    return false;
  }
  is_known_ = true;
  offset_ = offset;
  ssrc_ = ssrc;
  return true;
}

void Stream::enter(uint32_t number, Tally& tally) {
  if (number >= next_) {  // One that we have not sent yet.
    tally.faults.order++;
    return;
  }
  uint64_t& word = seen_[number / 64];
  const uint64_t bit = 1ULL << (number % 64);
  if ((word & bit) != 0) tally.faults.duplicate++;
  word |= bit;
  tally.received++;
}

uint64_t Stream::lost() const {
  uint64_t lost = 0;
  for (uint32_t number = measured_.first; number < measured_.end; number++)
    if ((seen_[number / 64] >> (number % 64) & 1) == 0) lost++;
  return lost;
}

}  // namespace bench
