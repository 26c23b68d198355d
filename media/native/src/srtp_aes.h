#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <memory>

namespace webtrunk {

struct FreeCipherContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, FreeCipherContext>;

/** A mode of AES, by key length. Null for a length that AES has not. */
struct AesMode {
  const EVP_CIPHER* (*of_128)();
  const EVP_CIPHER* (*of_192)();
  const EVP_CIPHER* (*of_256)();

  /** `key_length` in bytes. */
  const EVP_CIPHER* cipher(size_t key_length) const {
    switch (key_length) {
      case 16:
        return of_128();
      case 24:
        return of_192 == nullptr ? nullptr : of_192();
      case 32:
        return of_256();
      default:
        return nullptr;
    }
  }
};

/** RFC 3711 §4.1.1, RFC 6188 §2. */
constexpr AesMode kAesCtr{EVP_aes_128_ctr, EVP_aes_192_ctr, EVP_aes_256_ctr};
/** For a counter mode of one's own. */
constexpr AesMode kAesEcb{EVP_aes_128_ecb, EVP_aes_192_ecb, EVP_aes_256_ecb};
/** RFC 7714 knows two lengths. */
constexpr AesMode kAesGcm{EVP_aes_128_gcm, nullptr, EVP_aes_256_gcm};

}  // namespace webtrunk
