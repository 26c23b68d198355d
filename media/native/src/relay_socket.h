#pragma once

#include <cstdint>

#include "endpoint.h"

namespace webtrunk {

/** Owns a file descriptor. */
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { close(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close();

 private:
  int release();
  int fd_ = -1;
};

/**
 * Bound UDP socket, not blocking, that sends nothing to be fragmented. On failure not open, and `errno` tells why. `buffer`: bytes for each way, as far as granted;
 * `dscp` as `set_dscp` takes it.
 */
Fd open_udp(const Endpoint& local, int buffer, uint8_t dscp);

/** Bytes that wait for us at most, as the kernel granted them; 0 on failure. */
int receive_buffer_of(const Fd& socket);

constexpr uint8_t kMaxDscp = 63;

/**
 * Has everything that a socket of IPv4 or IPv6 sends marked with a code point (RFC 2474); 0 leaves the socket alone. False
 * when the kernel refuses, and `errno` tells why.
 */
bool set_dscp(int socket, uint8_t dscp);

/**
 * Whether what the socket sends may be broken up on its way (RFC 791 §2.3). Datagrams of media never need to be, and the kernel
 * has less to do for one that may not; where one is too long all the same, sending it fails with EMSGSIZE.
 */
void set_fragmentable(int socket, bool is_fragmentable);

/** Port that the kernel chose or was told; 0 on failure. */
uint16_t local_port(const Fd& socket);

}  // namespace webtrunk
