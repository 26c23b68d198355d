#include "srtp_cipher.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <algorithm>
#include <cstring>

#include "bytes.h"
#include "srtp_key_derivation.h"

namespace webtrunk {

namespace {

constexpr size_t kGcmTag = 16;
constexpr size_t kIndexWord = 4;
constexpr uint32_t kEncryptedBit = 0x80000000;
constexpr size_t kBlock = 16;

/** GCM takes 12 bytes of it. */
using Vector = std::array<uint8_t, kBlock>;

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

/** AES-GCM, or the blocks of AES-CM, which are encrypted whatever becomes of the packet. */
bool set_key(EVP_CIPHER_CTX* cipher, const SuiteParameters& suite, const uint8_t* key, SrtpCipher::Direction direction) {
  const EVP_CIPHER* algorithm = (suite.is_aead ? kAesGcm : kAesEcb).cipher(suite.key_length);
  const bool is_encrypting = !suite.is_aead || direction == SrtpCipher::Direction::seal;
  // Kept when it is the same: then there is nothing to allocate.
  const EVP_CIPHER* change = EVP_CIPHER_CTX_get0_cipher(cipher) == nullptr ? algorithm : nullptr;
  return EVP_CipherInit_ex(cipher, change, nullptr, key, nullptr, is_encrypting) == 1 &&
         (suite.is_aead || EVP_CIPHER_CTX_set_padding(cipher, 0) == 1);
}

/** SSRC and index into the salt; RFC 3711 §4.1.1 (16 bytes), RFC 7714 §8.1, §9.1 (12 bytes). */
Vector initialisation_vector(const SuiteParameters& suite, const std::array<uint8_t, 14>& salt, uint32_t ssrc, uint64_t index) {
  Vector iv{};
  std::memcpy(iv.data(), salt.data(), suite.salt_length);
  uint8_t* at = iv.data() + (suite.is_aead ? 2 : 4);
  write_u32(at, read_u32(at) ^ ssrc);
  write_u16(at + 4, static_cast<uint16_t>(read_u16(at + 4) ^ index >> 32));
  write_u32(at + 6, read_u32(at + 6) ^ static_cast<uint32_t>(index));
  return iv;
}

/** Word by word. */
void add_key_stream(uint8_t* bytes, const uint8_t* stream, size_t length) {
  size_t at = 0;
  for (; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
    uint64_t word;
    uint64_t key;
    std::memcpy(&word, bytes + at, sizeof word);
    std::memcpy(&key, stream + at, sizeof key);
    word ^= key;
    std::memcpy(bytes + at, &word, sizeof word);
  }
  for (; at < length; at++) bytes[at] ^= stream[at];
}

/**
 * AES-CM (RFC 3711 §4.1.1), onto the bytes in place. For its own counter mode EVP takes longer to be told where to start than to
 * encrypt a packet (figures: media/DECISIONS.md); blocks need no start.
 */
bool crypt_counter(EVP_CIPHER_CTX* cipher, const Vector& iv, uint8_t* bytes, size_t length) {
  uint8_t stream[16 * kBlock];
  uint16_t counter = 0;
  while (length > 0) {
    const size_t size = std::min(length, sizeof stream);
    const size_t blocks = (size + kBlock - 1) / kBlock;
    for (size_t at = 0; at < blocks; at++) {
      std::memcpy(stream + at * kBlock, iv.data(), kBlock);
      write_u16(stream + at * kBlock + kBlock - 2, counter++);
    }
    int written = 0;
    if (EVP_EncryptUpdate(cipher, stream, &written, stream, static_cast<int>(blocks * kBlock)) != 1) return false;
    add_key_stream(bytes, stream, size);
    bytes += size;
    length -= size;
  }
  return true;
}

bool start(EVP_CIPHER_CTX* cipher, const Vector& iv) {
  return EVP_CipherInit_ex(cipher, nullptr, nullptr, nullptr, iv.data(), -1) == 1;
}

bool crypt(EVP_CIPHER_CTX* cipher, uint8_t* bytes, size_t length) {
  int written = 0;
  return length == 0 || EVP_CipherUpdate(cipher, bytes, &written, bytes, static_cast<int>(length)) == 1;
}

bool authenticate_only(EVP_CIPHER_CTX* cipher, const uint8_t* bytes, size_t length) {
  int written = 0;
  return EVP_CipherUpdate(cipher, nullptr, &written, bytes, static_cast<int>(length)) == 1;
}

bool finish_seal(EVP_CIPHER_CTX* cipher, uint8_t* tag) {
  uint8_t rest[16];
  int written = 0;
  return EVP_CipherFinal_ex(cipher, rest, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kGcmTag, tag) == 1;
}

Drop finish_open(EVP_CIPHER_CTX* cipher, uint8_t* tag) {
  uint8_t rest[16];
  int written = 0;
  if (EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kGcmTag, tag) != 1) return Drop::srtp_cipher_failed;
  if (EVP_CipherFinal_ex(cipher, rest, &written) == 1) return Drop::none;
  ERR_clear_error();
  return Drop::srtp_auth_failed;
}

/** Those of a thread for RTCP, one a suite, from the first packet that needs it until the thread ends. */
thread_local std::array<CipherContext, kSuiteCount> rtcp_contexts;

/** A context of the thread with one leg's key, for as long as this is there. */
class RtcpCipher {
 public:
  RtcpCipher(const SuiteParameters& suite, const SrtpSessionKeys& keys, SrtpCipher::Direction direction)
      : context_(rtcp_contexts[static_cast<size_t>(suite.suite)]) {
    if (context_ == nullptr) context_.reset(EVP_CIPHER_CTX_new());
    is_keyed_ = context_ != nullptr && set_key(get(), suite, keys.encryption.data(), direction);
  }

