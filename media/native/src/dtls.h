#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "srtp.h"

namespace webtrunk {

enum class DtlsRole : uint8_t { server, client };
enum class DtlsState : uint8_t { handshaking, connected, failed, closed };

/** Failure reason of a handshake that worked but agreed on no SRTP suite. */
constexpr char kNoCommonProfile[] = "no common SRTP profile";

/** RFC 5764 §4.2: each is the master key followed by its salt. Wiped when it goes. */
struct DtlsKeys {
  Suite suite = Suite::aead_aes_128_gcm;
  std::vector<uint8_t> receive;
  std::vector<uint8_t> send;

  DtlsKeys() = default;
  ~DtlsKeys();
  DtlsKeys(const DtlsKeys&) = delete;
  DtlsKeys& operator=(const DtlsKeys&) = delete;
};

/**
 * Our certificate and rules: DTLS 1.2 only, ECDHE with AEAD, no renegotiation, resumption or tickets. The peer must present
 * a certificate and prove that it owns it; whether it is the right one is decided above, by fingerprint.
 */
class DtlsContext {
 public:
  static constexpr size_t kMaxMtu = 1200;
  static constexpr size_t kMinMtu = 512;

  /** Null with `error` set when the PEM texts, the suites or the MTU are unusable. */
  static std::unique_ptr<DtlsContext> create(const std::string& certificate_pem, const std::string& private_key_pem,
                                             const std::vector<Suite>& suites, size_t mtu, std::string& error);
  ~DtlsContext();
  DtlsContext(const DtlsContext&) = delete;
  DtlsContext& operator=(const DtlsContext&) = delete;

  /** SHA-256 of our certificate. */
  const std::string& fingerprint() const { return fingerprint_; }
  size_t mtu() const { return mtu_; }
  SSL_CTX* get() const { return context_; }

 private:
  DtlsContext(SSL_CTX* context, std::string fingerprint, size_t mtu);

  SSL_CTX* context_;
  std::string fingerprint_;
  size_t mtu_;
};

/**
 * One association, without socket and timer. May outlive its context. After `connected`, nothing that is not authenticated
 * changes anything: such records are ignored.
 */
class DtlsSession {
 public:
  /** Larger datagrams are ignored. */
  static constexpr size_t kMaxDatagram = 2048;
  /** Datagrams waiting in `take()`; beyond it they are dropped, as a network would, and retransmitted later. */
  static constexpr size_t kMaxOutgoing = 64;

  /** Null when OpenSSL fails. */
  static std::unique_ptr<DtlsSession> create(const DtlsContext& context, DtlsRole role);
  ~DtlsSession();
  DtlsSession(const DtlsSession&) = delete;
  DtlsSession& operator=(const DtlsSession&) = delete;

  /** Client: sends the ClientHello. */
  void start();
  void feed(const uint8_t* datagram, size_t length);
  /** To be called when `timeout_ms()` has passed. */
  void timeout();
  /** Milliseconds until `timeout()` is due; -1 when it is not. */
  int64_t timeout_ms() const;
  std::vector<std::vector<uint8_t>> take();

  DtlsState state() const { return state_; }
  /** Empty unless failed. */
  const std::string& failure_reason() const { return failure_reason_; }
  /** Fatal alert that ended the handshake or session; -1 when it was something else. */
  int failure_alert() const { return failure_alert_; }

  /** False unless connected. */
  bool keys(DtlsKeys& keys) const;
  /** Empty while the peer's certificate is unknown, or when the hash is. */
  std::string peer_fingerprint(const std::string& hash) const;

  /** Queues close_notify if connected (`take()` still yields it) and frees everything else. */
  void close();

 private:
  explicit DtlsSession(DtlsRole role);

  static int bio_read(BIO* bio, char* buffer, int size);
  static int bio_write(BIO* bio, const char* bytes, int length);
  static long bio_control(BIO* bio, int command, long number, void* pointer);
  static BIO_METHOD* bio_method();
  static void on_info(const SSL* ssl, int where, int value);

  /** False for a record that would only cost memory. */
  bool has_place_for(const uint8_t* record);
  void advance();
  void handle_result(int result);
  void fail(std::string reason);
  void accept_profile();

  DtlsRole role_;
  DtlsState state_ = DtlsState::handshaking;
  SSL* ssl_ = nullptr;
  const SuiteParameters* suite_ = nullptr;
  const uint8_t* incoming_ = nullptr;
  size_t incoming_length_ = 0;
  /** Protected records it may still be given before the peer's ChangeCipherSpec. */
  int early_left_;
  std::vector<std::vector<uint8_t>> outgoing_;
  size_t mtu_ = DtlsContext::kMaxMtu;
  std::string failure_reason_;
  int failure_alert_ = -1;
};

}  // namespace webtrunk
