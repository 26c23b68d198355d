#include "srtp_cipher.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <cstring>

#include "bytes.h"
#include "srtp_aes.h"
#include "srtp_key_derivation.h"

namespace webtrunk {

namespace {

constexpr size_t kGcmTag = 16;
constexpr size_t kIndexWord = 4;
constexpr uint32_t kEncryptedBit = 0x80000000;

bool digest_key(Suite suite, const uint8_t* key_salt, size_t length, std::array<uint8_t, 32>& digest) {
  uint8_t bytes[1 + EVP_MAX_KEY_LENGTH];
  if (length + 1 > sizeof bytes) return false;
  bytes[0] = static_cast<uint8_t>(suite);
  std::memcpy(bytes + 1, key_salt, length);
  const bool done = EVP_Digest(bytes, length + 1, digest.data(), nullptr, EVP_sha256(), nullptr) == 1;
  OPENSSL_cleanse(bytes, sizeof bytes);
  return done;
}

/** Encryption, authentication and salt have labels in a row (RFC 3711 §4.3.1, §4.3.2). */
bool derive_session_keys(const SuiteParameters& suite, const uint8_t* key_salt, SrtpKeyLabel first,
                         SrtpSessionKeys& keys) {
  const auto derive = [&](uint8_t offset, uint8_t* result, size_t length) {
    const auto label = static_cast<SrtpKeyLabel>(static_cast<uint8_t>(first) + offset);
    return derive_srtp_key(key_salt, suite.key_length, key_salt + suite.key_length, suite.salt_length, label, result,
                           length);
  };
  return derive(0, keys.encryption.data(), suite.key_length) &&
         (suite.is_aead || derive(1, keys.authentication.data(), suite.auth_key_length)) &&
         derive(2, keys.salt.data(), suite.salt_length);
}

}  // namespace

SrtpSessionKeys::~SrtpSessionKeys() {
  OPENSSL_cleanse(encryption.data(), encryption.size());
  OPENSSL_cleanse(authentication.data(), authentication.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

std::unique_ptr<SrtpCipher> SrtpCipher::create(Suite suite, const uint8_t* key_salt, size_t length,
                                               Direction direction) {
  const SuiteParameters& parameters = suite_parameters(suite);
  if (length != parameters.key_length + parameters.salt_length) return nullptr;
  SrtpSessionKeys rtp;
  SrtpSessionKeys rtcp;
  std::unique_ptr<SrtpCipher> cipher;
  if (derive_session_keys(parameters, key_salt, SrtpKeyLabel::rtp_encryption, rtp) &&
      derive_session_keys(parameters, key_salt, SrtpKeyLabel::rtcp_encryption, rtcp)) {
    cipher = from_session_keys(suite, rtp, rtcp, direction);
  }
  if (cipher != nullptr && !digest_key(suite, key_salt, length, cipher->key_digest_)) cipher.reset();
  ERR_clear_error();
  return cipher;
}

std::unique_ptr<SrtpCipher> SrtpCipher::from_session_keys(Suite suite, const SrtpSessionKeys& rtp,
                                                          const SrtpSessionKeys& rtcp, Direction direction) {
  std::unique_ptr<SrtpCipher> cipher(new SrtpCipher(suite_parameters(suite), direction));
  if (!cipher->set_keys(cipher->rtp_, rtp) || !cipher->set_keys(cipher->rtcp_, rtcp)) return nullptr;
  return cipher;
}

SrtpCipher::~SrtpCipher() {
  OPENSSL_cleanse(rtp_.salt.data(), rtp_.salt.size());
  OPENSSL_cleanse(rtcp_.salt.data(), rtcp_.salt.size());
  OPENSSL_cleanse(key_digest_.data(), key_digest_.size());
}

bool SrtpCipher::set_keys(Half& half, const SrtpSessionKeys& keys) {
  const EVP_CIPHER* algorithm = suite_.is_aead ? aes_gcm(suite_.key_length) : aes_ctr(suite_.key_length);
  half.salt = keys.salt;
  half.cipher.reset(EVP_CIPHER_CTX_new());
  return half.cipher != nullptr &&
         EVP_CipherInit_ex(half.cipher.get(), algorithm, nullptr, keys.encryption.data(), nullptr,
                           direction_ == Direction::seal) == 1 &&
         (suite_.is_aead || half.hmac.set_key(keys.authentication.data(), suite_.auth_key_length));
}

/** Initialisation vector: SSRC and index into the salt; RFC 3711 §4.1.1 (16 bytes), RFC 7714 §8.1, §9.1 (12 bytes). */
bool SrtpCipher::start(Half& half, uint32_t ssrc, uint64_t index) {
  uint8_t iv[16] = {};
  std::memcpy(iv, half.salt.data(), suite_.salt_length);
  const size_t ssrc_at = suite_.is_aead ? 2 : 4;
  for (size_t i = 0; i < 4; ++i) iv[ssrc_at + i] ^= static_cast<uint8_t>(ssrc >> (24 - 8 * i));
  for (size_t i = 0; i < 6; ++i) iv[ssrc_at + 4 + i] ^= static_cast<uint8_t>(index >> (40 - 8 * i));
  return EVP_CipherInit_ex(half.cipher.get(), nullptr, nullptr, nullptr, iv, -1) == 1;
}

bool SrtpCipher::crypt(Half& half, uint8_t* bytes, size_t length) {
  int written = 0;
  return length == 0 || EVP_CipherUpdate(half.cipher.get(), bytes, &written, bytes, static_cast<int>(length)) == 1;
}

bool SrtpCipher::authenticate_only(Half& half, const uint8_t* bytes, size_t length) {
  int written = 0;
  return EVP_CipherUpdate(half.cipher.get(), nullptr, &written, bytes, static_cast<int>(length)) == 1;
}

bool SrtpCipher::finish_seal(Half& half, uint8_t* tag) {
  uint8_t rest[16];
  int written = 0;
  return EVP_CipherFinal_ex(half.cipher.get(), rest, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(half.cipher.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTag, tag) == 1;
}

Drop SrtpCipher::finish_open(Half& half, uint8_t* tag) {
  uint8_t rest[16];
  int written = 0;
  if (EVP_CIPHER_CTX_ctrl(half.cipher.get(), EVP_CTRL_AEAD_SET_TAG, kGcmTag, tag) != 1) return Drop::srtp_cipher_failed;
  if (EVP_CipherFinal_ex(half.cipher.get(), rest, &written) == 1) return Drop::none;
  ERR_clear_error();
  return Drop::srtp_auth_failed;
}

bool SrtpCipher::seal_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index) {
  uint8_t* payload = packet + header_length;
  const size_t payload_length = length - header_length;
  if (suite_.is_aead) {
    return start(rtp_, ssrc, index) && authenticate_only(rtp_, packet, header_length) &&
           crypt(rtp_, payload, payload_length) && finish_seal(rtp_, packet + length);
  }
  // RFC 3711 §4.2: the rollover counter is authenticated though not sent.
  uint8_t rollover[4];
  write_u32(rollover, static_cast<uint32_t>(index >> 16));
  std::array<uint8_t, SrtpHmac::kLength> tag;
  if (!start(rtp_, ssrc, index) || !crypt(rtp_, payload, payload_length) ||
      !rtp_.hmac.compute(packet, length, rollover, sizeof rollover, tag)) {
    return false;
  }
  std::memcpy(packet + length, tag.data(), suite_.rtp_tag_length);
  return true;
}

Drop SrtpCipher::open_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index) {
  uint8_t* payload = packet + header_length;
  const size_t payload_length = length - header_length;
  if (suite_.is_aead) {
    if (!start(rtp_, ssrc, index) || !authenticate_only(rtp_, packet, header_length) ||
        !crypt(rtp_, payload, payload_length)) {
      return Drop::srtp_cipher_failed;
    }
    return finish_open(rtp_, packet + length);
  }
  uint8_t rollover[4];
  write_u32(rollover, static_cast<uint32_t>(index >> 16));
  std::array<uint8_t, SrtpHmac::kLength> tag;
  if (!rtp_.hmac.compute(packet, length, rollover, sizeof rollover, tag)) return Drop::srtp_cipher_failed;
  if (CRYPTO_memcmp(tag.data(), packet + length, suite_.rtp_tag_length) != 0) return Drop::srtp_auth_failed;
  return start(rtp_, ssrc, index) && crypt(rtp_, payload, payload_length) ? Drop::none : Drop::srtp_cipher_failed;
}

bool SrtpCipher::seal_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t index) {
  uint8_t word[kIndexWord];
  write_u32(word, kEncryptedBit | index);
  uint8_t* body = packet + 8;
  const size_t body_length = length - 8;
  if (suite_.is_aead) {
    // RFC 7714 §9.1: tag first, then the index, in clear and authenticated.
    std::memcpy(packet + length + kGcmTag, word, sizeof word);
    return start(rtcp_, ssrc, index) && authenticate_only(rtcp_, packet, 8) &&
           authenticate_only(rtcp_, word, sizeof word) && crypt(rtcp_, body, body_length) &&
           finish_seal(rtcp_, packet + length);
  }
  std::array<uint8_t, SrtpHmac::kLength> tag;
  if (!start(rtcp_, ssrc, index) || !crypt(rtcp_, body, body_length) ||
      !rtcp_.hmac.compute(packet, length, word, sizeof word, tag)) {
    return false;
  }
  std::memcpy(packet + length, word, sizeof word);
  std::memcpy(packet + length + sizeof word, tag.data(), suite_.rtcp_tag_length);
  return true;
}

Drop SrtpCipher::open_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t word_value) {
  uint8_t word[kIndexWord];
  write_u32(word, word_value);
  const bool is_encrypted = (word_value & kEncryptedBit) != 0;
  const uint32_t index = word_value & ~kEncryptedBit;
  const size_t clear_length = is_encrypted ? 8 : length;
  uint8_t* body = packet + clear_length;
  const size_t body_length = length - clear_length;
  if (suite_.is_aead) {
    if (!start(rtcp_, ssrc, index) || !authenticate_only(rtcp_, packet, clear_length) ||
        !authenticate_only(rtcp_, word, sizeof word) || !crypt(rtcp_, body, body_length)) {
      return Drop::srtp_cipher_failed;
    }
    return finish_open(rtcp_, packet + length);
  }
  std::array<uint8_t, SrtpHmac::kLength> tag;
  if (!rtcp_.hmac.compute(packet, length, word, sizeof word, tag)) return Drop::srtp_cipher_failed;
  const uint8_t* received_tag = packet + length + sizeof word;
  if (CRYPTO_memcmp(tag.data(), received_tag, suite_.rtcp_tag_length) != 0) return Drop::srtp_auth_failed;
  return start(rtcp_, ssrc, index) && crypt(rtcp_, body, body_length) ? Drop::none : Drop::srtp_cipher_failed;
}

bool SrtpCipher::has_key(Suite suite, const uint8_t* key_salt, size_t length) const {
  std::array<uint8_t, 32> digest;
  return digest_key(suite, key_salt, length, digest) &&
         CRYPTO_memcmp(digest.data(), key_digest_.data(), digest.size()) == 0;
}

}  // namespace webtrunk
