#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "drop.h"
#include "fetch_ahead.h"
#include "replay.h"
#include "srtp_cipher.h"
#include "srtp_suite.h"

namespace webtrunk {

/** Most that protecting adds to a packet: tag, and E bit with SRTCP index. */
constexpr size_t kSrtpMaxOverhead = 16 + 4;

/** Master key identifier as it stands in packets (RFC 3711 §3.1); empty: packets have none. */
struct SrtpMki {
  /** RFC 4568 §9.2. */
  static constexpr size_t kMaxLength = 128;

  std::array<uint8_t, kMaxLength> bytes{};
  size_t length = 0;
};

struct RtpHeader;

/**
 * RFC 3711 and 7714, receiving side of one master key: both RTP and RTCP of every SSRC the peer uses with it.
 * State comes into being only after a packet authenticated. Used from one thread at a time.
 */
class SrtpReceiver {
 public:
  /** SSRCs per key, RTP and RTCP together. Only an authenticated peer can fill it; never forgotten, or old packets could be replayed. */
  static constexpr size_t kMaxSsrcs = 32;

  /** `key_salt`: master key, then master salt. Null when the length is wrong or OpenSSL refuses. */
  static std::unique_ptr<SrtpReceiver> create(Suite suite, const uint8_t* key_salt, size_t length);

  Suite suite() const { return cipher_.suite().suite; }
  /** Whether both were made from the same suite and key: then the older is to be kept, with its rollover counters. */
  bool has_key_of(const SrtpReceiver& other) const { return cipher_.has_key_of(other.cipher_); }

  /** What every packet must carry from now on. It names the key and is no part of it: rollover counters stay. */
  void expect_mki(const SrtpMki& mki);
  void take_mki(SrtpReceiver& from) { mki_ = std::move(from.mki_); }

  /** In place; the result starts where the packet started. The contents are undefined when dropped. */
  Outcome unprotect_rtp(uint8_t* packet, size_t length);
  Outcome unprotect_rtcp(uint8_t* packet, size_t length);

  /** What `unprotect_rtp` will touch: first of itself, then, when that is there, of the cipher. */
  void fetch_ahead() const { webtrunk::fetch_ahead(this, sizeof *this - sizeof(SrtpSessionKeys)); }
  void fetch_cipher_ahead() const { cipher_.fetch_context_ahead(); }

 private:
  struct Stream {
    uint32_t ssrc = 0;
    ReplayWindow rtp;
    ReplayWindow rtcp;
  };

  explicit SrtpReceiver(Suite suite) : cipher_(suite, SrtpCipher::Direction::open) {}
  size_t mki_length() const { return mki_ == nullptr ? 0 : mki_->length; }
  Stream* find(uint32_t ssrc);
  /** Null when the table is full. */
  Stream* add(uint32_t ssrc);
  /** Takes the identifier out of a packet that is long enough; `length` becomes that without it. False when it is another. */
  bool strip_mki(uint8_t* packet, size_t& length, size_t tag_length) const;
  /** Of a packet that does not authenticate: whether it would without a master key identifier that nobody described. */
  bool has_undescribed_mki(const uint8_t* packet, const RtpHeader& header, size_t length, uint64_t index);

  /** Most calls have one; the others get their memory when they have authenticated. */
  Stream first_stream_;
  std::vector<Stream> more_streams_;
  bool has_stream_ = false;
  /** Packets that are still worth the question: who forges them shall not buy work with it. */
  uint8_t mki_questions_left_ = 8;
  bool sees_undescribed_mki_ = false;
  /** Null: packets have none. */
  std::unique_ptr<const SrtpMki> mki_;
  SrtpCipher cipher_;
};

/**
 * Sending side of one master key and one SSRC of ours. Never encrypts two packets under one index: a source that
 * repeats a sequence number must not make us repeat a key stream.
 */
class SrtpSender {
 public:
  static std::unique_ptr<SrtpSender> create(Suite suite, const uint8_t* key_salt, size_t length, uint32_t ssrc);

  Suite suite() const { return cipher_.suite().suite; }
  bool has_key_of(const SrtpSender& other) const { return cipher_.has_key_of(other.cipher_); }
  /**
   * With which sequence number a stream that would go on with `wanted` may do so: that, if its index is ahead of all used,
   * else the one after the newest. A key that comes back after a while would otherwise refuse up to half a round. A new key
   * never begins right before the wrap: were its first packets lost, the peer would count one round less, and hear nothing.
   */
  uint16_t sequence_ahead(uint16_t wanted) const;

  /** In place; needs up to `kSrtpMaxOverhead` bytes of `capacity` beyond `length`. The packet's SSRC must be ours. */
  Outcome protect_rtp(uint8_t* packet, size_t length, size_t capacity);
  Outcome protect_rtcp(uint8_t* packet, size_t length, size_t capacity);

  /** As `SrtpReceiver` has it, for `protect_rtp`. */
  void fetch_ahead() const { webtrunk::fetch_ahead(this, sizeof *this - sizeof(SrtpSessionKeys)); }
  void fetch_cipher_ahead() const { cipher_.fetch_context_ahead(); }

 private:
  SrtpSender(Suite suite, uint32_t ssrc) : ssrc_(ssrc), cipher_(suite, SrtpCipher::Direction::seal) {}

  uint32_t ssrc_;
  uint32_t next_rtcp_index_ = 0;
  ReplayWindow sent_;
  SrtpCipher cipher_;
};

}  // namespace webtrunk
