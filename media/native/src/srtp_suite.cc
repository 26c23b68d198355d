#include "srtp.h"

namespace webtrunk {

namespace {

/** RFC 3711 §8.2, RFC 4568 §6.2, RFC 7714 §12 and §13. SRTCP keeps 80 bits where SRTP has 32 (RFC 4568 §6.2.2). */
constexpr SuiteParameters kSuites[] = {
    {Suite::aes_cm_128_hmac_sha1_80, "AES_CM_128_HMAC_SHA1_80", "SRTP_AES128_CM_SHA1_80", 16, 14, 20, 10, 10, false},
    {Suite::aes_cm_128_hmac_sha1_32, "AES_CM_128_HMAC_SHA1_32", nullptr, 16, 14, 20, 4, 10, false},
    {Suite::aead_aes_128_gcm, "AEAD_AES_128_GCM", "SRTP_AEAD_AES_128_GCM", 16, 12, 0, 16, 16, true},
};

}  // namespace

const SuiteParameters& suite_parameters(Suite suite) { return kSuites[static_cast<size_t>(suite)]; }

const SuiteParameters* find_suite(std::string_view name) {
  for (const SuiteParameters& row : kSuites) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

}  // namespace webtrunk
