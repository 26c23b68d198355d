#include "srtp.h"

#include <openssl/evp.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "bytes.h"
#include "check.h"
#include "openssl_memory.h"
#include "srtp_aes.h"
#include "srtp_cipher.h"
#include "srtp_index.h"
#include "srtp_key_derivation.h"

using namespace webtrunk;
using check::Bytes;
using check::from_hex;
using check::to_hex;

namespace {

constexpr uint32_t kSsrc = 0xcafebabe;
constexpr Suite kSuites[] = {Suite::aes_cm_128_hmac_sha1_80, Suite::aes_cm_128_hmac_sha1_32,
                             Suite::aes_192_cm_hmac_sha1_80, Suite::aes_192_cm_hmac_sha1_32,
                             Suite::aes_256_cm_hmac_sha1_80, Suite::aes_256_cm_hmac_sha1_32,
                             Suite::aead_aes_128_gcm,        Suite::aead_aes_256_gcm};

std::atomic<size_t> our_allocations{0};

Bytes key_for(Suite suite, uint8_t first = 1) {
  Bytes key;
  const SuiteParameters& row = suite_parameters(suite);
  for (size_t i = 0; i < row.key_length + row.salt_length; ++i) key.push_back(static_cast<uint8_t>(first + i * 7));
  return key;
}

std::unique_ptr<SrtpSender> sender_for(Suite suite, uint32_t ssrc = kSsrc, uint8_t key = 1) {
  const Bytes bytes = key_for(suite, key);
  return SrtpSender::create(suite, bytes.data(), bytes.size(), ssrc);
}

std::unique_ptr<SrtpReceiver> receiver_for(Suite suite, uint8_t key = 1) {
  const Bytes bytes = key_for(suite, key);
  return SrtpReceiver::create(suite, bytes.data(), bytes.size());
}

Bytes rtp(uint16_t sequence, uint32_t ssrc = kSsrc, size_t payload = 20) {
  Bytes packet = from_hex("80080000 00001234 00000000");
  write_u16(packet.data() + 2, sequence);
  write_u32(packet.data() + 8, ssrc);
  for (size_t i = 0; i < payload; ++i) packet.push_back(static_cast<uint8_t>(sequence + i));
  return packet;
}

Bytes rtcp(uint32_t ssrc = kSsrc) {
  Bytes packet = from_hex("80c80006 00000000 1111111122222222333333334444444455555555");
  write_u32(packet.data() + 4, ssrc);
  return packet;
}

struct Result {
  Drop drop;
  Bytes packet;
};

template <typename Call>
Result apply(Bytes packet, size_t spare, Call call) {
  const size_t length = packet.size();
  packet.resize(length + spare);
  const Outcome outcome = call(packet.data(), length, packet.size());
  packet.resize(outcome ? outcome.length : 0);
  // Copied, so that the sanitizer sees a read beyond the end of the next step's input.
  return {outcome.drop, Bytes(packet.begin(), packet.end())};
}

Result protect(SrtpSender& sender, const Bytes& packet, size_t spare = kSrtpMaxOverhead) {
  return apply(packet, spare, [&](uint8_t* at, size_t length, size_t capacity) {
    return sender.protect_rtp(at, length, capacity);
  });
}
Result protect_rtcp(SrtpSender& sender, const Bytes& packet, size_t spare = kSrtpMaxOverhead) {
  return apply(packet, spare, [&](uint8_t* at, size_t length, size_t capacity) {
    return sender.protect_rtcp(at, length, capacity);
  });
}
Result unprotect(SrtpReceiver& receiver, const Bytes& packet) {
  return apply(packet, 0, [&](uint8_t* at, size_t length, size_t) { return receiver.unprotect_rtp(at, length); });
}
Result unprotect_rtcp(SrtpReceiver& receiver, const Bytes& packet) {
  return apply(packet, 0, [&](uint8_t* at, size_t length, size_t) { return receiver.unprotect_rtcp(at, length); });
}

std::string derive(const char* key, const char* salt, SrtpKeyLabel label, size_t length) {
  const Bytes key_bytes = from_hex(key);
  const Bytes salt_bytes = from_hex(salt);
  Bytes result(length);
  CHECK(derive_srtp_key(key_bytes.data(), key_bytes.size(), salt_bytes.data(), salt_bytes.size(), label, result.data(),
                        length));
  return to_hex(result);
}

/** The keys of RFC 7714 §16 and §17 count up from 0. */
std::unique_ptr<SrtpCipher> rfc7714_cipher(SrtpCipher::Direction direction, Suite suite = Suite::aead_aes_128_gcm) {
  SrtpSessionKeys keys;
  Bytes key;
  for (size_t i = 0; i < suite_parameters(suite).key_length; ++i) key.push_back(static_cast<uint8_t>(i));
  const Bytes salt = from_hex("517569642070726f2071756f");
  std::memcpy(keys.encryption.data(), key.data(), key.size());
  std::memcpy(keys.salt.data(), salt.data(), salt.size());
  auto cipher = std::make_unique<SrtpCipher>(suite, direction);
  CHECK(cipher->set_session_keys(keys, keys));
  return cipher;
}

}  // namespace

