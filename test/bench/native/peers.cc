#include "peers.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bench {

namespace {

constexpr int kQueueBytes = 32 << 20;
constexpr char kLoopback[] = "lo";

std::string failed(const char* what) { return std::string(what) + ": " + strerror(errno); }

}  // namespace

Peers::~Peers() {
  for (const int socket : sockets_)
    if (socket >= 0) close(socket);
}

std::string Peers::open(uint8_t network) {
  network_ = network;
  incoming_.resize(kBatch);
  messages_.resize(kBatch);
  for (size_t i = 0; i < kSockets; i++) {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) return failed("socket");
    sockets_[i] = socket;
    const int yes = 1;
    // More than net.core.rmem_max is for root only; with less, a generator that is held up loses packets, and says so.
    if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &kQueueBytes, sizeof kQueueBytes) != 0)
      setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &kQueueBytes, sizeof kQueueBytes);
    setsockopt(socket, SOL_SOCKET, SO_RXQ_OVFL, &yes, sizeof yes);
    if (setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) != 0) return failed("SO_TIMESTAMPNS");
    // Never fragmented, so the kernel need not number its packets: that is an atomic counter for all of them.
    const int never = IP_PMTUDISC_DO;
    setsockopt(socket, IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof never);
    if (setsockopt(socket, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes) != 0) return failed("IP_PKTINFO");
    // Bound to all addresses of loopback, and to nothing else.
    if (setsockopt(socket, SOL_SOCKET, SO_BINDTODEVICE, kLoopback, sizeof kLoopback) != 0) return failed("SO_BINDTODEVICE");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t length = sizeof address;
    if (bind(socket, reinterpret_cast<sockaddr*>(&address), length) != 0) return failed("bind");
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return failed("getsockname");
    ports_[i] = ntohs(address.sin_port);
    outgoing_[i].datagrams.resize(kBatch);
    outgoing_[i].messages.resize(kBatch);
  }
  return {};
}

in_addr Peers::address_of(uint32_t call) const {
  const uint32_t number = call + 1;  // 127.N.0.0 would look like a network.
  return {htonl(127u << 24 | static_cast<uint32_t>(network_) << 16 | number)};
}

uint32_t Peers::call_of(const Datagram& datagram) const {
  const uint32_t address = ntohl(datagram.local.s_addr);
  return address >> 16 == (127u << 8 | network_) ? (address & 0xffff) - 1 : UINT32_MAX;
}

uint8_t* Peers::place(uint32_t call) {
  const size_t socket = call % kSockets;
  Batch& batch = outgoing_[socket];
  if (batch.size == kBatch) flush(socket);
  return batch.datagrams[batch.size].data;
}

void Peers::send(uint32_t call, size_t length, const sockaddr_in& target) {
  Batch& batch = outgoing_[call % kSockets];
  Datagram& datagram = batch.datagrams[batch.size];
  datagram.remote = target;
  datagram.buffer = {datagram.data, length};
  msghdr& header = batch.messages[batch.size].msg_hdr;
  header = {};
  header.msg_name = &datagram.remote;
  header.msg_namelen = sizeof datagram.remote;
  header.msg_iov = &datagram.buffer;
  header.msg_iovlen = 1;
  header.msg_control = datagram.control;
  header.msg_controllen = CMSG_SPACE(sizeof(in_pktinfo));
  cmsghdr* control = CMSG_FIRSTHDR(&header);
  control->cmsg_level = IPPROTO_IP;
  control->cmsg_type = IP_PKTINFO;
  control->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo from{};
  from.ipi_spec_dst = address_of(call);
  memcpy(CMSG_DATA(control), &from, sizeof from);
  batch.size++;
}

void Peers::flush() {
  for (size_t socket = 0; socket < kSockets; socket++) flush(socket);
}

void Peers::flush(size_t socket) {
  Batch& batch = outgoing_[socket];
  for (size_t at = 0; at < batch.size;) {
    const int sent = sendmmsg(sockets_[socket], &batch.messages[at], static_cast<unsigned>(batch.size - at), 0);
    if (sent > 0) {
      at += static_cast<size_t>(sent);
    } else if (errno != EINTR) {  // ECONNREFUSED is of an earlier one, but this one is not tried again: it would be late.
      unsent_++;
      at++;
    }
  }
  batch.size = 0;
}

void Peers::prepare(size_t message) {
  Datagram& datagram = incoming_[message];
  msghdr& header = messages_[message].msg_hdr;
  header = {};
  datagram.buffer = {datagram.data, sizeof datagram.data};
  header.msg_iov = &datagram.buffer;
  header.msg_iovlen = 1;
  header.msg_control = datagram.control;
  header.msg_controllen = sizeof datagram.control;
}

int Peers::receive_batch(size_t socket) {
  for (; unprepared_ > 0; unprepared_--) prepare(unprepared_ - 1);
  const int received = recvmmsg(sockets_[socket], messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
  if (received > 0) unprepared_ = static_cast<size_t>(received);
  for (int i = 0; i < received; i++) {
    msghdr& header = messages_[static_cast<size_t>(i)].msg_hdr;
    Datagram& datagram = incoming_[static_cast<size_t>(i)];
    datagram.local = {};
    for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
      if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        in_pktinfo info;
        memcpy(&info, CMSG_DATA(control), sizeof info);
        datagram.local = info.ipi_addr;
      } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
        timespec time;
        memcpy(&time, CMSG_DATA(control), sizeof time);
        datagram.arrived_ns = time.tv_sec * 1'000'000'000LL + time.tv_nsec;
      } else if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SO_RXQ_OVFL) {
        memcpy(&overflowed_[socket], CMSG_DATA(control), sizeof overflowed_[socket]);
      }
    }
  }
  return received;
}

uint64_t Peers::overflowed() const {
  uint64_t sum = 0;
  for (const uint32_t count : overflowed_) sum += count;
  return sum;
}

}  // namespace bench
