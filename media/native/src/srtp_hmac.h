#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace webtrunk {

/**
 * HMAC-SHA1 (RFC 2104) over two pieces, with one long-lived digest context. OpenSSL 3's own HMAC, and copying a digest
 * context, allocate memory for each message; starting the same digest again does not.
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
               std::array<uint8_t, kLength>& result);

 private:
  static constexpr size_t kBlock = 64;

  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };

  std::unique_ptr<EVP_MD_CTX, Free> context_;
  std::array<uint8_t, kBlock> inner_pad_{};
  std::array<uint8_t, kBlock> outer_pad_{};
};

}  // namespace webtrunk
