#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "handshakes.h"
#include "histogram.h"
#include "peers.h"
#include "srtp.h"
#include "stream.h"

namespace bench {

/** Of one run, all times in milliseconds. */
struct Plan {
  int pid;
  /** The core it has. */
  unsigned core;
  uint32_t warmup_ms;
  uint32_t window_ms;
};

struct Result {
  /** Packets of the measured window, both directions. */
  uint64_t sent = 0;
  uint64_t lost = 0;
  /** Those that came out of the system during the window, and what it ran for that; -1: no such process. */
  uint64_t forwarded = 0;
  int64_t system_ns = -1;
  /** What its core did in that time, for it or for others; the kernel's own count, in steps of 10 ms. */
  int64_t core_ns = 0;
  int64_t own_ns = 0;
  int64_t window_ns = 0;
  /** How much later than planned packets of the window left. */
  Histogram lateness;
  int64_t most_late_ns = 0;
  uint64_t overflowed = 0;
  uint64_t unsent = 0;
  Tally tally;
};

/** One call: the plain side's peer, the encrypted side's peer, and where the system under test has its ports for them. */
struct Call {
  sockaddr_in plain_target{};
  sockaddr_in secure_target{};
  std::unique_ptr<webtrunk::SrtpSender> sender;
  std::unique_ptr<webtrunk::SrtpReceiver> receiver;

  /** False when OpenSSL or a length refuses. `ssrc`: of what is sent. */
  bool set_keys(webtrunk::Suite suite, const std::vector<uint8_t>& send, const std::vector<uint8_t>& receive,
                uint32_t ssrc);
  /** From the plain side to the encrypted one, and back. */
  Stream to_secure;
  Stream to_plain;
};

/**
 * Drives calls through the system under test: one packet every 20 ms and direction, the times of all streams spread evenly
 * over the 20 ms. Never sleeps: it has a core to itself.
 */
class Load {
 public:
  static constexpr uint32_t kMaxCalls = 8000;

  /** Empty when it worked. */
  std::string open();
  Peers& plain() { return plain_; }
  Peers& secure() { return secure_; }
  std::vector<Call>& calls() { return calls_; }

  /** Has the calls of these browsers get their keys by handshakes. Empty when it worked. */
  std::string connect(Handshakes& handshakes, const std::vector<Browser>& browsers, HandshakeResult& result);
  /** Every call must have its keys. */
  Result run(const Plan& plan);

 private:
  struct Schedule {
    int64_t start_ns;
    uint64_t streams;
    uint64_t first;
    uint64_t end;
    uint64_t total;

    int64_t due_ns(uint64_t slot) const;
  };

  void begin_streams(const Schedule& schedule);
  void send_due(const Schedule& schedule, const Plan& plan, int64_t now, Result& result);
  void send(uint64_t slot, uint64_t streams);
  /** Whether anything came. */
  bool receive(Tally& tally);
  void drain(Tally& tally);
  void mark(uint64_t slot, const Schedule& schedule, const Plan& plan, Result& result);

  Peers plain_;
  Peers secure_;
  std::vector<Call> calls_;
  uint64_t next_slot_ = 0;
};

}  // namespace bench