  /** A key must not outlive its leg here: another takes its place. */
  ~RtcpCipher() {
    const uint8_t none[32] = {};
    if (!is_keyed_ || EVP_CipherInit_ex(get(), nullptr, nullptr, none, nullptr, -1) != 1) context_.reset();
  }

  RtcpCipher(const RtcpCipher&) = delete;
  RtcpCipher& operator=(const RtcpCipher&) = delete;

  bool is_keyed() const { return is_keyed_; }
  EVP_CIPHER_CTX* get() const { return context_.get(); }

 private:
  CipherContext& context_;
  bool is_keyed_;
};

}  // namespace

SrtpSessionKeys::~SrtpSessionKeys() {
  OPENSSL_cleanse(encryption.data(), encryption.size());
  OPENSSL_cleanse(authentication.data(), authentication.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

SrtpCipher::~SrtpCipher() { OPENSSL_cleanse(rtp_salt_.data(), rtp_salt_.size()); }

bool SrtpCipher::set_master_key(const uint8_t* key_salt, size_t length) {
  const SuiteParameters& parameters = suite();
  if (length != parameters.key_length + parameters.salt_length) return false;
  SrtpSessionKeys rtp;
  SrtpSessionKeys rtcp;
  const bool is_set = derive_session_keys(parameters, key_salt, SrtpKeyLabel::rtp_encryption, rtp) &&
                      derive_session_keys(parameters, key_salt, SrtpKeyLabel::rtcp_encryption, rtcp) &&
                      set_session_keys(rtp, rtcp);
  ERR_clear_error();
  return is_set;
}

bool SrtpCipher::set_session_keys(const SrtpSessionKeys& rtp, const SrtpSessionKeys& rtcp) {
  const SuiteParameters& parameters = suite();
  rtp_salt_ = rtp.salt;
  rtcp_.encryption = rtcp.encryption;
  rtcp_.authentication = rtcp.authentication;
  rtcp_.salt = rtcp.salt;
  rtp_.reset(EVP_CIPHER_CTX_new());
  return rtp_ != nullptr && set_key(rtp_.get(), parameters, rtp.encryption.data(), direction_) &&
         (parameters.is_aead || rtp_hmac_.set_key(rtp.authentication.data(), parameters.auth_key_length));
}

bool SrtpCipher::has_key_of(const SrtpCipher& other) const {
  return suite_ == other.suite_ &&
         CRYPTO_memcmp(rtcp_.encryption.data(), other.rtcp_.encryption.data(), rtcp_.encryption.size()) == 0 &&
         CRYPTO_memcmp(rtcp_.salt.data(), other.rtcp_.salt.data(), rtcp_.salt.size()) == 0;
}

bool SrtpCipher::seal_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index) {
  uint8_t* payload = packet + header_length;
  const size_t payload_length = length - header_length;
  const Vector iv = initialisation_vector(suite(), rtp_salt_, ssrc, index);
  if (suite().is_aead) {
    return start(rtp_.get(), iv) && authenticate_only(rtp_.get(), packet, header_length) &&
           crypt(rtp_.get(), payload, payload_length) && finish_seal(rtp_.get(), packet + length);
  }
  // RFC 3711 §4.2: the rollover counter is authenticated though not sent.
  uint8_t rollover[4];
  write_u32(rollover, static_cast<uint32_t>(index >> 16));
  std::array<uint8_t, SrtpHmac::kLength> tag;
  if (!crypt_counter(rtp_.get(), iv, payload, payload_length) ||
      !rtp_hmac_.compute(packet, length, rollover, sizeof rollover, tag)) {
    return false;
  }
  std::memcpy(packet + length, tag.data(), suite().rtp_tag_length);
  return true;
}

Drop SrtpCipher::open_rtp(uint8_t* packet, size_t header_length, size_t length, uint32_t ssrc, uint64_t index) {
  uint8_t* payload = packet + header_length;
  const size_t payload_length = length - header_length;
  const Vector iv = initialisation_vector(suite(), rtp_salt_, ssrc, index);
  if (suite().is_aead) {
    if (!start(rtp_.get(), iv) || !authenticate_only(rtp_.get(), packet, header_length) ||
        !crypt(rtp_.get(), payload, payload_length)) {
      return Drop::srtp_cipher_failed;
    }
    return finish_open(rtp_.get(), packet + length);
  }
  uint8_t rollover[4];
  write_u32(rollover, static_cast<uint32_t>(index >> 16));
  std::array<uint8_t, SrtpHmac::kLength> tag;
  if (!rtp_hmac_.compute(packet, length, rollover, sizeof rollover, tag)) return Drop::srtp_cipher_failed;
  if (CRYPTO_memcmp(tag.data(), packet + length, suite().rtp_tag_length) != 0) return Drop::srtp_auth_failed;
  return crypt_counter(rtp_.get(), iv, payload, payload_length) ? Drop::none : Drop::srtp_cipher_failed;
}

bool SrtpCipher::seal_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t index) {
  const SuiteParameters& parameters = suite();
  uint8_t word[kIndexWord];
  write_u32(word, kEncryptedBit | index);
  uint8_t* body = packet + 8;
  const size_t body_length = length - 8;
  const RtcpCipher cipher(parameters, rtcp_, direction_);
  if (!cipher.is_keyed()) return false;
  const Vector iv = initialisation_vector(parameters, rtcp_.salt, ssrc, index);
  if (parameters.is_aead) {
    // RFC 7714 §9.1: tag first, then the index, in clear and authenticated.
    std::memcpy(packet + length + kGcmTag, word, sizeof word);
    return start(cipher.get(), iv) && authenticate_only(cipher.get(), packet, 8) && authenticate_only(cipher.get(), word, sizeof word) &&
           crypt(cipher.get(), body, body_length) && finish_seal(cipher.get(), packet + length);
  }
  SrtpHmac hmac;
  std::array<uint8_t, SrtpHmac::kLength> tag;
  if (!crypt_counter(cipher.get(), iv, body, body_length) ||
      !hmac.set_key(rtcp_.authentication.data(), parameters.auth_key_length) ||
      !hmac.compute(packet, length, word, sizeof word, tag)) {
    return false;
  }
  std::memcpy(packet + length, word, sizeof word);
  std::memcpy(packet + length + sizeof word, tag.data(), parameters.rtcp_tag_length);
  return true;
}

