#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <memory>

namespace webtrunk {

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;

/** AES in counter mode by key length in bytes (RFC 3711 §4.1.1, RFC 6188 §2); null for a length that AES has not. */
inline const EVP_CIPHER* aes_ctr(size_t key_length) {
  switch (key_length) {
    case 16:
      return EVP_aes_128_ctr();
    case 24:
      return EVP_aes_192_ctr();
    case 32:
      return EVP_aes_256_ctr();
    default:
      return nullptr;
  }
}

/** Of a counter mode of one's own. As `aes_ctr`. */
inline const EVP_CIPHER* aes_ecb(size_t key_length) {
  switch (key_length) {
    case 16:
      return EVP_aes_128_ecb();
    case 24:
      return EVP_aes_192_ecb();
    case 32:
      return EVP_aes_256_ecb();
    default:
      return nullptr;
  }
}

/** RFC 7714 knows two lengths. */
inline const EVP_CIPHER* aes_gcm(size_t key_length) {
  switch (key_length) {
    case 16:
      return EVP_aes_128_gcm();
    case 32:
      return EVP_aes_256_gcm();
    default:
      return nullptr;
  }
}

}  // namespace webtrunk
