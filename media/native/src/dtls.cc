#include "dtls.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>

#include "bytes.h"
#include "certificate.h"
#include "openssl_owners.h"

namespace webtrunk {

namespace {

/** RSA only for peers that are servers with such a certificate; ours is ECDSA. GCM only: see `usable_record`. */
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384";
constexpr char kGroups[] = "X25519:P-256:P-384";
/** No SHA-1. */
constexpr char kSignatures[] =
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:"
    "RSA+SHA512";
/** Largest handshake message taken from a peer; browsers' certificates have under 1 KB. */
constexpr long kMaxHandshakeMessage = 16 * 1024;
/** Retransmission: shorter than the 1 s of RFC 6347 §4.2.4.1, because a caller waits; doubled up to 3.2 s. OpenSSL gives up after 12. */
constexpr unsigned kFirstTimeoutUs = 400'000;
constexpr unsigned kLongestTimeoutUs = 3'200'000;
constexpr char kExporterLabel[] = "EXTRACTOR-dtls_srtp";
constexpr size_t kRecordHeader = 13;
/**
 * Protected records a session takes before the peer's ChangeCipherSpec. OpenSSL keeps them, each in a buffer of 17 KB and up to
 * 100 of them; a handshake that is reordered has one, Finished, and repeats it at most 12 times.
 */
constexpr int kMaxEarlyRecords = 24;
/** Explicit nonce and tag of the GCM suites (RFC 5288 §3). */
constexpr size_t kMinProtectedRecord = 8 + 16;

enum ContentType : uint8_t { kChangeCipherSpec = 20, kAlert = 21, kHandshake = 22, kApplicationData = 23 };

/**
 * Length of the record that a datagram (or what is left of one) begins with; 0 when it is none that we can have a use for. RFC
 * 6347 §4.1.2.7 says to drop others silently, but OpenSSL 3.0 may end the association, even a connected one: on a protected
 * record too short for nonce and tag, for instance. It also goes on reading behind the header of a record that announces too
 * much, and finds such a record there; so it gets nothing from the first doubtful one on.
 */
size_t usable_record(const uint8_t* record, size_t length) {
  if (length < kRecordHeader) return 0;
  const uint8_t type = record[0];
  const size_t size = read_u16(record + 11);
  if (type < kChangeCipherSpec || type > kApplicationData || record[1] != 0xfe) return 0;
  switch (read_u16(record + 3)) {
    case 0:
      if (type == kApplicationData || size == 0) return 0;
      break;
    case 1:
      if (size < kMinProtectedRecord) return 0;
      break;
    default:
      return 0;
  }
  return size > length - kRecordHeader ? 0 : kRecordHeader + size;
}

unsigned next_timeout(SSL*, unsigned current_us) {
  return current_us == 0 ? kFirstTimeoutUs : std::min(current_us * 2, kLongestTimeoutUs);
}

/** The chain means nothing here: the fingerprint in the description does (RFC 5763 §5). Possession of the key is proved by TLS itself. */
int accept_certificate(X509_STORE_CTX*, void*) { return 1; }

bool use_certificate(SSL_CTX* context, const std::string& certificate_pem, const std::string& private_key_pem,
                     std::string& fingerprint) {
  BioPointer certificate_in(BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  BioPointer key_in(BIO_new_mem_buf(private_key_pem.data(), static_cast<int>(private_key_pem.size())));
  if (certificate_in == nullptr || key_in == nullptr) return false;
  CertificatePointer certificate(PEM_read_bio_X509(certificate_in.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return false;
  // The empty password keeps OpenSSL from asking the terminal for one.
  char no_password[] = "";
  KeyPointer key(PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, no_password));
  if (key == nullptr) return false;
  fingerprint = certificate_fingerprint(certificate.get(), "sha-256");
  return SSL_CTX_use_certificate(context, certificate.get()) == 1 && SSL_CTX_use_PrivateKey(context, key.get()) == 1 &&
         SSL_CTX_check_private_key(context) == 1 && !fingerprint.empty();
}

bool profile_list(const std::vector<Suite>& suites, std::string& list, std::string& error) {
  for (const Suite suite : suites) {
    const SuiteParameters& row = suite_parameters(suite);
    if (row.dtls_name == nullptr) {
      error = std::string("no DTLS profile: ") + row.name;
      return false;
    }
    if (!list.empty()) list += ':';
    list += row.dtls_name;
  }
  if (list.empty()) error = "no SRTP suite";
  return !list.empty();
}

bool configure(SSL_CTX* context, const std::string& profiles, size_t mtu) {
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, accept_certificate, nullptr);
  SSL_CTX_set_max_cert_list(context, kMaxHandshakeMessage);
  SSL_CTX_set_quiet_shutdown(context, 0);
  return SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers) == 1 && SSL_CTX_set1_groups_list(context, kGroups) == 1 &&
         SSL_CTX_set1_sigalgs_list(context, kSignatures) == 1 &&
         // No record of ours is longer than a datagram: a session need not set 16 KB aside for one.
         SSL_CTX_set_max_send_fragment(context, static_cast<long>(mtu)) == 1 &&
         // Returns 0 when it worked, unlike its neighbours.
         SSL_CTX_set_tlsext_use_srtp(context, profiles.c_str()) == 0;
}

}  // namespace

DtlsKeys::~DtlsKeys() {
  OPENSSL_cleanse(receive.data(), receive.size());
  OPENSSL_cleanse(send.data(), send.size());
}

DtlsContext::DtlsContext(SSL_CTX* context, std::string fingerprint, size_t mtu)
    : context_(context), fingerprint_(std::move(fingerprint)), mtu_(mtu) {}

DtlsContext::~DtlsContext() { SSL_CTX_free(context_); }

std::unique_ptr<DtlsContext> DtlsContext::create(const std::string& certificate_pem, const std::string& private_key_pem,
                                                 const std::vector<Suite>& suites, size_t mtu, std::string& error) {
  std::string profiles;
  if (!profile_list(suites, profiles, error)) return nullptr;
  if (mtu < kMinMtu || mtu > kMaxMtu) {
    error = "mtu must be 512 to 1200";
    return nullptr;
  }
  ERR_clear_error();
  std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>> context(SSL_CTX_new(DTLS_method()));
  std::string fingerprint;
  if (context == nullptr || !configure(context.get(), profiles, mtu) ||
      !use_certificate(context.get(), certificate_pem, private_key_pem, fingerprint)) {
    error = take_openssl_error();
    return nullptr;
  }
  return std::unique_ptr<DtlsContext>(new DtlsContext(context.release(), std::move(fingerprint), mtu));
}

// Datagrams in and out of OpenSSL: one read yields one datagram, one write makes one.

int DtlsSession::bio_read(BIO* bio, char* buffer, int size) {
  BIO_clear_retry_flags(bio);
  auto* session = static_cast<DtlsSession*>(BIO_get_data(bio));
  if (session->incoming_ == nullptr || size <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  // What does not fit is lost, as with recv().
  const size_t length = std::min(session->incoming_length_, static_cast<size_t>(size));
  std::memcpy(buffer, session->incoming_, length);
  session->incoming_ = nullptr;
  return static_cast<int>(length);
}

int DtlsSession::bio_write(BIO* bio, const char* bytes, int length) {
  BIO_clear_retry_flags(bio);
  auto* session = static_cast<DtlsSession*>(BIO_get_data(bio));
  if (length <= 0) return 0;
  if (session->outgoing_.size() < kMaxOutgoing) session->outgoing_.emplace_back(bytes, bytes + length);
  return length;
}

long DtlsSession::bio_control(BIO* bio, int command, long, void*) {
  const auto* session = static_cast<const DtlsSession*>(BIO_get_data(bio));
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return static_cast<long>(session->mtu_);
    default:
      return 0;
  }
}

BIO_METHOD* DtlsSession::bio_method() {
  // One per process, for its life.
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
    if (made != nullptr) {
      BIO_meth_set_read(made, bio_read);
      BIO_meth_set_write(made, bio_write);
      BIO_meth_set_ctrl(made, bio_control);
      BIO_meth_set_create(made, [](BIO* bio) {
        BIO_set_init(bio, 1);
        return 1;
      });
    }
    return made;
  }();
  return method;
}

