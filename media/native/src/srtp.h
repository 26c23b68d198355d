#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "drop.h"
#include "replay.h"

namespace webtrunk {

/** In the order of the suite table. */
enum class Suite : uint8_t {
  aes_cm_128_hmac_sha1_80,
  aes_cm_128_hmac_sha1_32,
  aes_192_cm_hmac_sha1_80,
  aes_192_cm_hmac_sha1_32,
  aes_256_cm_hmac_sha1_80,
  aes_256_cm_hmac_sha1_32,
  aead_aes_128_gcm,
  aead_aes_256_gcm,
};
constexpr size_t kSuiteCount = 8;

/** One row of the suite table. Lengths in bytes. */
struct SuiteParameters {
  Suite suite;
  /** As in media/parameters.ts. */
  const char* name;
  /** As `SSL_CTX_set_tlsext_use_srtp` knows it; null: there is no such profile. */
  const char* dtls_name;
  size_t key_length;
  size_t salt_length;
  /** 0 for AEAD. */
  size_t auth_key_length;
  size_t rtp_tag_length;
  size_t rtcp_tag_length;
  bool is_aead;
};

const SuiteParameters& suite_parameters(Suite suite);
/** Null when the name is unknown. */
const SuiteParameters* find_suite(std::string_view name);
/** By the name OpenSSL has for it. */
const SuiteParameters* find_dtls_suite(std::string_view dtls_name);

/** Most that protecting adds to a packet: tag, and E bit with SRTCP index. */
constexpr size_t kSrtpMaxOverhead = 16 + 4;

/** Master key identifier as it stands in packets (RFC 3711 §3.1); empty: packets have none. */
struct SrtpMki {
  /** RFC 4568 §9.2. */
  static constexpr size_t kMaxLength = 128;

  std::array<uint8_t, kMaxLength> bytes{};
  size_t length = 0;
};

class SrtpCipher;
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
  ~SrtpReceiver();
  SrtpReceiver(const SrtpReceiver&) = delete;
  SrtpReceiver& operator=(const SrtpReceiver&) = delete;

  Suite suite() const;
  /** Whether this context was made from the same suite and key: then it is to be kept, with its rollover counters. */
  bool has_key(Suite suite, const uint8_t* key_salt, size_t length) const;

  /** What every packet must carry from now on. It names the key and is no part of it: rollover counters stay. */
  void expect_mki(const SrtpMki& mki) { mki_ = mki; }

  /** In place; the result starts where the packet started. The contents are undefined when dropped. */
  Outcome unprotect_rtp(uint8_t* packet, size_t length);
  Outcome unprotect_rtcp(uint8_t* packet, size_t length);

  /** What `unprotect_rtp` will touch: first of itself, then, when that is there, of the cipher. */
  void fetch_ahead() const;
  void fetch_cipher_ahead() const;

 private:
  struct Stream {
    uint32_t ssrc = 0;
    ReplayWindow rtp;
    ReplayWindow rtcp;
  };

  explicit SrtpReceiver(std::unique_ptr<SrtpCipher> cipher);
  Stream* find(uint32_t ssrc);
  /** Null when the table is full. */
  Stream* add(uint32_t ssrc);
  /** Takes the identifier out of a packet that is long enough; `length` becomes that without it. False when it is another. */
  bool strip_mki(uint8_t* packet, size_t& length, size_t tag_length) const;
  /** Of a packet that does not authenticate: whether it would without a master key identifier that nobody described. */
  bool has_undescribed_mki(const uint8_t* packet, const RtpHeader& header, size_t length, uint64_t index);

  std::unique_ptr<SrtpCipher> cipher_;
  SrtpMki mki_;
  /** Most calls have one or two; the others have their memory when the first of them has authenticated. */
  static constexpr size_t kFirstStreams = 2;
  Stream& stream(size_t at) { return at < kFirstStreams ? first_streams_[at] : (*more_streams_)[at - kFirstStreams]; }

  std::array<Stream, kFirstStreams> first_streams_;
  std::unique_ptr<std::array<Stream, kMaxSsrcs - kFirstStreams>> more_streams_;
  size_t stream_count_ = 0;
  /** Packets that are still worth the question: who forges them shall not buy work with it. */
  uint8_t mki_questions_left_ = 8;
  bool sees_undescribed_mki_ = false;
};

/**
 * Sending side of one master key and one SSRC of ours. Never encrypts two packets under one index: a source that
 * repeats a sequence number must not make us repeat a key stream.
 */
class SrtpSender {
 public:
  static std::unique_ptr<SrtpSender> create(Suite suite, const uint8_t* key_salt, size_t length, uint32_t ssrc);
  ~SrtpSender();
  SrtpSender(const SrtpSender&) = delete;
  SrtpSender& operator=(const SrtpSender&) = delete;

  Suite suite() const;
  bool has_key(Suite suite, const uint8_t* key_salt, size_t length) const;
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
  void fetch_ahead() const;
  void fetch_cipher_ahead() const;

 private:
  SrtpSender(std::unique_ptr<SrtpCipher> cipher, uint32_t ssrc);

  std::unique_ptr<SrtpCipher> cipher_;
  uint32_t ssrc_;
  ReplayWindow sent_;
  uint32_t next_rtcp_index_ = 0;
};

}  // namespace webtrunk
