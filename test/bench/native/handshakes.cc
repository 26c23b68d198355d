#include "handshakes.h"

#include <cstring>

#include "certificate.h"
#include "clock.h"

namespace bench {

namespace {

/** As many as start at once where a few hundred calls come in a second. */
constexpr size_t kAtOnce = 16;
constexpr int64_t kCheckAgainNs = 50'000'000;
constexpr int64_t kPatienceNs = 10'000'000'000;
constexpr size_t kMtu = 1200;
constexpr int64_t kNsPerMs = 1'000'000;

bool is_stun(const uint8_t* datagram, size_t length) { return length >= 20 && datagram[0] < 4; }
bool is_stun_success(const uint8_t* datagram) { return datagram[0] == 0x01 && datagram[1] == 0x01; }
bool is_dtls(const uint8_t* datagram, size_t length) { return length > 0 && datagram[0] >= 20 && datagram[0] < 64; }

void send_datagram(Peers& peers, const Browser& browser, const std::vector<uint8_t>& bytes) {
  memcpy(peers.place(browser.call), bytes.data(), bytes.size());
  peers.send(browser.call, bytes.size(), browser.target);
}

}  // namespace

std::string Handshakes::create(const std::vector<webtrunk::Suite>& suites) {
  webtrunk::CertificatePem pem;
  std::string error;
  if (!webtrunk::create_certificate("bench", 30, {}, pem, error)) return error;
  context_ = webtrunk::DtlsContext::create(pem.certificate, pem.private_key, suites, kMtu, error);
  return error;
}

std::string Handshakes::run(Peers& peers, uint32_t calls, const std::vector<Browser>& browsers, const Done& done,
                            HandshakeResult& result) {
  std::vector<Attempt> attempts;
  std::vector<size_t> attempt_of(calls, SIZE_MAX);
  std::vector<size_t> underway;
  attempts.reserve(browsers.size());
  const int64_t start_ns = now_ns();
  while (result.connected < browsers.size()) {
    while (underway.size() < kAtOnce && attempts.size() < browsers.size()) {
      const Browser& browser = browsers[attempts.size()];
      attempt_of[browser.call] = attempts.size();
      underway.push_back(attempts.size());
      attempts.push_back({&browser, nullptr});
      begin(peers, attempts.back(), now_ns());
    }
    peers.flush();
    peers.receive(calls, [&](uint32_t call, uint8_t* datagram, size_t length, int64_t) {
      const size_t index = call == UINT32_MAX ? SIZE_MAX : attempt_of[call];
      if (index != SIZE_MAX) feed(peers, attempts[index], datagram, length);
    });
    for (size_t at = 0; at < underway.size();) {
      Attempt& attempt = attempts[underway[at]];
      const std::string error = progress(peers, attempt, now_ns());
      if (!error.empty()) return "call " + std::to_string(attempt.browser->call) + ": " + error;
      webtrunk::DtlsKeys keys;
      if (attempt.session == nullptr || !attempt.session->keys(keys)) {
        at++;
        continue;
      }
      done(attempt.browser->call, keys);
      underway[at] = underway.back();
      underway.pop_back();
      result.connected++;
    }
  }
  peers.flush();
  result.took_ns = now_ns() - start_ns;
  return {};
}

void Handshakes::begin(Peers& peers, Attempt& attempt, int64_t now) {
  attempt.deadline_ns = now + kPatienceNs;
  if (attempt.browser->check.empty()) {
    start(peers, attempt);
  } else {
    send_datagram(peers, *attempt.browser, attempt.browser->check);
    attempt.check_again_ns = now + kCheckAgainNs;
  }
}

void Handshakes::start(Peers& peers, Attempt& attempt) {
  attempt.session = webtrunk::DtlsSession::create(*context_, webtrunk::DtlsRole::client);
  if (attempt.session == nullptr) return;  // `progress` gives it up.
  attempt.session->start();
  send_waiting(peers, attempt);
}

void Handshakes::feed(Peers& peers, Attempt& attempt, const uint8_t* datagram, size_t length) {
  if (is_stun(datagram, length)) {
    if (attempt.session == nullptr && is_stun_success(datagram)) start(peers, attempt);
  } else if (attempt.session != nullptr && is_dtls(datagram, length)) {
    attempt.session->feed(datagram, length);
    send_waiting(peers, attempt);
  }
}

void Handshakes::send_waiting(Peers& peers, Attempt& attempt) {
  for (const std::vector<uint8_t>& datagram : attempt.session->take()) send_datagram(peers, *attempt.browser, datagram);
  const int64_t in_ms = attempt.session->timeout_ms();
  attempt.timeout_ns = in_ms < 0 ? 0 : now_ns() + in_ms * kNsPerMs;
}

std::string Handshakes::progress(Peers& peers, Attempt& attempt, int64_t now) {
  if (now > attempt.deadline_ns) return attempt.session == nullptr ? "no check was answered" : "no handshake in time";
  if (attempt.session == nullptr) {
    if (attempt.browser->check.empty()) return "no DTLS session";
    if (now < attempt.check_again_ns) return {};
    send_datagram(peers, *attempt.browser, attempt.browser->check);
    attempt.check_again_ns = now + kCheckAgainNs;
    return {};
  }
  switch (attempt.session->state()) {
    case webtrunk::DtlsState::handshaking:
      if (attempt.timeout_ns != 0 && now >= attempt.timeout_ns) {
        attempt.session->timeout();
        send_waiting(peers, attempt);
      }
      return {};
    case webtrunk::DtlsState::connected:
      return attempt.session->peer_fingerprint("sha-256") == attempt.browser->fingerprint ? "" : "another certificate";
    default:
      return "handshake failed: " + attempt.session->failure_reason();
  }
}

}  // namespace bench