void DtlsSession::on_info(const SSL* ssl, int where, int value) {
  constexpr int kFatal = 2;
  if ((where & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT || value >> 8 != kFatal) return;
  auto* session = static_cast<DtlsSession*>(SSL_get_app_data(ssl));
  session->failure_alert_ = value & 0xff;
}

std::unique_ptr<DtlsSession> DtlsSession::create(const DtlsContext& context, DtlsRole role) {
  std::unique_ptr<DtlsSession> session(new DtlsSession(role));
  session->mtu_ = context.mtu();
  session->ssl_ = SSL_new(context.get());
  if (session->ssl_ == nullptr || bio_method() == nullptr) return nullptr;
  BIO* bio = BIO_new(bio_method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, session.get());
  SSL* ssl = session->ssl_;
  SSL_set_bio(ssl, bio, bio);
  SSL_set_app_data(ssl, session.get());
  SSL_set_info_callback(ssl, on_info);
  SSL_set_mtu(ssl, static_cast<long>(context.mtu()));
  DTLS_set_timer_cb(ssl, next_timeout);
  if (role == DtlsRole::server) {
    SSL_set_accept_state(ssl);
  } else {
    SSL_set_connect_state(ssl);
  }
  return session;
}

DtlsSession::DtlsSession(DtlsRole role) : role_(role), early_left_(kMaxEarlyRecords) {}

DtlsSession::~DtlsSession() { SSL_free(ssl_); }

void DtlsSession::start() {
  if (role_ == DtlsRole::client && state_ == DtlsState::handshaking) advance();
}

void DtlsSession::feed(const uint8_t* datagram, size_t length) {
  if (state_ == DtlsState::failed || state_ == DtlsState::closed) return;
  if (length > kMaxDatagram) return;
  // One by one, because what a record may do depends on what the one before it has done.
  for (size_t size; (size = usable_record(datagram, length)) > 0; datagram += size, length -= size) {
    if (!has_place_for(datagram)) continue;
    incoming_ = datagram;
    incoming_length_ = size;
    advance();
    if (state_ == DtlsState::failed || state_ == DtlsState::closed) break;
  }
  incoming_ = nullptr;
  incoming_length_ = 0;
}

bool DtlsSession::has_place_for(const uint8_t* record) {
  if (state_ != DtlsState::handshaking || read_u16(record + 3) == 0) return true;
  // Behind the peer's ChangeCipherSpec protected records are read at once.
  const OSSL_HANDSHAKE_STATE at = SSL_get_state(ssl_);
  if (at == TLS_ST_SR_CHANGE || at == TLS_ST_CR_CHANGE) return true;
  if (early_left_ == 0) return false;
  --early_left_;
  return true;
}

void DtlsSession::advance() {
  ERR_clear_error();
  if (state_ == DtlsState::handshaking) {
    const int result = SSL_do_handshake(ssl_);
    if (result != 1) {
      handle_result(result);
      return;
    }
    accept_profile();
    if (state_ != DtlsState::connected) return;
  }
  // Application data has no meaning here; reading is what handles alerts and retransmitted flights.
  uint8_t ignored[kMaxDatagram];
  int result = 0;
  do {
    result = SSL_read(ssl_, ignored, sizeof ignored);
  } while (result > 0);
  handle_result(result);
}

void DtlsSession::accept_profile() {
  const SRTP_PROTECTION_PROFILE* profile = SSL_get_selected_srtp_profile(ssl_);
  if (profile != nullptr) suite_ = find_dtls_suite(profile->name);
  if (suite_ != nullptr) {
    state_ = DtlsState::connected;
    return;
  }
  SSL_shutdown(ssl_);
  fail(kNoCommonProfile);
}

void DtlsSession::handle_result(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      ERR_clear_error();
      return;
    case SSL_ERROR_ZERO_RETURN:
      close();
      return;
    default:
      fail(take_openssl_error());
  }
}

