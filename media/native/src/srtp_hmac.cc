#include "srtp_hmac.h"

// What OpenSSL 3 has in its place allocates and looks up for every message; see srtp_hmac.h.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/sha.h>


namespace webtrunk {

namespace {

static_assert(SrtpHmac::kLength == SHA_DIGEST_LENGTH);

/** A digest that has taken in one block. What it gathers for the next one is not looked at before it is written. */
void resume(SHA_CTX& digest, const std::array<uint32_t, 5>& words) {
  digest.h0 = words[0];
  digest.h1 = words[1];
  digest.h2 = words[2];
  digest.h3 = words[3];
  digest.h4 = words[4];
  digest.Nl = SHA_CBLOCK * 8;
  digest.Nh = 0;
  digest.num = 0;
}

bool absorb_pad(std::array<uint32_t, 5>& words, const uint8_t* key, size_t length, uint8_t pad) {
  uint8_t block[SHA_CBLOCK];
  SHA_CTX digest;
  for (size_t i = 0; i < sizeof block; ++i) block[i] = static_cast<uint8_t>((i < length ? key[i] : 0) ^ pad);
  const bool is_done = SHA1_Init(&digest) == 1 && SHA1_Update(&digest, block, sizeof block) == 1;
  words = {digest.h0, digest.h1, digest.h2, digest.h3, digest.h4};
  OPENSSL_cleanse(block, sizeof block);
  OPENSSL_cleanse(&digest, sizeof digest);
  return is_done;
}

}  // namespace

SrtpHmac::~SrtpHmac() {
  OPENSSL_cleanse(inner_.data(), sizeof inner_);
  OPENSSL_cleanse(outer_.data(), sizeof outer_);
}

bool SrtpHmac::set_key(const uint8_t* key, size_t length) {
  return length <= SHA_CBLOCK && absorb_pad(inner_, key, length, 0x36) && absorb_pad(outer_, key, length, 0x5c);
}

bool SrtpHmac::compute(const uint8_t* first, size_t first_length, const uint8_t* second, size_t second_length,
                       std::array<uint8_t, kLength>& result) const {
  SHA_CTX digest;
  resume(digest, inner_);
  if (SHA1_Update(&digest, first, first_length) != 1 || SHA1_Update(&digest, second, second_length) != 1 ||
      SHA1_Final(result.data(), &digest) != 1)
    return false;
  resume(digest, outer_);
  return SHA1_Update(&digest, result.data(), kLength) == 1 && SHA1_Final(result.data(), &digest) == 1;
}

}  // namespace webtrunk
