#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "relay_socket.h"

struct io_uring_params;

namespace webtrunk {

/**
 * Operations on many sockets for one system call (io_uring): with a socket for each trunk leg, the calls into the kernel are
 * most of what a packet costs. Not every kernel has it, and not every container may use it: then `is_open` is false, and
 * the caller does them one by one. Used from one thread at a time.
 */
class SocketRing {
 public:
  static constexpr size_t kSize = 64;

  SocketRing();
  ~SocketRing();
  SocketRing(const SocketRing&) = delete;
  SocketRing& operator=(const SocketRing&) = delete;

  bool is_open() const { return ring_.is_open(); }

  /** At most `kSize` before they are carried out; `header` and what it points to stay until then. Neither ever waits. */
  void add_receive(const Fd& socket, msghdr* header);
  void add_send(const Fd& socket, msghdr* header);
  /**
   * Carries them out in the order they were added. What became of the one at `at`: bytes, or the negative `errno`. Where the
   * kernel gives up, the ring is closed from then on.
   */
  void carry_out();
  int32_t result(size_t at) const { return results_[at]; }

 private:
  bool map(const io_uring_params& parameters);
  void unmap();
  void add(uint8_t operation, const Fd& socket, msghdr* header);
  size_t reap();

  Fd ring_;
  void* rings_ = nullptr;
  size_t rings_length_ = 0;
  void* entries_ = nullptr;
  size_t entries_length_ = 0;

  std::atomic<uint32_t>* submit_tail_ = nullptr;
  uint32_t* submit_order_ = nullptr;
  uint32_t submit_mask_ = 0;
  std::atomic<uint32_t>* complete_head_ = nullptr;
  std::atomic<uint32_t>* complete_tail_ = nullptr;
  const void* completions_ = nullptr;
  uint32_t complete_mask_ = 0;

  uint32_t added_ = 0;
  int32_t results_[kSize] = {};
};

}  // namespace webtrunk
