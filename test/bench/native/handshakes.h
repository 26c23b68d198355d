#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dtls.h"
#include "peers.h"

namespace bench {

/** A browser's way to its keys: a check until it is answered (none: no ICE there), then DTLS as the client. */
struct Browser {
  uint32_t call;
  sockaddr_in target;
  /** Of the certificate that the system's description names. */
  std::string fingerprint;
  std::vector<uint8_t> check;
};

struct HandshakeResult {
  uint64_t connected = 0;
  int64_t took_ns = 0;
};

/** Makes the handshakes of many browsers, a few at a time, on the sockets that their media uses afterwards. */
class Handshakes {
 public:
  /** Called with the keys of each that connected. */
  using Done = std::function<void(uint32_t call, const webtrunk::DtlsKeys& keys)>;

  /** Empty when it worked. `suites`: what the browsers offer. */
  std::string create(const std::vector<webtrunk::Suite>& suites);
  /** Of the one certificate that all browsers have. */
  const std::string& fingerprint() const { return context_->fingerprint(); }

  /** Empty when all connected, else why not. */
  std::string run(Peers& peers, uint32_t calls, const std::vector<Browser>& browsers, const Done& done,
                  HandshakeResult& result);

 private:
  struct Attempt {
    const Browser* browser;
    std::unique_ptr<webtrunk::DtlsSession> session;
    int64_t check_again_ns = 0;
    int64_t timeout_ns = 0;
    int64_t deadline_ns = 0;
  };

  void begin(Peers& peers, Attempt& attempt, int64_t now);
  void start(Peers& peers, Attempt& attempt);
  void feed(Peers& peers, Attempt& attempt, const uint8_t* datagram, size_t length);
  void send_waiting(Peers& peers, Attempt& attempt);
  std::string progress(Peers& peers, Attempt& attempt, int64_t now);

  std::unique_ptr<webtrunk::DtlsContext> context_;
};

}  // namespace bench
