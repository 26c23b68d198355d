#pragma once

// What OpenSSL 3 has in its place allocates and looks up for every message; see below.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace webtrunk {

/**
 * HMAC-SHA1 (RFC 2104) over two pieces, from digest states that have already taken in the padded key. OpenSSL 3.0 offers EVP
 * for it, which allocates a state for each copy or start, two a packet: this is the same code below that, in half the time
 * (figures: media/DECISIONS.md), and allocates nothing.
 */
class SrtpHmac {
 public:
  static constexpr size_t kLength = SHA_DIGEST_LENGTH;

  SrtpHmac() = default;
  ~SrtpHmac();
  SrtpHmac(const SrtpHmac&) = delete;
  SrtpHmac& operator=(const SrtpHmac&) = delete;

  /** `length` at most 64. False when OpenSSL refuses. */
  bool set_key(const uint8_t* key, size_t length);
  bool compute(const uint8_t* first, size_t first_length, const uint8_t* second, size_t second_length,
               std::array<uint8_t, kLength>& result) const;

 private:
  /** As good as the key. */
  SHA_CTX inner_{};
  SHA_CTX outer_{};
};

}  // namespace webtrunk