Drop SrtpCipher::open_rtcp(uint8_t* packet, size_t length, uint32_t ssrc, uint32_t word_value) {
  const SuiteParameters& parameters = suite();
  uint8_t word[kIndexWord];
  write_u32(word, word_value);
  const bool is_encrypted = (word_value & kEncryptedBit) != 0;
  const uint32_t index = word_value & ~kEncryptedBit;
  const size_t clear_length = is_encrypted ? 8 : length;
  uint8_t* body = packet + clear_length;
  const size_t body_length = length - clear_length;
  if (!parameters.is_aead) {
    // Before there is a context: who forges packets shall not buy more work than this.
    SrtpHmac hmac;
    std::array<uint8_t, SrtpHmac::kLength> tag;
    if (!hmac.set_key(rtcp_.authentication.data(), parameters.auth_key_length) ||
        !hmac.compute(packet, length, word, sizeof word, tag)) {
      return Drop::srtp_cipher_failed;
    }
    const uint8_t* received_tag = packet + length + sizeof word;
    if (CRYPTO_memcmp(tag.data(), received_tag, parameters.rtcp_tag_length) != 0) return Drop::srtp_auth_failed;
    if (!is_encrypted) return Drop::none;
  }
  const RtcpCipher cipher(parameters, rtcp_, direction_);
  if (!cipher.is_keyed()) return Drop::srtp_cipher_failed;
  const Vector iv = initialisation_vector(parameters, rtcp_.salt, ssrc, index);
  if (!parameters.is_aead) return crypt_counter(cipher.get(), iv, body, body_length) ? Drop::none : Drop::srtp_cipher_failed;
  if (!start(cipher.get(), iv) || !authenticate_only(cipher.get(), packet, clear_length) || !authenticate_only(cipher.get(), word, sizeof word) ||
      !crypt(cipher.get(), body, body_length)) {
    return Drop::srtp_cipher_failed;
  }
  return finish_open(cipher.get(), packet + length);
}

}  // namespace webtrunk