void* operator new(size_t size) {
  ++our_allocations;
  void* block = std::malloc(size);
  if (block == nullptr) std::abort();
  return block;
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }

TEST(rfc3711_b2, "RFC 3711 B.2: AES-CM key stream") {
  // Label 0 leaves the salt as it is, so the derivation yields the bare key stream.
  CHECK(derive("2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD", SrtpKeyLabel::rtp_encryption, 48) ==
        "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0");
  // Blocks 0xfeff to 0xff01.
  const std::string stream = derive("2B7E151628AED2A6ABF7158809CF4F3C", "F0F1F2F3F4F5F6F7F8F9FAFBFCFD",
                                    SrtpKeyLabel::rtp_encryption, 0xff02 * 16);
  CHECK(stream.substr(0xfeff * 32, 96) ==
        "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44");
}

TEST(rfc3711_b3, "RFC 3711 B.3: key derivation") {
  constexpr char kKey[] = "E1F97A0D3E018BE0D64FA32C06DE4139";
  constexpr char kSalt[] = "0EC675AD498AFEEBB6960B3AABE6";
  CHECK(derive(kKey, kSalt, SrtpKeyLabel::rtp_encryption, 16) == "c61e7a93744f39ee10734afe3ff7a087");
  CHECK(derive(kKey, kSalt, SrtpKeyLabel::rtp_salt, 14) == "30cbbc08863d8c85d49db34a9ae1");
  CHECK(derive(kKey, kSalt, SrtpKeyLabel::rtp_authentication, 96) ==
        "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef72270986371c10c9a369ac2"
        "f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2dc68");
}

TEST(rfc6188_7_1, "RFC 6188 7.1, 7.3: key streams of AES-256-CM and AES-192-CM") {
  const auto stream_of = [](const char* key) {
    return derive(key, "f0f1f2f3f4f5f6f7f8f9fafbfcfd", SrtpKeyLabel::rtp_encryption, 0xff02 * 16);
  };
  const std::string by_256 = stream_of("57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98");
  CHECK(by_256.substr(0, 96) ==
        "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac63c4868b7096d88421b563b8c94c9a31");
  CHECK(by_256.substr(0xfeff * 32, 96) ==
        "cea518c90fd91ced9cbb18c078a547113dbc4814f4da5f00a08772b63c6a046d6eb246913062a16891433e97dd01a57f");
  const std::string by_192 = stream_of("eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7");
  CHECK(by_192.substr(0, 96) ==
        "35096cba4610028dc1b57503804ce37c5de986291dcce161d5165ec4568f5c9a474a40c77894bc17180202272a4c264d");
  CHECK(by_192.substr(0xfeff * 32, 96) ==
        "d108d1a31a00bad6367ec23eb044b415c8f57129fdeb970b59f917b257662d4ca5dab625811034e8cebdfeb6dc158dd3");
}

