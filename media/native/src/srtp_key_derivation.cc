#include "srtp_key_derivation.h"

#include <cstring>

#include "srtp_aes.h"

namespace webtrunk {

namespace {

/** Salt of the PRF and place of the label in it. */
constexpr size_t kPrfSalt = 14;
constexpr size_t kLabelAt = 7;

}  // namespace

bool derive_srtp_key(const uint8_t* master_key, size_t key_length, const uint8_t* master_salt, size_t salt_length,
                     SrtpKeyLabel label, uint8_t* result, size_t result_length) {
  const EVP_CIPHER* algorithm = kAesCtr.cipher(key_length);
  if (algorithm == nullptr || salt_length > kPrfSalt) return false;
  uint8_t counter[16] = {};
  std::memcpy(counter, master_salt, salt_length);
  counter[kLabelAt] ^= static_cast<uint8_t>(label);

  const CipherContext context(EVP_CIPHER_CTX_new());
  std::memset(result, 0, result_length);
  int written = 0;
  return context != nullptr &&
         EVP_EncryptInit_ex(context.get(), algorithm, nullptr, master_key, counter) == 1 &&
         EVP_EncryptUpdate(context.get(), result, &written, result, static_cast<int>(result_length)) == 1;
}

}  // namespace webtrunk
