#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "drop.h"
#include "fetch_ahead.h"
#include "srtp_aes.h"
#include "srtp_hmac.h"
#include "srtp_suite.h"

namespace webtrunk {

/** What RFC 3711 §4.3 derives for RTP, or for RTCP. The suite says how many bytes count, the others are 0. */
struct SrtpSessionKeys {
  std::array<uint8_t, 32> encryption{};
  std::array<uint8_t, SrtpHmac::kLength> authentication{};
  std::array<uint8_t, 14> salt{};

  SrtpSessionKeys() = default;
  ~SrtpSessionKeys();
  SrtpSessionKeys(const SrtpSessionKeys&) = delete;
  SrtpSessionKeys& operator=(const SrtpSessionKeys&) = delete;
};

/**
 * Encryption and authentication of one direction under one master key, without packet state: the caller says which index
 * it is. Lengths have been checked by the caller. AES-CM with HMAC-SHA1
 * (RFC 3711 §4.1.1, §4.2, RFC 6188) or AES-GCM (RFC 7714).
 *
 * For RTP its context stays keyed. RTCP is a packet in five seconds: its keys are kept, and a context that all legs of a
 * thread share is keyed for each packet.
 */
class SrtpCipher {
 public:
  enum class Direction : uint8_t { seal, open };

  SrtpCipher(Suite suite, Direction direction) : suite_(suite), direction_(direction) {}
  ~SrtpCipher();
  SrtpCipher(const SrtpCipher&) = delete;
  SrtpCipher& operator=(const SrtpCipher&) = delete;

  /** One of these comes first. `key_salt`: master key, then master salt. False when the length is wrong or OpenSSL refuses. */
  bool set_master_key(const uint8_t* key_salt, size_t length);
  /** Without derivation: vectors of RFC 7714 begin here. */
  bool set_session_keys(const SrtpSessionKeys& rtp, const SrtpSessionKeys& rtcp);

  const SuiteParameters& suite() const { return suite_parameters(suite_); }
  /** Whether both have the same suite and master key, which is not kept: other master keys have other session keys. */
  bool has_key_of(const SrtpCipher& other) const;
  /** What RTP will touch of the context; the rest of this is its owner's to fetch, but for the keys of RTCP at its end. */
  void fetch_context_ahead() const { webtrunk::fetch_ahead(rtp_.get(), kContextSize); }

  /** `length`: header and payload. Encrypts the payload, appends the tag. */
  bool seal_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index);
  /** `length`: header and payload without the tag, which follows. `none`, `srtp_auth_failed` or `srtp_cipher_failed`. */
  Drop open_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index);
  /** `length`: plain RTCP. Encrypts all but the first 8 bytes; appends tag, E bit and index in the suite's order. */
  bool seal_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t index);
  /** `length`: RTCP without the trailing fields; `word`: E bit and index as received. */
  Drop open_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t word);

 private:
  /** Of an `EVP_CIPHER_CTX` in OpenSSL 3.0, which does not tell. */
  static constexpr size_t kContextSize = 184;

  CipherContext rtp_;
  SrtpHmac rtp_hmac_;
  std::array<uint8_t, 14> rtp_salt_{};
  Suite suite_;
  Direction direction_;
  SrtpSessionKeys rtcp_;
};

}  // namespace webtrunk
