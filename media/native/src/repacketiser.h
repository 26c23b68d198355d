#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "rtp.h"

namespace webtrunk {

/**
 * Cuts audio of one octet a tick of 8000 Hz (PCMU, PCMA, G.722: RFC 3551 §4.5) into packets of one length, and spaces
 * them by that length. Packets that have it already pass untouched while nothing waits. A hole that nobody fills is left
 * out, with what was waiting for it: a loss when the source's numbers say so, else silence. Times are nanoseconds. Most sources
 * never need it to cut: its memory is taken with the first packet of another length.
 */
class Repacketiser {
 public:
  static constexpr size_t kOctetsPerMs = 8;
  static constexpr size_t kMinFrame = 10 * kOctetsPerMs;
  static constexpr size_t kMaxFrame = 60 * kOctetsPerMs;
  /** Never due. */
  static constexpr int64_t kNever = 0;

  /** `frame`: octets of payload. `ssrc`: of the packets it makes; any that the source does not have. */
  Repacketiser(size_t frame, uint32_t ssrc) : frame_(static_cast<uint32_t>(frame)), ssrc_(ssrc) {}

  size_t frame() const { return frame_; }

  enum class Taken : uint8_t { passes, kept, late };

  /** `passes`: goes on as it is. `kept`: see `next`. */
  Taken put(const RtpHeader& header, const uint8_t* payload, size_t length, int64_t now_ns);
  /** Accounts for a packet of the source that has no audio, or whose audio is not wanted: it is no loss. */
  void withhold(const RtpHeader& header);

  /** Writes the packet that is due, with the source's payload type; its length, 0 when none is. */
  size_t next(int64_t now_ns, uint8_t* packet);
  /** When to call `next` if nothing is put before; `kNever`: not at all. */
  int64_t due_ns() const;

 private:
  static constexpr size_t kWindow = 4096;

  /** Octets by timestamp, and which of them are there. */
  struct Window {
    std::array<uint8_t, kWindow> octets;
    std::bitset<kWindow> present;
  };

  bool has_octet(uint32_t at) const { return window_->present[at % kWindow]; }
  bool is_complete() const;
  bool is_beyond_hole() const { return end_ - base_ > frame_; }
  void begin(const RtpHeader& header, int64_t now_ns);
  bool is_restart(const RtpHeader& header, uint32_t octets);
  void forget(uint32_t from, uint32_t to);
  void skip_hole();

  const uint32_t frame_;
  uint32_t ssrc_;
  uint16_t sequence_ = 0;
  bool has_source_ = false;
  uint32_t source_ssrc_ = 0;
  uint8_t payload_type_ = 0;
  uint16_t next_source_sequence_ = 0;
  /** After a packet far too late: the one that would show that it is not. */
  bool has_restart_ = false;
  uint16_t restart_sequence_ = 0;
  uint32_t restart_timestamp_ = 0;
  /** Numbers of the source that are missing since the last packet sent. */
  bool has_loss_ = false;
  bool is_marked_ = false;
  /** RTP timestamps: of the next packet, and where the newest octet ends. */
  uint32_t base_ = 0;
  uint32_t end_ = 0;
  int64_t due_ns_ = 0;
  /** Null before there was a source. */
  std::unique_ptr<Window> window_;
};

}  // namespace webtrunk
