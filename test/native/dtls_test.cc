#include "dtls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/time.h>

#include "certificate.h"
#include "check.h"
#include "openssl_memory.h"

using namespace webtrunk;
using check::Bytes;
using check::from_hex;

namespace {

int64_t now_us = 1'700'000'000'000'000;
bool is_time_ours = false;

}  // namespace

/** Takes the place of libc's for OpenSSL too, so that retransmission is tested on virtual time. */
extern "C" int gettimeofday(timeval* at, void*) noexcept {
  is_time_ours = true;
  at->tv_sec = now_us / 1'000'000;
  at->tv_usec = now_us % 1'000'000;
  return 0;
}

namespace {

using Datagrams = std::vector<Bytes>;
using Session = std::unique_ptr<DtlsSession>;

const CertificatePem& certificate() {
  static const CertificatePem pem = [] {
    CertificatePem made;
    std::string error;
    CHECK(create_certificate("test", 30, {"example.org", "192.0.2.1", "2001:db8::1"}, made, error));
    return made;
  }();
  return pem;
}

std::unique_ptr<DtlsContext> context(const std::vector<Suite>& suites = {Suite::aead_aes_128_gcm,
                                                                         Suite::aes_cm_128_hmac_sha1_80},
                                     size_t mtu = 1200) {
  std::string error;
  auto made = DtlsContext::create(certificate().certificate, certificate().private_key, suites, mtu, error);
  CHECK(made != nullptr);
  return made;
}

void feed_all(DtlsSession& to, const Datagrams& datagrams) {
  // A copy of exact size, so that the sanitizer sees any read past the end.
  for (const Bytes& datagram : datagrams) to.feed(Bytes(datagram).data(), datagram.size());
}

struct Pair {
  explicit Pair(const DtlsContext& server_context, const DtlsContext& client_context)
      : server(DtlsSession::create(server_context, DtlsRole::server)),
        client(DtlsSession::create(client_context, DtlsRole::client)) {}
  explicit Pair(const DtlsContext& both) : Pair(both, both) {}

  /** Carries datagrams to and fro until there are none; remembers all. */
  void run() {
    client->start();
    for (int round = 0; round < 20; ++round) {
      const Datagrams up = client->take();
      feed_all(*server, up);
      const Datagrams down = server->take();
      feed_all(*client, down);
      from_client.insert(from_client.end(), up.begin(), up.end());
      from_server.insert(from_server.end(), down.begin(), down.end());
    }
  }

  bool is_connected() const {
    return server->state() == DtlsState::connected && client->state() == DtlsState::connected;
  }

