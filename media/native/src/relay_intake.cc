#include "relay_intake.h"

#include <cerrno>
#include <cstring>

namespace webtrunk {

Intake::Intake(PacketPool& pool) {
  for (size_t at = 0; at < kSize; at++) {
    packets_[at] = pool.take();
    prepare(at);
  }
}

void Intake::prepare(size_t at) {
  Packet& packet = *packets_[at];
  buffers_[at] = {packet.data, kMaxDatagram};
  msghdr& header = messages_[at].msg_hdr;
  header.msg_name = &packet.remote;
  header.msg_namelen = sizeof packet.remote;
  header.msg_iov = &buffers_[at];
  header.msg_iovlen = 1;
  header.msg_control = controls_[at].bytes;
  header.msg_controllen = sizeof controls_[at].bytes;
}

size_t Intake::receive(const Fd& socket, size_t maximum) {
  for (size_t at = 0; at < used_; at++) prepare(at);
  const int result = recvmmsg(socket.get(), messages_.data(), static_cast<unsigned>(maximum), MSG_DONTWAIT, nullptr);
  used_ = result > 0 ? static_cast<size_t>(result) : 0;
  for (size_t at = 0; at < used_; at++) packets_[at]->length = messages_[at].msg_len;
  return used_;
}

void Intake::receive_each(const Fd* const* sockets, size_t count, SocketRing& ring) {
  for (size_t at = 0; at < used_; at++) prepare(at);
  used_ = count;
  const bool is_batch = count > 1 && may_use_ring_ && ring.is_open();
  if (is_batch) {
    for (size_t at = 0; at < count; at++) ring.add_receive(*sockets[at], &messages_[at].msg_hdr);
    ring.carry_out();
  }
  for (size_t at = 0; at < count; at++) {
    ssize_t length = is_batch ? ring.result(at) : receive_one(*sockets[at], at);
    if (is_batch && length == -EINVAL) {
      may_use_ring_ = false;
      length = receive_one(*sockets[at], at);
    }
    has_[at] = length >= 0;
    packets_[at]->length = has_[at] ? static_cast<size_t>(length) : 0;
  }
}

ssize_t Intake::receive_one(const Fd& socket, size_t at) {
  return recvmsg(socket.get(), &messages_[at].msg_hdr, MSG_DONTWAIT);
}

void Intake::replace(size_t at, Packet* other) { packets_[at] = other; }

uint32_t Intake::overflown(size_t at, uint32_t before) const {
  const msghdr& header = messages_[at].msg_hdr;
  if (header.msg_controllen < CMSG_LEN(sizeof(uint32_t))) return before;
  const auto* control = reinterpret_cast<const cmsghdr*>(controls_[at].bytes);
  if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SO_RXQ_OVFL) return before;
  uint32_t overflown;
  std::memcpy(&overflown, CMSG_DATA(control), sizeof overflown);
  return overflown;
}

}  // namespace webtrunk
