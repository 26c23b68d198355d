#pragma once

#include <openssl/x509.h>

#include <string>
#include <vector>

namespace webtrunk {

struct CertificatePem {
  std::string certificate;
  std::string private_key;
};

/**
 * Self-signed ECDSA P-256, random 127-bit serial, valid from a day ago for `days` days. `names` become DNS or IP entries of
 * subjectAltName. False when a name is unusable or OpenSSL fails; `error` says why.
 */
bool create_certificate(const std::string& common_name, int days, const std::vector<std::string>& names,
                        CertificatePem& result, std::string& error);

/** RFC 8122 §5 value: upper-case hex pairs and colons. Empty when `hash` is none of sha-256, sha-384, sha-512. */
std::string certificate_fingerprint(const X509* certificate, const std::string& hash);

/** OpenSSL's newest reason as text; empties the error queue of this thread. */
std::string take_openssl_error();

}  // namespace webtrunk