TEST(rfc6188_7_2, "RFC 6188 7.2, 7.4: key derivation by AES-256 and AES-192") {
  const auto check = [](const char* key, const char* salt, const std::string& encryption, const std::string& session_salt,
                        const std::string& authentication) {
    CHECK(derive(key, salt, SrtpKeyLabel::rtp_encryption, encryption.size() / 2) == encryption);
    CHECK(derive(key, salt, SrtpKeyLabel::rtp_salt, 14) == session_salt);
    CHECK(derive(key, salt, SrtpKeyLabel::rtp_authentication, 20) == authentication);
  };
  check("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", "3b04803de51ee7c96423ab5b78d2",
        "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4", "fa31791685ca444a9e07c6c64e93",
        "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
  check("73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1", "c8522f3acd4ce86d5add78edbb11",
        "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb", "2372b82d639b6d8503a47adc0a6c",
        "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb");
}

TEST(libsrtp_packet_256, "a whole packet under AES_256_CM_HMAC_SHA1_80, as libsrtp's self-test has it") {
  const Bytes key = from_hex(
      "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2");
  const Bytes plain = from_hex("800f1234decafbadcafebabe abababababababababababababababab");
  const auto sender = SrtpSender::create(Suite::aes_256_cm_hmac_sha1_80, key.data(), key.size(), 0xcafebabe);
  const auto receiver = SrtpReceiver::create(Suite::aes_256_cm_hmac_sha1_80, key.data(), key.size());
  const Result sealed = protect(*sender, plain);
  CHECK(to_hex(sealed.packet) ==
        "800f1234decafbadcafebabef1d9de17ff251ff1aa007774b0b4b40da08d9d9a5b3a55d8873b");
  CHECK(unprotect(*receiver, sealed.packet).packet == plain);
}

TEST(rfc7714_16, "RFC 7714 16.1.1, 16.1.2: AEAD_AES_128_GCM on RTP") {
  const Bytes plain = from_hex(
      "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
  const Bytes sealed = from_hex(
      "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb1"
      "6a9152cf765ee4390cce");
  Bytes packet = plain;
  packet.resize(plain.size() + 16);
  CHECK(rfc7714_cipher(SrtpCipher::Direction::seal)->seal_rtp(packet.data(), 12, plain.size(), 0x5501a0b2, 0xf17b));
  CHECK(to_hex(packet) == to_hex(sealed));
  CHECK(rfc7714_cipher(SrtpCipher::Direction::open)->open_rtp(packet.data(), 12, plain.size(), 0x5501a0b2, 0xf17b) ==
        Drop::none);
  packet.resize(plain.size());
  CHECK(packet == plain);
}

TEST(rfc7714_17, "RFC 7714 17.1, 17.2: AEAD_AES_128_GCM on RTCP") {
  const Bytes plain = from_hex(
      "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef");
  Bytes packet = plain;
  packet.resize(plain.size() + 20);
  CHECK(rfc7714_cipher(SrtpCipher::Direction::seal)->seal_rtcp(packet.data(), plain.size(), 0x4d617273, 0x5d4));
  CHECK(to_hex(packet) ==
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa458"
        "96cf4d2fc5abf87245d9eade800005d4");
  CHECK(rfc7714_cipher(SrtpCipher::Direction::open)->open_rtcp(packet.data(), plain.size(), 0x4d617273, 0x800005d4) ==
        Drop::none);
  packet.resize(plain.size());
  CHECK(packet == plain);
}

TEST(rfc7714_256, "RFC 7714 16.2.1, 16.2.2, 17.2: AEAD_AES_256_GCM on RTP and RTCP") {
  const auto seals = rfc7714_cipher(SrtpCipher::Direction::seal, Suite::aead_aes_256_gcm);
  const auto opens = rfc7714_cipher(SrtpCipher::Direction::open, Suite::aead_aes_256_gcm);
  const Bytes media = from_hex(
      "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
  Bytes packet = media;
  packet.resize(media.size() + 16);
  CHECK(seals->seal_rtp(packet.data(), 12, media.size(), 0x5501a0b2, 0xf17b));
  CHECK(to_hex(packet) ==
        "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfff"
        "d6b0f9bb7878d7a76c13");
  CHECK(opens->open_rtp(packet.data(), 12, media.size(), 0x5501a0b2, 0xf17b) == Drop::none);
  packet.resize(media.size());
  CHECK(packet == media);

  const Bytes report = from_hex(
      "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef");
  packet = report;
  packet.resize(report.size() + 20);
  CHECK(seals->seal_rtcp(packet.data(), report.size(), 0x4d617273, 0x5d4));
  CHECK(to_hex(packet) ==
        "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c"
        "4446839f57ff6f6cb26ac3be800005d4");
  CHECK(opens->open_rtcp(packet.data(), report.size(), 0x4d617273, 0x800005d4) == Drop::none);
  packet.resize(report.size());
  CHECK(packet == report);
}

TEST(srtp_suites, "suites are found by name; a key of another length is refused") {
  for (const Suite suite : kSuites) {
    const SuiteParameters& row = suite_parameters(suite);
    CHECK(row.suite == suite && find_suite(row.name) == &row);
    const Bytes key(64, 1);
    for (size_t length = 0; length <= key.size(); ++length) {
      const bool fits = length == row.key_length + row.salt_length;
      CHECK((SrtpReceiver::create(suite, key.data(), length) != nullptr) == fits);
      CHECK((SrtpSender::create(suite, key.data(), length, 1) != nullptr) == fits);
    }
  }
  CHECK(find_suite("AES_CM_128_HMAC_SHA1_8") == nullptr && find_suite("") == nullptr);
  CHECK(find_dtls_suite("SRTP_AEAD_AES_256_GCM") == find_suite("AEAD_AES_256_GCM"));
  CHECK(find_dtls_suite("AEAD_AES_256_GCM") == nullptr && find_dtls_suite("") == nullptr);
}

TEST(srtp_same_key, "a context knows another of the key it was made from, and of no other key, salt or suite") {
  for (const Suite suite : kSuites) {
    const auto receiver = receiver_for(suite);
    const auto sender = sender_for(suite);
    CHECK(receiver->has_key_of(*receiver_for(suite)) && sender->has_key_of(*sender_for(suite)));
    Bytes key = key_for(suite);
    for (size_t at : {size_t{0}, key.size() - 1}) {
      key[at] ^= 1;
      CHECK(!receiver->has_key_of(*SrtpReceiver::create(suite, key.data(), key.size())));
      CHECK(!sender->has_key_of(*SrtpSender::create(suite, key.data(), key.size(), kSsrc)));
      key[at] ^= 1;
    }
    CHECK(receiver->suite() == suite && sender->suite() == suite);
  }
  CHECK(!receiver_for(Suite::aes_cm_128_hmac_sha1_80)->has_key_of(*receiver_for(Suite::aes_cm_128_hmac_sha1_32)));
}

TEST(srtp_round_trip, "what is protected comes back; header stays clear, payload does not; tag lengths as specified") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    uint16_t sequence = 0;
    for (size_t payload = 0; payload < 200; ++payload) {
      const Bytes plain = rtp(sequence++, kSsrc, payload);
      const Result sealed = protect(*sender, plain);
      CHECK(sealed.drop == Drop::none && sealed.packet.size() == plain.size() + suite_parameters(suite).rtp_tag_length);
      CHECK(std::equal(plain.begin(), plain.begin() + 12, sealed.packet.begin()));
      if (payload >= 16) CHECK(!std::equal(plain.begin() + 12, plain.end(), sealed.packet.begin() + 12));
      CHECK(unprotect(*receiver, sealed.packet).packet == plain);
    }
    const Bytes extended = from_hex("92080400 00000000 cafebabe 11111111 22222222 bede0001 10aa0000 d5d5d5d5");
    const Result sealed = protect(*sender, extended);
    CHECK(std::equal(extended.begin(), extended.begin() + 28, sealed.packet.begin()));
    CHECK(unprotect(*receiver, sealed.packet).packet == extended);
  }
}

TEST(srtcp_round_trip, "RTCP: 10-byte tag also with _32, index counts up, E bit set") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    const SuiteParameters& row = suite_parameters(suite);
    CHECK(row.rtcp_tag_length == (row.is_aead ? 16 : 10));
    for (uint32_t index = 0; index < 300; ++index) {
      const Result sealed = protect_rtcp(*sender, rtcp());
      CHECK(sealed.packet.size() == rtcp().size() + row.rtcp_tag_length + 4);
      const size_t word_at = row.is_aead ? sealed.packet.size() - 4 : rtcp().size();
      CHECK(read_u32(sealed.packet.data() + word_at) == (0x80000000 | index));
      CHECK(unprotect_rtcp(*receiver, sealed.packet).packet == rtcp());
      CHECK(unprotect_rtcp(*receiver, sealed.packet).drop == Drop::srtp_replay);
    }
  }
}

