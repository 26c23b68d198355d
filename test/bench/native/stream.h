#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "histogram.h"
#include "payload.h"
#include "srtp.h"

namespace bench {

constexpr size_t kRtpPacket = 12 + kPayloadLength;
constexpr size_t kMaxPacket = 2048;

/** Numbers of the two streams of a call. */
constexpr uint32_t to_secure_of(uint32_t call) { return 2 * call; }
constexpr uint32_t to_plain_of(uint32_t call) { return 2 * call + 1; }
/** SSRC of a stream as we send it. */
constexpr uint32_t ssrc_of(uint32_t stream) { return 0xbe000000 + stream; }

/** What is wrong with packets that came; a run with any of these proves nothing. */
struct Faults {
  /** Not RTP as it was sent: header, length, payload type. */
  uint64_t header = 0;
  uint64_t authentication = 0;
  uint64_t payload = 0;
  /** A packet of another call. */
  uint64_t foreign = 0;
  /** Its SSRC or the distance of its sequence number from ours changed in mid-stream. */
  uint64_t order = 0;
  uint64_t duplicate = 0;
  /** To an address that no call has. */
  uint64_t stray = 0;
};

/** What all streams count together. */
struct Tally {
  uint64_t received = 0;
  uint64_t rtcp = 0;
  /** Neither RTP nor RTCP: what is left of handshakes. */
  uint64_t other = 0;
  Faults faults;
  Histogram latency;
};

/** Packets of a stream by number, those measured. */
struct Range {
  uint32_t first = 0;
  uint32_t end = 0;
};

/**
 * One direction of one call: makes its packets and knows which of them came out of the system under test. Encrypted
 * where `protect` or `unprotect` says so; of a stream that comes encrypted only one packet in `sampling` is decrypted,
 * and known by its sequence number otherwise. Times are taken of the same packets in both directions.
 */
class Stream {
 public:
  /** `packets`: how many there will be at most. Fewer than 2^16, so that a sequence number names one. */
  void begin(uint32_t id, uint32_t packets, uint32_t sampling, Range measured);

  /** The next packet; its length. `sender` is null for plain RTP. */
  size_t make(uint8_t* packet, webtrunk::SrtpSender* sender);
  /** A packet that arrived where this stream's packets should. Decrypts in place. */
  void check(uint8_t* packet, size_t length, int64_t arrived_ns, webtrunk::SrtpReceiver* receiver, Tally& tally);
  /** Of those measured, how many never came. */
  uint64_t lost() const;

 private:
  bool learn(const Mark& mark, uint16_t sequence, uint32_t ssrc, Tally& tally);
  void enter(uint32_t number, Tally& tally);

  uint32_t id_ = 0;
  uint32_t next_ = 0;
  uint32_t sampling_ = 1;
  Range measured_;
  std::vector<uint64_t> seen_;
  /** Of what comes out, against our numbers. */
  bool is_known_ = false;
  uint16_t offset_ = 0;
  uint32_t ssrc_ = 0;
};

}  // namespace bench