  Session server;
  Session client;
  Datagrams from_client;
  Datagrams from_server;
};

/** A handshake message fragment in a clear-text record. */
Bytes fragment(uint8_t type, uint32_t length, uint16_t sequence, uint32_t offset, uint16_t size, uint8_t record_number) {
  Bytes bytes = from_hex("16fefd0000000000000000");
  bytes[10] = record_number;
  const auto add = [&](uint32_t value, int octets) {
    for (int i = octets - 1; i >= 0; --i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  add(12u + size, 2);
  add(type, 1);
  add(length, 3);
  add(sequence, 2);
  add(offset, 3);
  add(size, 3);
  bytes.resize(bytes.size() + size, 0x55);
  return bytes;
}

bool is_in_record_header(const Bytes& datagram, size_t wanted) {
  size_t at = 0;
  while (at + 13 <= datagram.size()) {
    if (wanted < at + 13) return wanted >= at;
    at += 13 + (static_cast<size_t>(datagram[at + 11]) << 8) + datagram[at + 12];
  }
  return false;
}

/** A client that is not ours, straight on OpenSSL. */
struct BareClient {
  explicit BareClient(bool has_certificate) : context(SSL_CTX_new(DTLS_client_method())) {
    SSL_CTX_set_tlsext_use_srtp(context, "SRTP_AEAD_AES_128_GCM");
    if (has_certificate) use_certificate();
    ssl = SSL_new(context);
    SSL_set_options(ssl, SSL_OP_NO_QUERY_MTU);
    SSL_set_mtu(ssl, 1200);
    in = BIO_new(BIO_s_mem());
    out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
  }
  ~BareClient() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    ERR_clear_error();
  }

  void use_certificate() {
    BIO* certificate_in = BIO_new_mem_buf(certificate().certificate.data(), -1);
    BIO* key_in = BIO_new_mem_buf(certificate().private_key.data(), -1);
    X509* x509 = PEM_read_bio_X509(certificate_in, nullptr, nullptr, nullptr);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(key_in, nullptr, nullptr, nullptr);
    CHECK(SSL_CTX_use_certificate(context, x509) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1);
    X509_free(x509);
    EVP_PKEY_free(key);
    BIO_free(certificate_in);
    BIO_free(key_in);
  }

  void run(DtlsSession& server) {
    for (int round = 0; round < 10; ++round) {
      SSL_do_handshake(ssl);
      // The memory BIO joins datagrams; OpenSSL takes several records at once, and so does our session.
      Bytes flight(8192);
      const int length = BIO_read(out, flight.data(), static_cast<int>(flight.size()));
      if (length > 0) server.feed(flight.data(), static_cast<size_t>(length));
      for (const Bytes& datagram : server.take()) {
        BIO_write(in, datagram.data(), static_cast<int>(datagram.size()));
        SSL_do_handshake(ssl);
      }
    }
  }

  SSL_CTX* context;
  SSL* ssl;
  BIO* in;
  BIO* out;
};

}  // namespace

TEST(dtls_handshake, "both sides connect and hold each other's keys, for each profile") {
  for (const Suite suite : {Suite::aead_aes_128_gcm, Suite::aead_aes_256_gcm, Suite::aes_cm_128_hmac_sha1_80,
                            Suite::aes_cm_128_hmac_sha1_32}) {
    const auto rules = context({suite});
    Pair pair(*rules);
    pair.run();
    CHECK(pair.is_connected());
    DtlsKeys server;
    DtlsKeys client;
    CHECK(pair.server->keys(server) && pair.client->keys(client));
    CHECK(server.suite == suite && client.suite == suite);
    CHECK(server.send == client.receive && server.receive == client.send && server.send != server.receive);
    const SuiteParameters& row = suite_parameters(suite);
    CHECK(server.send.size() == row.key_length + row.salt_length);
    CHECK(SrtpReceiver::create(suite, server.receive.data(), server.receive.size()) != nullptr);
    CHECK(pair.server->timeout_ms() == -1 && pair.client->timeout_ms() == -1);
    CHECK(pair.server->failure_reason().empty() && pair.server->failure_alert() == -1);
  }
}

TEST(dtls_preference, "the server's order of suites decides") {
  const auto gcm_first = context();
  const auto cm_first = context({Suite::aes_cm_128_hmac_sha1_80, Suite::aead_aes_128_gcm});
  Pair pair(*gcm_first, *cm_first);
  pair.run();
  DtlsKeys keys;
  CHECK(pair.client->keys(keys) && keys.suite == Suite::aead_aes_128_gcm);
}

TEST(dtls_fingerprint, "fingerprints name the peer's certificate by the hashes of RFC 8122 that are still good") {
  const auto rules = context();
  Pair pair(*rules);
  CHECK(pair.server->peer_fingerprint("sha-256").empty());
  pair.run();
  CHECK(pair.server->peer_fingerprint("sha-256") == rules->fingerprint());
  CHECK(pair.client->peer_fingerprint("sha-256") == rules->fingerprint());
  CHECK(rules->fingerprint().size() == 32 * 3 - 1);
  CHECK(pair.server->peer_fingerprint("sha-384").size() == 48 * 3 - 1);
  CHECK(pair.server->peer_fingerprint("sha-512").size() == 64 * 3 - 1);
  CHECK(pair.server->peer_fingerprint("sha-1").empty() && pair.server->peer_fingerprint("SHA-256").empty());
}

TEST(dtls_mtu, "no datagram exceeds the MTU") {
  for (const size_t mtu : {512, 700, 1200}) {
    const auto rules = context({Suite::aead_aes_128_gcm}, mtu);
    Pair pair(*rules);
    pair.run();
    CHECK(pair.is_connected());
    for (const Bytes& datagram : pair.from_client) CHECK(datagram.size() <= mtu);
    for (const Bytes& datagram : pair.from_server) CHECK(datagram.size() <= mtu);
  }
}

TEST(dtls_refused_options, "unusable options are refused with a reason") {
  std::string error;
  const auto refused = [&](const std::string& pem, const std::string& key, std::vector<Suite> suites, size_t mtu) {
    error.clear();
    return DtlsContext::create(pem, key, suites, mtu, error) == nullptr && !error.empty();
  };
  const CertificatePem& good = certificate();
  CertificatePem other;
  CHECK(create_certificate("other", 1, {}, other, error));
  CHECK(refused(good.certificate, other.private_key, {Suite::aead_aes_128_gcm}, 1200));
  CHECK(refused("", good.private_key, {Suite::aead_aes_128_gcm}, 1200));
  CHECK(refused(good.certificate, "x", {Suite::aead_aes_128_gcm}, 1200));
  CHECK(refused(good.certificate, good.private_key, {}, 1200));
  CHECK(refused(good.certificate, good.private_key, {Suite::aes_256_cm_hmac_sha1_80}, 1200));
  CHECK(refused(good.certificate, good.private_key, {Suite::aead_aes_128_gcm}, 1201));
  CHECK(refused(good.certificate, good.private_key, {Suite::aead_aes_128_gcm}, 511));
  CertificatePem none;
  CHECK(!create_certificate("", 1, {}, none, error) && !create_certificate("x", 0, {}, none, error));
  CHECK(!create_certificate(std::string(65, 'x'), 1, {}, none, error));
  CHECK(!create_certificate("x", 1, {"not a name"}, none, error) && error.find("not a name") != std::string::npos);
  CHECK(!create_certificate("x", 1, std::vector<std::string>(65, "a"), none, error));
}

TEST(dtls_no_common_profile, "a handshake without a common SRTP profile fails by that name") {
  const auto gcm = context({Suite::aead_aes_128_gcm});
  const auto cm = context({Suite::aes_cm_128_hmac_sha1_80});
  Pair pair(*gcm, *cm);
  pair.run();
  CHECK(pair.server->state() == DtlsState::failed && pair.server->failure_reason() == kNoCommonProfile);
  CHECK(pair.client->state() == DtlsState::failed);
  DtlsKeys keys;
  CHECK(!pair.server->keys(keys));
}

TEST(dtls_no_certificate, "a client without a certificate is refused, and told so") {
  const auto rules = context();
  Session server = DtlsSession::create(*rules, DtlsRole::server);
  BareClient client(false);
  client.run(*server);
  CHECK(server->state() == DtlsState::failed);
  CHECK(server->failure_reason().find("certificate") != std::string::npos);
  CHECK(server->failure_alert() == -1);
}

TEST(dtls_bare_client, "keys agree with RFC 5764 as a bare OpenSSL client computes them") {
  const auto rules = context();
  Session server = DtlsSession::create(*rules, DtlsRole::server);
  BareClient client(true);
  client.run(*server);
  DtlsKeys keys;
  CHECK(server->keys(keys) && keys.suite == Suite::aead_aes_128_gcm);
  Bytes material(56);
  constexpr char kLabel[] = "EXTRACTOR-dtls_srtp";
  CHECK(SSL_export_keying_material(client.ssl, material.data(), material.size(), kLabel, sizeof kLabel - 1, nullptr, 0,
                                   0) == 1);
  const std::string hex = check::to_hex(material);
  CHECK(check::to_hex(keys.receive) == hex.substr(0, 32) + hex.substr(64, 24));
  CHECK(check::to_hex(keys.send) == hex.substr(32, 32) + hex.substr(88, 24));
}

TEST(dtls_renegotiation, "an authenticated wish to renegotiate is not granted, and the session stays as it is") {
  const auto rules = context();
  Session server = DtlsSession::create(*rules, DtlsRole::server);
  BareClient client(true);
  client.run(*server);
  DtlsKeys before;
  CHECK(server->keys(before));
  CHECK(SSL_renegotiate(client.ssl) == 1);
  SSL_do_handshake(client.ssl);
  Bytes hello(8192);
  const int length = BIO_read(client.out, hello.data(), static_cast<int>(hello.size()));
  CHECK(length > 100);
  server->feed(hello.data(), static_cast<size_t>(length));
  DtlsKeys after;
  CHECK(server->state() == DtlsState::connected && server->keys(after));
  CHECK(after.receive == before.receive && after.send == before.send);
  // A warning, one short record; a ServerHello flight would have hundreds of bytes.
  const Datagrams answer = server->take();
  CHECK(answer.size() == 1 && answer[0].size() < 50);
}

TEST(dtls_received_alert, "a fatal alert during the handshake is reported by number") {
  const auto rules = context();
  Pair pair(*rules);
  pair.client->start();
  pair.client->take();
  feed_all(*pair.client, {from_hex("15fefd 0000 000000000000 0002 0228")});
  CHECK(pair.client->state() == DtlsState::failed && pair.client->failure_alert() == 40);
  CHECK(!pair.client->failure_reason().empty());
}

TEST(dtls_after_connect, "once connected, clear-text and forged records and replays change nothing") {
  const auto rules = context();
  Pair pair(*rules);
  pair.run();
  CHECK(pair.is_connected());
  Session other = DtlsSession::create(*rules, DtlsRole::client);
  other->start();
  Datagrams hostile = other->take();
  // Alerts: fatal, warning and close_notify; of epoch 0, and of epoch 1 with a made-up body.
  for (const char* alert : {"0228", "0100", "0164"}) {
    hostile.push_back(from_hex(std::string("15fefd 0000 000000000009 0002") + alert));
    hostile.push_back(from_hex(std::string("15fefd 0001 000000000009 0002") + alert));
  }
  hostile.push_back(from_hex("15fefd 0001 000000000020 001a 00010000000000200102030405060708090a0b0c0d0e0f101112"));
  for (uint8_t size = 0; size < 40; ++size) {
    for (const uint8_t type : {20, 21, 22, 23, 24}) {
      Bytes record = from_hex("00fefd 0001 000000000021 0000");
      record[0] = type;
      record[12] = size;
      record.resize(13 + size, 0x44);
      hostile.push_back(record);
    }
  }
  hostile.push_back(from_hex("17fefd 0002 000000000021 0003 aabbcc"));
  hostile.push_back(from_hex("14fefd 0000 000000000022 0001 01"));
  hostile.push_back(from_hex("16fefd 0000 000000000023 000c 000000000000000000000000"));
  hostile.push_back(fragment(1, 0xffffff, 0, 0, 100, 9));
  hostile.push_back(Bytes(1000, 0x16));
  hostile.push_back(Bytes(DtlsSession::kMaxDatagram + 1, 0x17));
  hostile.push_back(Bytes(5, 0x17));
  hostile.push_back({});
  hostile.insert(hostile.end(), pair.from_client.begin(), pair.from_client.end());
  hostile.insert(hostile.end(), pair.from_server.begin(), pair.from_server.end());
  for (const Bytes& datagram : hostile) {
    for (DtlsSession* session : {pair.server.get(), pair.client.get()}) {
      feed_all(*session, {datagram});
      CHECK(session->state() == DtlsState::connected);
    }
  }
  CHECK(pair.server->take().empty());
  pair.client->close();
  feed_all(*pair.server, pair.client->take());
  CHECK(pair.server->state() == DtlsState::closed);
}

TEST(dtls_close, "close_notify closes the other side; closing twice and using a closed session is harmless") {
  const auto rules = context();
  Pair pair(*rules);
  pair.run();
  pair.server->close();
  pair.server->close();
  CHECK(pair.server->state() == DtlsState::closed);
  const Datagrams farewell = pair.server->take();
  CHECK(farewell.size() == 1);
  feed_all(*pair.client, farewell);
  CHECK(pair.client->state() == DtlsState::closed);
  DtlsKeys keys;
  for (DtlsSession* session : {pair.server.get(), pair.client.get()}) {
    session->start();
    session->timeout();
    feed_all(*session, farewell);
    CHECK(session->state() == DtlsState::closed && !session->keys(keys) && session->timeout_ms() == -1);
    CHECK(session->peer_fingerprint("sha-256").empty());
    session->close();
  }
  Session unused = DtlsSession::create(*rules, DtlsRole::server);
  unused->close();
  CHECK(unused->take().empty() && unused->state() == DtlsState::closed);
}

TEST(dtls_outlives_context, "a session works on when its context is gone") {
  auto rules = context();
  Pair pair(*rules);
  rules.reset();
  pair.run();
  CHECK(pair.is_connected());
}

TEST(dtls_tampering, "no handshake survives a changed byte in a message of the client's second flight") {
  const auto rules = context();
  size_t tried = 0;
  for (size_t wanted = 0; wanted < 600; wanted += 11) {
    Pair pair(*rules);
    pair.client->start();
    feed_all(*pair.server, pair.client->take());
    feed_all(*pair.client, pair.server->take());
    Datagrams flight = pair.client->take();
    CHECK(flight.size() == 1 && flight[0].size() > 600);
    // Clear-text record headers are protected by nothing: only what is inside counts.
    if (is_in_record_header(flight[0], wanted)) continue;
    ++tried;
    flight[0][wanted] ^= 0x10;
    feed_all(*pair.server, flight);
    CHECK(pair.server->state() != DtlsState::connected);
    feed_all(*pair.client, pair.server->take());
    CHECK(pair.client->state() != DtlsState::connected);
  }
  CHECK(tried > 40);
}

TEST(dtls_clear_finished, "a Finished in clear text is not one") {
  const auto rules = context();
  Pair pair(*rules);
  pair.client->start();
  feed_all(*pair.server, pair.client->take());
  feed_all(*pair.client, pair.server->take());
  // All but the last record, which is the encrypted Finished.
  Datagrams flight = pair.client->take();
  CHECK(flight.size() == 1);
  size_t at = 0;
  size_t last = 0;
  while (at + 13 <= flight[0].size()) {
    last = at;
    at += 13 + (static_cast<size_t>(flight[0][at + 11]) << 8) + flight[0][at + 12];
  }
  flight[0].resize(last);
  feed_all(*pair.server, flight);
  feed_all(*pair.server, {fragment(20, 12, 5, 0, 12, 9)});
  CHECK(pair.server->state() != DtlsState::connected);
}

TEST(dtls_loss, "lost flights are sent again after 400 ms, doubled each time, and given up after twelve") {
  const auto rules = context();
  Pair pair(*rules);
  pair.client->start();
  CHECK(is_time_ours);
  CHECK(pair.client->timeout_ms() == 400);
  CHECK(pair.server->timeout_ms() == -1);
  CHECK(pair.client->take().size() == 1);
  // OpenSSL counts less than 15 ms as over.
  now_us += 380'500;
  CHECK(pair.client->timeout_ms() == 20);
  pair.client->timeout();
  CHECK(pair.client->take().empty());
  now_us += 19'500;
  CHECK(pair.client->timeout_ms() == 0);
  pair.client->timeout();
  CHECK(pair.client->take().size() == 1);
  CHECK(pair.client->timeout_ms() == 800);
  pair.run();
  now_us += 800'000;
  pair.client->timeout();
  pair.run();
  CHECK(pair.is_connected());

  Session lonely = DtlsSession::create(*rules, DtlsRole::client);
  lonely->start();
  int flights = 0;
  int64_t waited_ms = 0;
  while (lonely->state() == DtlsState::handshaking && flights < 100) {
    ++flights;
    const int64_t left = lonely->timeout_ms();
    CHECK(left > 0 && left <= 3200);
    waited_ms += left;
    now_us += left * 1000;
    lonely->timeout();
  }
  CHECK(lonely->state() == DtlsState::failed && !lonely->failure_reason().empty());
  CHECK(flights == 13 && waited_ms == 400 + 800 + 1600 + 10 * 3200);
}

TEST(dtls_each_datagram_lost, "whichever single datagram is lost, the handshake completes") {
  for (size_t lost = 0; lost < 10; ++lost) {
    const auto rules = context({Suite::aead_aes_128_gcm}, 512);
    Pair pair(*rules);
    size_t sent = 0;
    pair.client->start();
    for (int round = 0; round < 60 && !pair.is_connected(); ++round) {
      for (const Bytes& datagram : pair.client->take()) {
        if (sent++ != lost) feed_all(*pair.server, {datagram});
      }
      for (const Bytes& datagram : pair.server->take()) {
        if (sent++ != lost) feed_all(*pair.client, {datagram});
      }
      now_us += 450'000;
      pair.client->timeout();
      pair.server->timeout();
    }
    CHECK(pair.is_connected());
  }
}

TEST(dtls_reordered, "flights that arrive in reverse order cost a retransmission at most") {
  const auto rules = context({Suite::aead_aes_128_gcm}, 512);
  Pair pair(*rules);
  pair.client->start();
  for (int round = 0; round < 3; ++round) {
    Datagrams up = pair.client->take();
    feed_all(*pair.server, Datagrams(up.rbegin(), up.rend()));
    Datagrams down = pair.server->take();
    feed_all(*pair.client, Datagrams(down.rbegin(), down.rend()));
  }
  now_us += 900'000;
  pair.client->timeout();
  pair.server->timeout();
  pair.run();
  CHECK(pair.is_connected());
}

TEST(dtls_bounded_memory, "floods of fragments and early records cost a bounded amount of memory") {
  const auto rules = context();
  CHECK(openssl_memory().is_counted);
  Session server = DtlsSession::create(*rules, DtlsRole::server);
  Session client = DtlsSession::create(*rules, DtlsRole::client);
  client->start();
  feed_all(*server, client->take());
  const size_t before = openssl_memory().live_bytes;
  constexpr size_t kMost = 1024 * 1024;
  for (uint32_t i = 0; i < 2000; ++i) {
    Bytes early = from_hex("16fefd0001000000000000");
    early[9] = static_cast<uint8_t>(i >> 8);
    early[10] = static_cast<uint8_t>(i);
    early.push_back(0x05);
    early.push_back(0x00);
    early.resize(13 + 0x500, 0x33);
    feed_all(*server, {early});
  }
  CHECK(openssl_memory().live_bytes - before < kMost);
  CHECK(server->state() == DtlsState::handshaking);
  for (uint16_t sequence = 1; sequence < 500; ++sequence) {
    feed_all(*server, {fragment(11, 16'000, sequence, 100, 50, static_cast<uint8_t>(sequence))});
  }
  CHECK(openssl_memory().live_bytes - before < kMost);
  feed_all(*server, {fragment(11, 0xffffff, 1, 0, 50, 200), fragment(11, 0xffffff, 1, 0xfffff0, 15, 201)});
  CHECK(openssl_memory().live_bytes - before < kMost);
  // And behind a ChangeCipherSpec.
  for (uint32_t i = 0; i < 2000; ++i) {
    Bytes early = from_hex("14fefd0000000000000000000101 16fefd00010000000000000500");
    early[10] = static_cast<uint8_t>(i);
    early[9] = static_cast<uint8_t>(i >> 8);
    early[23] = static_cast<uint8_t>(i >> 8);
    early[24] = static_cast<uint8_t>(i);
    early.resize(27 + 0x500, 0x33);
    feed_all(*server, {early});
  }
  CHECK(openssl_memory().live_bytes - before < kMost);
  server->close();
  client->close();
  CHECK(openssl_memory().live_bytes < before);
}

TEST(dtls_message_limit, "a handshake message announced beyond 16 KB sets nothing aside") {
  const auto rules = context();
  Session server = DtlsSession::create(*rules, DtlsRole::server);
  Session client = DtlsSession::create(*rules, DtlsRole::client);
  client->start();
  feed_all(*server, client->take());
  const size_t before = openssl_memory().live_bytes;
  for (uint16_t sequence = 2; sequence < 10; ++sequence) {
    feed_all(*server, {fragment(11, 60'000, sequence, 100, 50, static_cast<uint8_t>(sequence))});
  }
  CHECK(openssl_memory().live_bytes < before + 60'000);
}

TEST(dtls_session_memory, "a connected session takes less than 64 KB until it is dropped") {
  const auto rules = context();
  size_t most = 0;
  for (int i = 0; i < 2; ++i) {
    Pair pair(*rules);
    pair.run();
    CHECK(pair.is_connected());
    pair.client.reset();
    const size_t with = openssl_memory().live_bytes;
    pair.server.reset();
    most = with - openssl_memory().live_bytes;
  }
  CHECK(most > 10'000 && most < 64 * 1024);
}

TEST(dtls_nothing_kept, "sessions free all they took") {
  const auto rules = context();
  size_t before = 0;
  for (int i = 0; i < 20; ++i) {
    if (i == 10) before = openssl_memory().live_bytes;
    Pair pair(*rules);
    pair.run();
  }
  CHECK(before > 0 && openssl_memory().live_bytes <= before);
}