TEST(srtcp_shortest, "RTCP of a header alone, as who has nothing to report sends it, is protected and comes back") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    const Bytes packet = from_hex("80c90001 cafebabe");
    CHECK(unprotect_rtcp(*receiver, protect_rtcp(*sender, packet).packet).packet == packet);
    CHECK(protect_rtcp(*sender, Bytes(packet.begin(), packet.end() - 1)).drop == Drop::rtcp_bad_header);
  }
}

TEST(srtcp_in_turns, "RTCP of legs with different keys and suites in turns, both ways, on two threads at once") {
  const auto take_turns = [](size_t& failures) {
    std::vector<std::unique_ptr<SrtpSender>> senders;
    std::vector<std::unique_ptr<SrtpReceiver>> receivers;
    for (const Suite suite : kSuites) {
      for (const uint8_t key : {uint8_t{1}, uint8_t{2}}) {
        senders.push_back(sender_for(suite, kSsrc, key));
        receivers.push_back(receiver_for(suite, key));
      }
    }
    for (int round = 0; round < 20; ++round) {
      for (size_t at = 0; at < senders.size(); ++at) {
        const Bytes sealed = protect_rtcp(*senders[at], rtcp()).packet;
        // Of the same suite, with another key; every other one has seen this index of its own.
        const Drop drop = unprotect_rtcp(*receivers[at ^ 1], sealed).drop;
        if (drop != (at % 2 == 0 ? Drop::srtp_auth_failed : Drop::srtp_replay)) failures++;
        if (unprotect_rtcp(*receivers[at], sealed).packet != rtcp()) failures++;
        if (unprotect(*receivers[at], protect(*senders[at], rtp(static_cast<uint16_t>(round))).packet).drop != Drop::none)
          failures++;
      }
    }
  };
  size_t failures = 0;
  size_t failures_beside = 0;
  std::thread beside([&] { take_turns(failures_beside); });
  take_turns(failures);
  beside.join();
  CHECK(failures == 0 && failures_beside == 0);
}

