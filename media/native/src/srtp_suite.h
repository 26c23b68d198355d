#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

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

/** RFC 3711 §8.2, RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §12 and §13. SRTCP keeps 80 bits where SRTP has 32 (RFC 4568 §6.2.2). */
inline constexpr SuiteParameters kSuiteTable[kSuiteCount] = {
    {Suite::aes_cm_128_hmac_sha1_80, "AES_CM_128_HMAC_SHA1_80", "SRTP_AES128_CM_SHA1_80", 16, 14, 20, 10, 10, false},
    {Suite::aes_cm_128_hmac_sha1_32, "AES_CM_128_HMAC_SHA1_32", "SRTP_AES128_CM_SHA1_32", 16, 14, 20, 4, 10, false},
    {Suite::aes_192_cm_hmac_sha1_80, "AES_192_CM_HMAC_SHA1_80", nullptr, 24, 14, 20, 10, 10, false},
    {Suite::aes_192_cm_hmac_sha1_32, "AES_192_CM_HMAC_SHA1_32", nullptr, 24, 14, 20, 4, 10, false},
    {Suite::aes_256_cm_hmac_sha1_80, "AES_256_CM_HMAC_SHA1_80", nullptr, 32, 14, 20, 10, 10, false},
    {Suite::aes_256_cm_hmac_sha1_32, "AES_256_CM_HMAC_SHA1_32", nullptr, 32, 14, 20, 4, 10, false},
    {Suite::aead_aes_128_gcm, "AEAD_AES_128_GCM", "SRTP_AEAD_AES_128_GCM", 16, 12, 0, 16, 16, true},
    {Suite::aead_aes_256_gcm, "AEAD_AES_256_GCM", "SRTP_AEAD_AES_256_GCM", 32, 12, 0, 16, 16, true},
};

inline const SuiteParameters& suite_parameters(Suite suite) { return kSuiteTable[static_cast<size_t>(suite)]; }
/** Null when the name is unknown. */
const SuiteParameters* find_suite(std::string_view name);
/** By the name OpenSSL has for it. */
const SuiteParameters* find_dtls_suite(std::string_view dtls_name);

}  // namespace webtrunk
