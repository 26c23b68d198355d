#include "srtp.h"

namespace webtrunk {

namespace {

/** RFC 3711 §8.2, RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §12 and §13. SRTCP keeps 80 bits where SRTP has 32 (RFC 4568 §6.2.2). */
constexpr SuiteParameters kSuites[kSuiteCount] = {
    {Suite::aes_cm_128_hmac_sha1_80, "AES_CM_128_HMAC_SHA1_80", "SRTP_AES128_CM_SHA1_80", 16, 14, 20, 10, 10, false},
    {Suite::aes_cm_128_hmac_sha1_32, "AES_CM_128_HMAC_SHA1_32", "SRTP_AES128_CM_SHA1_32", 16, 14, 20, 4, 10, false},
    {Suite::aes_192_cm_hmac_sha1_80, "AES_192_CM_HMAC_SHA1_80", nullptr, 24, 14, 20, 10, 10, false},
    {Suite::aes_192_cm_hmac_sha1_32, "AES_192_CM_HMAC_SHA1_32", nullptr, 24, 14, 20, 4, 10, false},
    {Suite::aes_256_cm_hmac_sha1_80, "AES_256_CM_HMAC_SHA1_80", nullptr, 32, 14, 20, 10, 10, false},
    {Suite::aes_256_cm_hmac_sha1_32, "AES_256_CM_HMAC_SHA1_32", nullptr, 32, 14, 20, 4, 10, false},
    {Suite::aead_aes_128_gcm, "AEAD_AES_128_GCM", "SRTP_AEAD_AES_128_GCM", 16, 12, 0, 16, 16, true},
    {Suite::aead_aes_256_gcm, "AEAD_AES_256_GCM", "SRTP_AEAD_AES_256_GCM", 32, 12, 0, 16, 16, true},
};

}  // namespace

const SuiteParameters& suite_parameters(Suite suite) { return kSuites[static_cast<size_t>(suite)]; }

const SuiteParameters* find_suite(std::string_view name) {
  for (const SuiteParameters& row : kSuites) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

const SuiteParameters* find_dtls_suite(std::string_view dtls_name) {
  for (const SuiteParameters& row : kSuites) {
    if (row.dtls_name != nullptr && dtls_name == row.dtls_name) return &row;
  }
  return nullptr;
}

}  // namespace webtrunk