TEST(srtcp_unencrypted, "RTCP with E bit 0 passes as it is when its tag holds") {
  constexpr uint32_t kIndex = 5;
  const uint8_t word[] = {0, 0, 0, kIndex};
  for (const Suite suite : kSuites) {
    const SuiteParameters& row = suite_parameters(suite);
    const Bytes key = key_for(suite);
    const auto derive_rtcp = [&](SrtpKeyLabel label, uint8_t* result, size_t length) {
      CHECK(derive_srtp_key(key.data(), row.key_length, key.data() + row.key_length, row.salt_length, label, result, length));
    };
    Bytes packet = rtcp();
    if (row.is_aead) {
      uint8_t session_key[32];
      uint8_t iv[12];
      derive_rtcp(SrtpKeyLabel::rtcp_encryption, session_key, row.key_length);
      derive_rtcp(SrtpKeyLabel::rtcp_salt, iv, sizeof iv);
      for (size_t i = 0; i < 4; ++i) iv[2 + i] ^= packet[4 + i];
      iv[11] ^= kIndex;
      uint8_t tag[16];
      int written = 0;
      EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
      CHECK(EVP_EncryptInit_ex(context, kAesGcm.cipher(row.key_length), nullptr, session_key, iv) == 1);
      CHECK(EVP_EncryptUpdate(context, nullptr, &written, packet.data(), static_cast<int>(packet.size())) == 1);
      CHECK(EVP_EncryptUpdate(context, nullptr, &written, word, sizeof word) == 1);
      CHECK(EVP_EncryptFinal_ex(context, tag, &written) == 1);
      CHECK(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, sizeof tag, tag) == 1);
      EVP_CIPHER_CTX_free(context);
      packet.insert(packet.end(), tag, tag + sizeof tag);
      packet.insert(packet.end(), word, word + sizeof word);
    } else {
      uint8_t auth_key[20];
      derive_rtcp(SrtpKeyLabel::rtcp_authentication, auth_key, sizeof auth_key);
      SrtpHmac hmac;
      std::array<uint8_t, SrtpHmac::kLength> tag;
      CHECK(hmac.set_key(auth_key, sizeof auth_key));
      CHECK(hmac.compute(packet.data(), packet.size(), word, sizeof word, tag));
      packet.insert(packet.end(), word, word + sizeof word);
      packet.insert(packet.end(), tag.begin(), tag.begin() + 10);
    }
    const auto receiver = receiver_for(suite);
    Bytes encrypted_claimed = packet;
    encrypted_claimed[row.is_aead ? packet.size() - 4 : rtcp().size()] ^= 0x80;
    CHECK(unprotect_rtcp(*receiver, encrypted_claimed).drop == Drop::srtp_auth_failed);
    CHECK(unprotect_rtcp(*receiver, packet).packet == rtcp());
    CHECK(unprotect_rtcp(*receiver, packet).drop == Drop::srtp_replay);
  }
}

TEST(srtp_bit_flips, "a flip of any bit is refused and changes nothing") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    CHECK(unprotect(*receiver, protect(*sender, rtp(100)).packet).drop == Drop::none);
    const Bytes sealed = protect(*sender, rtp(101)).packet;
    const Bytes sealed_rtcp = protect_rtcp(*sender, rtcp()).packet;
    for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      Bytes wrong = sealed;
      wrong[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      CHECK(unprotect(*receiver, wrong).drop != Drop::none);
    }
    for (size_t bit = 0; bit < sealed_rtcp.size() * 8; ++bit) {
      Bytes wrong = sealed_rtcp;
      wrong[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      CHECK(unprotect_rtcp(*receiver, wrong).drop != Drop::none);
    }
    CHECK(unprotect(*receiver, sealed).packet == rtp(101));
    CHECK(unprotect_rtcp(*receiver, sealed_rtcp).packet == rtcp());
  }
}

TEST(srtp_truncation, "a cut at any length is refused without reading past it") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    const Bytes sealed = protect(*sender, rtp(1)).packet;
    const Bytes sealed_rtcp = protect_rtcp(*sender, rtcp()).packet;
    for (size_t length = 0; length < sealed.size(); ++length) {
      const Drop drop = unprotect(*receiver, Bytes(sealed.begin(), sealed.begin() + static_cast<long>(length))).drop;
      const size_t tag = suite_parameters(suite).rtp_tag_length;
      CHECK(drop == (length < 12         ? Drop::rtp_too_short
                     : length < 12 + tag ? Drop::srtp_too_short
                                         : Drop::srtp_auth_failed));
    }
    for (size_t length = 0; length < sealed_rtcp.size(); ++length) {
      CHECK(unprotect_rtcp(*receiver, Bytes(sealed_rtcp.begin(), sealed_rtcp.begin() + static_cast<long>(length))).drop !=
            Drop::none);
    }
    CHECK(unprotect(*receiver, sealed).drop == Drop::none);
  }
}

TEST(srtp_replay, "a packet is accepted once, late ones inside the window, older ones never") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    std::vector<Bytes> sealed;
    for (uint16_t sequence = 0; sequence < 300; ++sequence) sealed.push_back(protect(*sender, rtp(sequence)).packet);
    CHECK(unprotect(*receiver, sealed[299]).drop == Drop::none);
    CHECK(unprotect(*receiver, sealed[299]).drop == Drop::srtp_replay);
    CHECK(unprotect(*receiver, sealed[172]).drop == Drop::none);
    CHECK(unprotect(*receiver, sealed[172]).drop == Drop::srtp_replay);
    CHECK(unprotect(*receiver, sealed[171]).drop == Drop::srtp_replay);
    CHECK(unprotect(*receiver, sealed[298]).drop == Drop::none);
  }
}

TEST(srtp_rollover, "the rollover counter survives the wrap with 30 000 packets lost around it, twice") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    for (uint32_t index = 0; index < 0x28000; ++index) {
      const Bytes plain = rtp(static_cast<uint16_t>(index));
      const Result sealed = protect(*sender, plain);
      CHECK(sealed.drop == Drop::none);
      const uint32_t in_round = index & 0xffff;
      const bool is_lost = in_round >= 0xffff - 15'000 || in_round < 15'000;
      if (!is_lost && index % 500 == 0) CHECK(unprotect(*receiver, sealed.packet).packet == plain);
      if (in_round == 0xffff - 15'001 || in_round == 15'001) CHECK(unprotect(*receiver, sealed.packet).packet == plain);
    }
  }
}

