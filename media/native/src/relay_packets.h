#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "relay_address.h"
#include "relay_socket.h"

namespace webtrunk {

/** Largest datagram taken in. Browsers and PBXes stay below a network MTU. */
constexpr size_t kMaxDatagram = 1600;

/** A datagram under way, with room for what protecting adds. */
struct Packet {
  static constexpr size_t kCapacity = kMaxDatagram + 64;

  uint8_t data[kCapacity];
  size_t length;
  SocketAddress remote;
  socklen_t remote_length;
  /** Leg it is sent for, and RTP payload octets; 0 when it is not media. */
  uint32_t leg;
  uint32_t octets;
  /** Next one to send on the same socket. */
  Packet* next;
};

/** A socket and what waits to be sent on it in this round. */
struct Transmitter {
  Fd socket;
  Packet* first = nullptr;
  Packet* last = nullptr;
  /** Datagrams that the kernel has told us it threw away because its buffer was full. */
  uint32_t overflown = 0;
};

/** All packets of a relay thread, taken at the start. */
class PacketPool {
 public:
  explicit PacketPool(size_t size) : packets_(size) {
    free_.reserve(size);
    for (Packet& packet : packets_) free_.push_back(&packet);
  }

  size_t available() const { return free_.size(); }

  Packet* take() {
    Packet* packet = free_.back();
    free_.pop_back();
    packet->leg = 0;
    packet->octets = 0;
    packet->next = nullptr;
    return packet;
  }

  void give_back(Packet* packet) { free_.push_back(packet); }

 private:
  std::vector<Packet> packets_;
  std::vector<Packet*> free_;
};

}  // namespace webtrunk