void DtlsSession::fail(std::string reason) {
  ERR_clear_error();
  state_ = DtlsState::failed;
  failure_reason_ = std::move(reason);
}

void DtlsSession::timeout() {
  if (state_ != DtlsState::handshaking) return;
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_) < 0) fail(take_openssl_error());
}

int64_t DtlsSession::timeout_ms() const {
  if (state_ != DtlsState::handshaking) return -1;
  timeval left{};
  if (DTLSv1_get_timeout(ssl_, &left) != 1) return -1;
  // Rounded up, or a caller would come just too early and again.
  return int64_t{left.tv_sec} * 1000 + (left.tv_usec + 999) / 1000;
}

std::vector<std::vector<uint8_t>> DtlsSession::take() {
  std::vector<std::vector<uint8_t>> taken;
  taken.swap(outgoing_);
  return taken;
}

bool DtlsSession::keys(DtlsKeys& keys) const {
  if (state_ != DtlsState::connected) return false;
  const size_t key = suite_->key_length;
  const size_t salt = suite_->salt_length;
  uint8_t material[2 * (32 + 14)];
  if (SSL_export_keying_material(ssl_, material, 2 * (key + salt), kExporterLabel, sizeof kExporterLabel - 1, nullptr, 0,
                                 0) != 1) {
    ERR_clear_error();
    return false;
  }
  // RFC 5764 §4.2: client key, server key, client salt, server salt.
  const auto join = [&](size_t side) {
    std::vector<uint8_t> joined;
    joined.reserve(key + salt);
    joined.insert(joined.end(), material + side * key, material + (side + 1) * key);
    joined.insert(joined.end(), material + 2 * key + side * salt, material + 2 * key + (side + 1) * salt);
    return joined;
  };
  const size_t our_side = role_ == DtlsRole::client ? 0 : 1;
  keys.suite = suite_->suite;
  keys.send = join(our_side);
  keys.receive = join(1 - our_side);
  OPENSSL_cleanse(material, sizeof material);
  return true;
}

std::string DtlsSession::peer_fingerprint(const std::string& hash) const {
  if (ssl_ == nullptr) return {};
  const CertificatePointer certificate(SSL_get1_peer_certificate(ssl_));
  return certificate_fingerprint(certificate.get(), hash);
}

void DtlsSession::close() {
  if (state_ == DtlsState::connected) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
  }
  SSL_free(ssl_);
  ssl_ = nullptr;
  if (state_ != DtlsState::failed) state_ = DtlsState::closed;
}

}  // namespace webtrunk
