#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace webtrunk {

/**
 * HMAC-SHA1 (RFC 2104) over two pieces, from digest states that have already taken in the padded key. Fastest of the three
 * ways OpenSSL 3 offers (217 ns for 184 bytes; EVP_MAC 252, hashing the pads again 296). OpenSSL 3.0 allocates its
 * 96-byte digest state anew for each start or copy, twice a packet, whichever way; we allocate nothing.
 */
class SrtpHmac {
 public:
  static constexpr size_t kLength = 20;

  /** `length` at most 64. False when OpenSSL refuses. */
  bool set_key(const uint8_t* key, size_t length);
  bool compute(const uint8_t* first, size_t first_length, const uint8_t* second, size_t second_length,
               std::array<uint8_t, kLength>& result);

 private:
  struct Free {
    /** OpenSSL wipes the state. */
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  using Context = std::unique_ptr<EVP_MD_CTX, Free>;

  static bool absorb_pad(Context& context, const uint8_t* key, size_t length, uint8_t pad);

  Context inner_;
  Context outer_;
  Context work_;
};

}  // namespace webtrunk