TEST(srtp_reordered_wrap, "packets swapped across the wrap both pass, at both ends") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    const Bytes first = protect(*sender, rtp(65534)).packet;
    const Bytes third = protect(*sender, rtp(0)).packet;
    const Bytes second = protect(*sender, rtp(65535)).packet;
    CHECK(unprotect(*receiver, first).drop == Drop::none);
    CHECK(unprotect(*receiver, third).packet == rtp(0));
    CHECK(unprotect(*receiver, second).packet == rtp(65535));
  }
}

TEST(srtp_before_first_round, "what would lie before the first round is dropped") {
  const auto sender = sender_for(Suite::aead_aes_128_gcm);
  const auto receiver = receiver_for(Suite::aead_aes_128_gcm);
  const auto other = sender_for(Suite::aead_aes_128_gcm);
  CHECK(unprotect(*receiver, protect(*sender, rtp(0)).packet).drop == Drop::none);
  CHECK(unprotect(*receiver, protect(*other, rtp(65535)).packet).drop == Drop::srtp_replay);
  CHECK(protect(*sender, rtp(65535)).drop == Drop::srtp_index_reused);
}

TEST(srtp_index_estimate, "RFC 3711 appendix A, at its edges") {
  const auto estimate = [](uint64_t newest, uint16_t sequence) {
    ReplayWindow window;
    window.commit(newest);
    return estimate_srtp_index(window, sequence);
  };
  CHECK(estimate_srtp_index(ReplayWindow(), 40000) == uint64_t{40000});
  CHECK(estimate(0x10000, 0x8000) == uint64_t{0x18000});
  CHECK(estimate(0x10000, 0x8001) == uint64_t{0x08001});
  CHECK(estimate(0x18000, 0x0000) == uint64_t{0x10000});
  CHECK(estimate(0x18001, 0x0000) == uint64_t{0x20000});
  CHECK(estimate(0x0ffff, 0x0000) == uint64_t{0x10000});
  CHECK(!estimate(0x00000, 0xffff));
  CHECK(!estimate(kSrtpIndexEnd - 1, 0));
  CHECK(estimate(kSrtpIndexEnd - 1, 0xfffe) == kSrtpIndexEnd - 2);
}

TEST(srtp_mid_stream, "a stream joined in its first round is decrypted from there") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    for (uint16_t sequence = 1000; sequence < 2000; ++sequence) {
      const Bytes sealed = protect(*sender, rtp(sequence)).packet;
      if (sequence >= 1900) CHECK(unprotect(*receiver, sealed).packet == rtp(sequence));
    }
  }
}

TEST(srtp_ssrc_cap, "SSRCs come into being by authenticated packets, up to the maximum, and one more is dropped") {
  for (const Suite suite : kSuites) {
    const auto receiver = receiver_for(suite);
    const auto forger = sender_for(suite, 999, 2);
    for (uint32_t ssrc = 0; ssrc < 1000; ++ssrc) {
      const auto stranger = sender_for(suite, ssrc, 2);
      CHECK(unprotect(*receiver, protect(*stranger, rtp(1, ssrc)).packet).drop == Drop::srtp_auth_failed);
      CHECK(unprotect_rtcp(*receiver, protect_rtcp(*stranger, rtcp(ssrc)).packet).drop == Drop::srtp_auth_failed);
    }
    for (uint32_t ssrc = 0; ssrc < SrtpReceiver::kMaxSsrcs; ++ssrc) {
      const auto sender = sender_for(suite, ssrc);
      const bool by_rtcp = ssrc % 2 == 1;
      const Result result = by_rtcp ? unprotect_rtcp(*receiver, protect_rtcp(*sender, rtcp(ssrc)).packet)
                                    : unprotect(*receiver, protect(*sender, rtp(1, ssrc)).packet);
      CHECK(result.drop == Drop::none);
    }
    const uint32_t one_more = SrtpReceiver::kMaxSsrcs;
    const auto sender = sender_for(suite, one_more);
    CHECK(unprotect(*receiver, protect(*sender, rtp(1, one_more)).packet).drop == Drop::srtp_too_many_ssrcs);
    CHECK(unprotect_rtcp(*receiver, protect_rtcp(*sender, rtcp(one_more)).packet).drop == Drop::srtp_too_many_ssrcs);
    const auto known = sender_for(suite, 0);
    CHECK(unprotect(*receiver, protect(*known, rtp(1, 0)).packet).drop == Drop::srtp_replay);
    CHECK(unprotect(*receiver, protect(*known, rtp(2, 0)).packet).drop == Drop::none);
    // Each of those that are in remembers what it has had.
    for (uint32_t ssrc = 0; ssrc < SrtpReceiver::kMaxSsrcs; ++ssrc) {
      const Bytes packet = protect(*sender_for(suite, ssrc), rtp(3, ssrc)).packet;
      CHECK(unprotect(*receiver, packet).drop == Drop::none);
      CHECK(unprotect(*receiver, packet).drop == Drop::srtp_replay);
    }
  }
}

