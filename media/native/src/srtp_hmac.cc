#include "srtp_hmac.h"

#include <openssl/crypto.h>

namespace webtrunk {

namespace {

bool absorb_pad(SHA_CTX& state, const uint8_t* key, size_t length, uint8_t pad) {
  uint8_t block[SHA_CBLOCK];
  for (size_t i = 0; i < sizeof block; ++i) block[i] = static_cast<uint8_t>((i < length ? key[i] : 0) ^ pad);
  const bool done = SHA1_Init(&state) == 1 && SHA1_Update(&state, block, sizeof block) == 1;
  OPENSSL_cleanse(block, sizeof block);
  return done;
}

}  // namespace

SrtpHmac::~SrtpHmac() {
  OPENSSL_cleanse(&inner_, sizeof inner_);
  OPENSSL_cleanse(&outer_, sizeof outer_);
}

bool SrtpHmac::set_key(const uint8_t* key, size_t length) {
  return length <= SHA_CBLOCK && absorb_pad(inner_, key, length, 0x36) && absorb_pad(outer_, key, length, 0x5c);
}

bool SrtpHmac::compute(const uint8_t* first, size_t first_length, const uint8_t* second, size_t second_length,
                       std::array<uint8_t, kLength>& result) const {
  SHA_CTX state = inner_;
  if (SHA1_Update(&state, first, first_length) != 1 || SHA1_Update(&state, second, second_length) != 1 ||
      SHA1_Final(result.data(), &state) != 1)
    return false;
  state = outer_;
  return SHA1_Update(&state, result.data(), kLength) == 1 && SHA1_Final(result.data(), &state) == 1;
}

}  // namespace webtrunk
