#include "certificate.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "openssl_owners.h"

namespace webtrunk {

namespace {

using NumberPointer = std::unique_ptr<BIGNUM, Free<BN_free>>;
using NamesPointer = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;
using NamePointer = std::unique_ptr<GENERAL_NAME, Free<GENERAL_NAME_free>>;
using StringPointer = std::unique_ptr<ASN1_STRING, Free<ASN1_STRING_free>>;
using BitsPointer = std::unique_ptr<ASN1_BIT_STRING, Free<ASN1_BIT_STRING_free>>;

constexpr long kDaySeconds = 24 * 60 * 60;
constexpr size_t kMaxNames = 64;
/** RFC 5280 upper bound of commonName. */
constexpr size_t kMaxCommonName = 64;
constexpr size_t kMaxDnsName = 253;

bool is_dns_name(const std::string& name) {
  if (name.empty() || name.size() > kMaxDnsName) return false;
  for (const char c : name) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool is_other = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '*';
    if (!is_letter && !is_other) return false;
  }
  return true;
}

NamePointer make_name(const std::string& text) {
  uint8_t address[16];
  int length = 0;
  if (inet_pton(AF_INET, text.c_str(), address) == 1) length = 4;
  if (inet_pton(AF_INET6, text.c_str(), address) == 1) length = 16;
  const bool is_address = length != 0;
  if (!is_address && !is_dns_name(text)) return nullptr;

  StringPointer value(ASN1_STRING_type_new(is_address ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING));
  NamePointer name(GENERAL_NAME_new());
  if (value == nullptr || name == nullptr) return nullptr;
  const void* bytes = is_address ? static_cast<const void*>(address) : text.data();
  if (ASN1_STRING_set(value.get(), bytes, is_address ? length : static_cast<int>(text.size())) != 1) return nullptr;
  GENERAL_NAME_set0_value(name.get(), is_address ? GEN_IPADD : GEN_DNS, value.release());
  return name;
}

bool add_names(X509* certificate, const std::vector<std::string>& names, std::string& error) {
  if (names.empty()) return true;
  NamesPointer entries(GENERAL_NAMES_new());
  if (entries == nullptr) return false;
  for (const std::string& text : names) {
    NamePointer name = make_name(text);
    if (name == nullptr) {
      error = "not a DNS name or IP address: " + text;
      return false;
    }
    if (sk_GENERAL_NAME_push(entries.get(), name.get()) <= 0) return false;
    static_cast<void>(name.release());
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, entries.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

bool add_key_usage(X509* certificate) {
  constexpr int kDigitalSignature = 0;
  BitsPointer usage(ASN1_BIT_STRING_new());
  return usage != nullptr && ASN1_BIT_STRING_set_bit(usage.get(), kDigitalSignature, 1) == 1 &&
         X509_add1_ext_i2d(certificate, NID_key_usage, usage.get(), 1, X509V3_ADD_DEFAULT) == 1;
}

bool set_serial(X509* certificate) {
  NumberPointer serial(BN_new());
  return serial != nullptr && BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_subject(X509* certificate, const std::string& common_name) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>(common_name.data());
  const int length = static_cast<int>(common_name.size());
  return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, text, length, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1;
}

bool set_validity(X509* certificate, int days) {
  // A day back, because clocks of browsers and PBXes differ.
  return X509_gmtime_adj(X509_getm_notBefore(certificate), -kDaySeconds) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), days * kDaySeconds) != nullptr;
}

bool read_all(BIO* bio, std::string& text) {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(bio, &bytes);
  if (length <= 0 || bytes == nullptr) return false;
  text.assign(bytes, static_cast<size_t>(length));
  return true;
}

bool write_pem(X509* certificate, EVP_PKEY* key, CertificatePem& result) {
  BioPointer certificate_out(BIO_new(BIO_s_mem()));
  // Secure memory is wiped when freed.
  BioPointer key_out(BIO_new(BIO_s_secmem()));
  return certificate_out != nullptr && key_out != nullptr &&
         PEM_write_bio_X509(certificate_out.get(), certificate) == 1 &&
         PEM_write_bio_PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1 &&
         read_all(certificate_out.get(), result.certificate) && read_all(key_out.get(), result.private_key);
}

}  // namespace

std::string take_openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "unknown OpenSSL error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "OpenSSL error " + std::to_string(code);
}

bool create_certificate(const std::string& common_name, int days, const std::vector<std::string>& names,
                        CertificatePem& result, std::string& error) {
  error.clear();
  if (common_name.empty() || common_name.size() > kMaxCommonName) {
    error = "common name must have 1 to 64 bytes";
    return false;
  }
  if (days < 1 || days > 36500) {
    error = "days must be 1 to 36500";
    return false;
  }
  if (names.size() > kMaxNames) {
    error = "at most 64 names";
    return false;
  }
  ERR_clear_error();
  KeyPointer key(EVP_EC_gen("P-256"));
  CertificatePointer certificate(X509_new());
  const bool done = key != nullptr && certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    set_serial(certificate.get()) && set_validity(certificate.get(), days) &&
                    set_subject(certificate.get(), common_name) && X509_set_pubkey(certificate.get(), key.get()) == 1 &&
                    add_key_usage(certificate.get()) && add_names(certificate.get(), names, error) &&
                    X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0 &&
                    write_pem(certificate.get(), key.get(), result);
  if (!done && error.empty()) error = take_openssl_error();
  return done;
}

std::string certificate_fingerprint(const X509* certificate, const std::string& hash) {
  const EVP_MD* algorithm = nullptr;
  if (hash == "sha-256") algorithm = EVP_sha256();
  if (hash == "sha-384") algorithm = EVP_sha384();
  if (hash == "sha-512") algorithm = EVP_sha512();
  if (algorithm == nullptr || certificate == nullptr) return {};

  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (X509_digest(certificate, algorithm, digest, &length) != 1) {
    ERR_clear_error();
    return {};
  }
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string text;
  text.reserve(length * 3);
  for (unsigned int i = 0; i < length; ++i) {
    if (i > 0) text += ':';
    text += kHex[digest[i] >> 4];
    text += kHex[digest[i] & 0x0f];
  }
  return text;
}

}  // namespace webtrunk