TEST(srtp_no_key_stream_twice, "a sender never uses an index twice, nor another SSRC") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    CHECK(protect(*sender, rtp(200)).drop == Drop::none);
    Bytes other = rtp(200);
    other.back() ^= 1;
    CHECK(protect(*sender, other).drop == Drop::srtp_index_reused);
    CHECK(protect(*sender, rtp(199)).drop == Drop::none);
    CHECK(protect(*sender, rtp(199)).drop == Drop::srtp_index_reused);
    CHECK(protect(*sender, rtp(200 - 128)).drop == Drop::srtp_index_reused);
    CHECK(protect(*sender, rtp(201, kSsrc + 1)).drop == Drop::srtp_wrong_ssrc);
    CHECK(protect_rtcp(*sender, rtcp(kSsrc + 1)).drop == Drop::srtp_wrong_ssrc);
  }
}

TEST(srtp_mki_undescribed, "who forges packets buys no more than a few looks for an MKI; a good packet is taken all the same") {
  const auto sender = sender_for(Suite::aes_cm_128_hmac_sha1_80);
  const auto receiver = receiver_for(Suite::aes_cm_128_hmac_sha1_80);
  const Bytes sealed = protect(*sender, rtp(1)).packet;
  Bytes forged = sealed;
  forged.back() ^= 1;
  for (int i = 0; i < 8; ++i) CHECK(unprotect(*receiver, forged).drop == Drop::srtp_auth_failed);
  Bytes with = sealed;
  with.insert(with.end() - 10, uint8_t{7});
  CHECK(unprotect(*receiver, with).drop == Drop::srtp_auth_failed);
  CHECK(unprotect(*receiver, sealed).drop == Drop::none);
}

