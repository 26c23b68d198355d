#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace webtrunk {

/**
 * HMAC-SHA1 (RFC 2104) over two pieces, from digests that have already taken in the padded key. OpenSSL 3.0 offers EVP
 * for it, which allocates a state for each copy or start, two a packet: this is the same code below that, in half the time
 * (figures: media/DECISIONS.md), and allocates nothing.
 */
class SrtpHmac {
 public:
  static constexpr size_t kLength = 20;

  SrtpHmac() = default;
  ~SrtpHmac();
  SrtpHmac(const SrtpHmac&) = delete;
  SrtpHmac& operator=(const SrtpHmac&) = delete;

  /** `length` at most 64. False when OpenSSL refuses. */
  bool set_key(const uint8_t* key, size_t length);
  bool compute(const uint8_t* first, size_t first_length, const uint8_t* second, size_t second_length,
               std::array<uint8_t, kLength>& result) const;

 private:
  /** All that is left of a digest after one block (FIPS 180-4 §6.1.2). As good as the key. */
  std::array<uint32_t, 5> inner_{};
  std::array<uint32_t, 5> outer_{};
};

}  // namespace webtrunk
