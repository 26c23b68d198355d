#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "relay_packets.h"
#include "socket_ring.h"

namespace webtrunk {

/** A batch of datagrams as the kernel hands it over, with the packets that the next batch goes into. Made once. */
class Intake {
 public:
  static constexpr size_t kSize = 64;

  /** Takes `kSize` packets out of the pool for good. */
  explicit Intake(PacketPool& pool);

  /** Takes in what is there, at most `maximum`; returns how many. Errors are of earlier datagrams of ours: none came then. */
  size_t receive(const Fd& socket, size_t maximum);
  /** Takes in one datagram of each of these, at most `kSize`; look at `has`. */
  void receive_each(const Fd* const* sockets, size_t count, SocketRing& ring);

  bool has(size_t at) const { return has_[at]; }
  /** Of a datagram taken in: with length and source. */
  Packet* packet(size_t at) const { return packets_[at]; }
  bool is_whole(size_t at) const { return (messages_[at].msg_hdr.msg_flags & MSG_TRUNC) == 0; }
  /** The packet was handed on; `other` is in its place from now on. */
  void replace(size_t at, Packet* other);

  /** How many datagrams the socket has thrown away in all when this one was queued, as far as it says so; else `before`. */
  uint32_t overflown(size_t at, uint32_t before) const;

 private:
  /** Room for what `SO_RXQ_OVFL` adds. */
  struct alignas(cmsghdr) Control {
    uint8_t bytes[CMSG_SPACE(sizeof(uint32_t))];
  };

  void prepare(size_t at);
  ssize_t receive_one(const Fd& socket, size_t at);

  std::array<mmsghdr, kSize> messages_{};
  std::array<iovec, kSize> buffers_{};
  std::array<Control, kSize> controls_{};
  std::array<Packet*, kSize> packets_{};
  std::array<bool, kSize> has_{};
  static_assert(SocketRing::kSize >= kSize, "a batch fits");

  /** Not from the first one on that the kernel refuses for its control data, as those before 5.13 do. */
  bool may_use_ring_ = true;
  /** Of the batch before: their headers are the kernel's, and not prepared again yet. */
  size_t used_ = 0;
};

}  // namespace webtrunk