TEST(srtp_mki, "a declared MKI is checked and taken out; another, none or a cut one is dropped and changes nothing") {
  for (const Suite suite : kSuites) {
    const SuiteParameters& row = suite_parameters(suite);
    for (const size_t length : {size_t{1}, size_t{4}, size_t{20}, SrtpMki::kMaxLength}) {
      SrtpMki mki;
      mki.length = length;
      for (size_t i = 0; i < length; ++i) mki.bytes[i] = static_cast<uint8_t>(0xa0 + i);
      const auto sender = sender_for(suite);
      const auto receiver = receiver_for(suite);
      const auto bare = receiver_for(suite);
      receiver->expect_mki(mki);
      const auto insert = [&](Bytes sealed, size_t tag) {
        const long at = static_cast<long>(row.is_aead ? sealed.size() : sealed.size() - tag);
        sealed.insert(sealed.begin() + at, mki.bytes.begin(), mki.bytes.begin() + static_cast<long>(length));
        return sealed;
      };
      const Bytes sealed = protect(*sender, rtp(1)).packet;
      const Bytes with = insert(sealed, row.rtp_tag_length);
      const Bytes sealed_rtcp = protect_rtcp(*sender, rtcp()).packet;
      const Bytes with_rtcp = insert(sealed_rtcp, row.rtcp_tag_length);

      CHECK(unprotect(*receiver, sealed).drop == (length > 20 ? Drop::srtp_too_short : Drop::srtp_wrong_mki));
      CHECK(unprotect_rtcp(*receiver, sealed_rtcp).drop == (length > 20 ? Drop::srtp_too_short : Drop::srtp_wrong_mki));
      const bool is_told = !row.is_aead && length <= 4;
      CHECK(unprotect(*bare, with).drop == (is_told ? Drop::srtp_unexpected_mki : Drop::srtp_auth_failed));
      CHECK(unprotect_rtcp(*bare, with_rtcp).drop == Drop::srtp_auth_failed);
      for (size_t bit = 0; bit < with.size() * 8; ++bit) {
        Bytes wrong = with;
        wrong[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        CHECK(unprotect(*receiver, wrong).drop != Drop::none);
      }
      for (size_t bit = 0; bit < with_rtcp.size() * 8; ++bit) {
        Bytes wrong = with_rtcp;
        wrong[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        CHECK(unprotect_rtcp(*receiver, wrong).drop != Drop::none);
      }
      for (size_t cut = 0; cut < with.size(); ++cut) {
        const Drop drop = unprotect(*receiver, Bytes(with.begin(), with.begin() + static_cast<long>(cut))).drop;
        CHECK(drop == Drop::rtp_too_short || drop == Drop::srtp_too_short || drop == Drop::srtp_wrong_mki ||
              drop == Drop::srtp_auth_failed);
      }
      for (size_t cut = 0; cut < with_rtcp.size(); ++cut) {
        CHECK(unprotect_rtcp(*receiver, Bytes(with_rtcp.begin(), with_rtcp.begin() + static_cast<long>(cut))).drop !=
              Drop::none);
      }
      CHECK(unprotect(*receiver, with).packet == rtp(1));
      CHECK(unprotect(*receiver, with).drop == Drop::srtp_replay);
      CHECK(unprotect_rtcp(*receiver, with_rtcp).packet == rtcp());
      CHECK(unprotect_rtcp(*receiver, with_rtcp).drop == Drop::srtp_replay);

      // Another identifier for the same key keeps what was seen.
      receiver->expect_mki({});
      CHECK(unprotect(*receiver, sealed).drop == Drop::srtp_replay);
      CHECK(unprotect(*receiver, protect(*sender, rtp(2)).packet).packet == rtp(2));
    }
  }
}

TEST(srtp_sequence_ahead, "a key that comes back goes on ahead of all it has used") {
  const auto sender = sender_for(Suite::aes_cm_128_hmac_sha1_80);
  CHECK(sender->sequence_ahead(40'000) == 40'000 && sender->sequence_ahead(0x10000 - 513) == 0x10000 - 513);
  CHECK(sender->sequence_ahead(0x10000 - 512) == 0 && sender->sequence_ahead(0xffff) == 0);
  for (const uint16_t used : {uint16_t{100}, uint16_t{500}, uint16_t{400}}) CHECK(protect(*sender, rtp(used)).drop == Drop::none);
  CHECK(sender->sequence_ahead(501) == 501);
  CHECK(sender->sequence_ahead(500) == 501 && sender->sequence_ahead(450) == 501 && sender->sequence_ahead(0) == 501);
  CHECK(sender->sequence_ahead(500 + 0x8000) == 500 + 0x8000);
  CHECK(sender->sequence_ahead(501 + 0x8000) == 501 && sender->sequence_ahead(65535) == 501);
  // Across the wrap.
  CHECK(protect(*sender, rtp(33'000)).drop == Drop::none && protect(*sender, rtp(65'535)).drop == Drop::none);
  CHECK(sender->sequence_ahead(0) == 0 && sender->sequence_ahead(65'535) == 0 && sender->sequence_ahead(65'000) == 0);
  CHECK(protect(*sender, rtp(0)).drop == Drop::none);
}

TEST(srtp_capacity, "a buffer one byte too small is refused before anything is written") {
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const SuiteParameters& row = suite_parameters(suite);
    CHECK(protect(*sender, rtp(1), row.rtp_tag_length - 1).drop == Drop::srtp_no_room);
    CHECK(protect(*sender, rtp(1), row.rtp_tag_length).drop == Drop::none);
    CHECK(protect_rtcp(*sender, rtcp(), row.rtcp_tag_length + 3).drop == Drop::srtp_no_room);
    CHECK(protect_rtcp(*sender, rtcp(), row.rtcp_tag_length + 4).drop == Drop::none);
    CHECK(protect_rtcp(*sender, from_hex("80c90001")).drop == Drop::rtcp_bad_header);
    CHECK(protect(*sender, from_hex("80c90001")).drop == Drop::rtp_too_short);
  }
}

TEST(srtp_no_allocation, "nothing allocates per packet, RTP or RTCP, good or forged, ours or OpenSSL") {
  CHECK(openssl_memory().is_counted);
  for (const Suite suite : kSuites) {
    const auto sender = sender_for(suite);
    const auto receiver = receiver_for(suite);
    constexpr uint16_t kWarmUp = 10;
    constexpr uint16_t kRounds = 200;
    uint8_t buffer[256];
    uint8_t forged[256];
    size_t by_openssl = 0;
    size_t by_us = 0;
    for (uint16_t sequence = 0; sequence < kRounds; ++sequence) {
      if (sequence == kWarmUp) {
        by_openssl = openssl_memory().allocations;
        by_us = our_allocations;
      }
      std::memset(buffer, 0, sizeof buffer);
      buffer[0] = 0x80;
      write_u16(buffer + 2, sequence);
      write_u32(buffer + 8, kSsrc);
      const Outcome sealed = sender->protect_rtp(buffer, 172, sizeof buffer);
      CHECK(sealed.drop == Drop::none);
      std::memcpy(forged, buffer, sizeof forged);
      forged[sealed.length - 1] ^= 1;
      CHECK(receiver->unprotect_rtp(forged, sealed.length).drop == Drop::srtp_auth_failed);
      CHECK(receiver->unprotect_rtp(buffer, sealed.length).drop == Drop::none);

      std::memset(buffer, 0, sizeof buffer);
      buffer[0] = 0x80;
      buffer[1] = 200;
      write_u32(buffer + 4, kSsrc);
      const Outcome report = sender->protect_rtcp(buffer, 52, sizeof buffer);
      CHECK(report.drop == Drop::none);
      std::memcpy(forged, buffer, sizeof forged);
      forged[20] ^= 1;
      CHECK(receiver->unprotect_rtcp(forged, report.length).drop == Drop::srtp_auth_failed);
      CHECK(receiver->unprotect_rtcp(buffer, report.length).drop == Drop::none);
    }
    CHECK(by_openssl > 0 && openssl_memory().allocations == by_openssl);
    CHECK(by_us > 0 && our_allocations == by_us);
  }
}
