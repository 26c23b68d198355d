#pragma once

#include <cstddef>
#include <cstdint>

namespace webtrunk {

/** RFC 3711 §4.3.1, §4.3.2. */
enum class SrtpKeyLabel : uint8_t {
  rtp_encryption = 0,
  rtp_authentication = 1,
  rtp_salt = 2,
  rtcp_encryption = 3,
  rtcp_authentication = 4,
  rtcp_salt = 5,
};

/**
 * AES-CM key derivation with rate 0 (RFC 3711 §4.3.3), by AES of the master key's length: 16, 24 or 32 bytes (RFC 6188 §3).
 * A 12-byte salt counts as padded with zeros at its end (RFC 7714 §11). False for another length, or when OpenSSL refuses.
 */
bool derive_srtp_key(const uint8_t* master_key, size_t key_length, const uint8_t* master_salt, size_t salt_length,
                     SrtpKeyLabel label, uint8_t* result, size_t result_length);

}  // namespace webtrunk
