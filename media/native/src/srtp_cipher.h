#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "fetch_ahead.h"
#include "srtp.h"
#include "srtp_hmac.h"

namespace webtrunk {

/** What RFC 3711 §4.3 derives for RTP, or for RTCP. The suite says how many bytes count. */
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
 */
class SrtpCipher {
 public:
  enum class Direction : uint8_t { seal, open };

  static std::unique_ptr<SrtpCipher> create(Suite suite, const uint8_t* key_salt, size_t length, Direction direction);
  /** Without derivation; `has_key` knows no master key then. Vectors of RFC 7714 begin here. */
  static std::unique_ptr<SrtpCipher> from_session_keys(Suite suite, const SrtpSessionKeys& rtp,
                                                       const SrtpSessionKeys& rtcp, Direction direction);
  ~SrtpCipher();
  SrtpCipher(const SrtpCipher&) = delete;
  SrtpCipher& operator=(const SrtpCipher&) = delete;

  const SuiteParameters& suite() const { return suite_; }
  void fetch_ahead() const { webtrunk::fetch_ahead(this, reinterpret_cast<uintptr_t>(&rtcp_) - reinterpret_cast<uintptr_t>(this)); }
  bool has_key(Suite suite, const uint8_t* key_salt, size_t length) const;

  /** `length`: header and payload. Encrypts the payload, appends the tag. */
  bool seal_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index);
  /** `length`: header and payload without the tag, which follows. `none`, `srtp_auth_failed` or `srtp_cipher_failed`. */
  Drop open_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index);
  /** `length`: plain RTCP. Encrypts all but the first 8 bytes; appends tag, E bit and index in the suite's order. */
  bool seal_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t index);
  /** `length`: RTCP without the trailing fields; `word`: E bit and index as received. */
  Drop open_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t word);

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };

  /** Session keys of RTP or of RTCP. */
  struct Half {
    std::unique_ptr<EVP_CIPHER_CTX, Free> cipher;
    SrtpHmac hmac;
    std::array<uint8_t, 14> salt{};
  };

  SrtpCipher(const SuiteParameters& suite, Direction direction) : suite_(suite), direction_(direction) {}
  bool set_keys(Half& half, const SrtpSessionKeys& keys);
  bool start(Half& half, uint32_t ssrc, uint64_t index);
  bool crypt(Half& half, uint8_t* bytes, size_t length);
  bool authenticate_only(Half& half, const uint8_t* bytes, size_t length);
  bool finish_seal(Half& half, uint8_t* tag);
  Drop finish_open(Half& half, uint8_t* tag);

  const SuiteParameters& suite_;
  Direction direction_;
  Half rtp_;
  Half rtcp_;
  /** SHA-256 of suite and key, so that the master key itself need not be kept. */
  std::array<uint8_t, 32> key_digest_{};
};

}  // namespace webtrunk
