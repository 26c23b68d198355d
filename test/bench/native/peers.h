#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stream.h"

namespace bench {

/**
 * The far ends of one side: each call has a loopback address of its own, 127.N.x.y, behind a few sockets for all. So the
 * system under test sees as many 5-tuples as calls, and the generator need not watch thousands of sockets.
 */
class Peers {
 public:
  static constexpr size_t kSockets = 2;
  static constexpr size_t kBatch = 64;

  Peers() = default;
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  /** Empty when it worked, else what did not. */
  std::string open(uint8_t network);

  in_addr address_of(uint32_t call) const;
  uint16_t port_of(uint32_t call) const { return ports_[call % kSockets]; }
  const std::array<uint16_t, kSockets>& ports() const { return ports_; }

  /** Where to write a packet of `call` for `send`. Flushes first when the batch is full. */
  uint8_t* place(uint32_t call);
  /** What was written there, to `target`. */
  void send(uint32_t call, size_t length, const sockaddr_in& target);
  void flush();

  /** `handle(call, packet, length, arrived_ns)` for what is there, with the kernel's own time of arrival, up to a batch for each socket. How many there were. */
  template <typename Handler>
  size_t receive(uint32_t calls, Handler handle) {
    size_t count = 0;
    for (size_t socket = 0; socket < kSockets; socket++) {
      const int received = receive_batch(socket);
      for (int i = 0; i < received; i++) {
        Datagram& datagram = incoming_[static_cast<size_t>(i)];
        const uint32_t call = call_of(datagram);
        handle(call < calls ? call : UINT32_MAX, datagram.data,
               static_cast<size_t>(messages_[static_cast<size_t>(i)].msg_len), datagram.arrived_ns);
      }
      count += received > 0 ? static_cast<size_t>(received) : 0;
    }
    return count;
  }

  /** Datagrams that our own receive queues had no place for: the generator was too slow. */
  uint64_t overflowed() const;
  uint64_t unsent() const { return unsent_; }

 private:
  static constexpr size_t kControl = 128;

  struct Datagram {
    uint8_t data[kMaxPacket];
    sockaddr_in remote;
    iovec buffer;
    alignas(cmsghdr) uint8_t control[kControl];
    in_addr local;
    int64_t arrived_ns;
  };
  struct Batch {
    std::vector<Datagram> datagrams;
    std::vector<mmsghdr> messages;
    size_t size = 0;
  };

  int receive_batch(size_t socket);
  void prepare(size_t message);
  uint32_t call_of(const Datagram& datagram) const;
  void flush(size_t socket);

  uint8_t network_ = 0;
  std::array<int, kSockets> sockets_{-1, -1};
  std::array<uint16_t, kSockets> ports_{};
  std::array<uint32_t, kSockets> overflowed_{};
  std::array<Batch, kSockets> outgoing_;
  std::vector<Datagram> incoming_;
  std::vector<mmsghdr> messages_;
  /** The first so many of them were used by the last receive call. */
  size_t unprepared_ = kBatch;
  uint64_t unsent_ = 0;
};

}  // namespace bench
