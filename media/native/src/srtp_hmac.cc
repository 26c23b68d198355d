#include "srtp_hmac.h"

#include <openssl/crypto.h>

namespace webtrunk {

namespace {

constexpr size_t kBlock = 64;

}  // namespace

bool SrtpHmac::absorb_pad(Context& context, const uint8_t* key, size_t length, uint8_t pad) {
  uint8_t block[kBlock];
  for (size_t i = 0; i < kBlock; ++i) block[i] = static_cast<uint8_t>((i < length ? key[i] : 0) ^ pad);
  context.reset(EVP_MD_CTX_new());
  const bool done = context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha1(), nullptr) == 1 &&
                    EVP_DigestUpdate(context.get(), block, kBlock) == 1;
  OPENSSL_cleanse(block, sizeof block);
  return done;
}

bool SrtpHmac::set_key(const uint8_t* key, size_t length) {
  work_.reset(EVP_MD_CTX_new());
  return length <= kBlock && work_ != nullptr && absorb_pad(inner_, key, length, 0x36) &&
         absorb_pad(outer_, key, length, 0x5c);
}

bool SrtpHmac::compute(const uint8_t* first, size_t first_length, const uint8_t* second, size_t second_length,
                       std::array<uint8_t, kLength>& result) {
  return EVP_MD_CTX_copy_ex(work_.get(), inner_.get()) == 1 &&
         EVP_DigestUpdate(work_.get(), first, first_length) == 1 &&
         EVP_DigestUpdate(work_.get(), second, second_length) == 1 &&
         EVP_DigestFinal_ex(work_.get(), result.data(), nullptr) == 1 &&
         EVP_MD_CTX_copy_ex(work_.get(), outer_.get()) == 1 &&
         EVP_DigestUpdate(work_.get(), result.data(), kLength) == 1 &&
         EVP_DigestFinal_ex(work_.get(), result.data(), nullptr) == 1;
}

}  // namespace webtrunk
