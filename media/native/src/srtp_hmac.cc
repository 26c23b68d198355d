#include "srtp_hmac.h"

#include <openssl/crypto.h>

namespace webtrunk {

SrtpHmac::~SrtpHmac() {
  OPENSSL_cleanse(inner_pad_.data(), inner_pad_.size());
  OPENSSL_cleanse(outer_pad_.data(), outer_pad_.size());
}

bool SrtpHmac::set_key(const uint8_t* key, size_t length) {
  if (length > kBlock) return false;
  for (size_t i = 0; i < kBlock; ++i) {
    const uint8_t byte = i < length ? key[i] : 0;
    inner_pad_[i] = byte ^ 0x36;
    outer_pad_[i] = byte ^ 0x5c;
  }
  context_.reset(EVP_MD_CTX_new());
  return context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha1(), nullptr) == 1;
}

bool SrtpHmac::compute(const uint8_t* first, size_t first_length, const uint8_t* second, size_t second_length,
                       std::array<uint8_t, kLength>& result) {
  EVP_MD_CTX* context = context_.get();
  return EVP_DigestInit_ex(context, nullptr, nullptr) == 1 &&
         EVP_DigestUpdate(context, inner_pad_.data(), kBlock) == 1 &&
         EVP_DigestUpdate(context, first, first_length) == 1 &&
         EVP_DigestUpdate(context, second, second_length) == 1 &&
         EVP_DigestFinal_ex(context, result.data(), nullptr) == 1 &&
         EVP_DigestInit_ex(context, nullptr, nullptr) == 1 &&
         EVP_DigestUpdate(context, outer_pad_.data(), kBlock) == 1 &&
         EVP_DigestUpdate(context, result.data(), kLength) == 1 &&
         EVP_DigestFinal_ex(context, result.data(), nullptr) == 1;
}

}  // namespace webtrunk
