#include "relay_socket.h"

#include <cerrno>
#include <unistd.h>

#include "relay_address.h"

namespace webtrunk {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

void Fd::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

int Fd::release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

bool set_dscp(int socket, uint8_t dscp) {
  if (dscp == 0) return true;
  int family = 0;
  socklen_t length = sizeof family;
  if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &length) != 0) return false;
  // The two bits below are those of congestion notification.
  const int traffic_class = dscp << 2;
  return family == AF_INET6
             ? setsockopt(socket, IPPROTO_IPV6, IPV6_TCLASS, &traffic_class, sizeof traffic_class) == 0
             : setsockopt(socket, IPPROTO_IP, IP_TOS, &traffic_class, sizeof traffic_class) == 0;
}

void set_fragmentable(int socket, bool is_fragmentable) {
  const int v4 = is_fragmentable ? IP_PMTUDISC_WANT : IP_PMTUDISC_DO;
  const int v6 = is_fragmentable ? IPV6_PMTUDISC_WANT : IPV6_PMTUDISC_DO;
  // One of them is not for this kind of socket.
  setsockopt(socket, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof v4);
  setsockopt(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof v6);
}

/** `net.core.rmem_max` is a limit for those without CAP_NET_ADMIN; it is asked first, because most asks are below it. */
static void set_receive_buffer(const Fd& socket, int bytes) {
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  if (receive_buffer_of(socket) < bytes) setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
}

int receive_buffer_of(const Fd& socket) {
  int granted = 0;
  socklen_t length = sizeof granted;
  // The kernel doubles what it is asked for, because its own bookkeeping is in there (socket(7)).
  return getsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &granted, &length) == 0 ? granted / 2 : 0;
}

Fd open_udp(const Endpoint& local, int buffer, uint8_t dscp) {
  SocketAddress address;
  const socklen_t length = socket_address_of(local, address);
  Fd socket(::socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!socket.is_open()) return socket;

  const int on = 1;
  if (address.any.sa_family == AF_INET6)
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  set_receive_buffer(socket, buffer);
  setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  setsockopt(socket.get(), SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
  // A network that does not treat media better is no reason to have none.
  set_dscp(socket.get(), dscp);
  set_fragmentable(socket.get(), false);

  if (bind(socket.get(), &address.any, length) != 0) {
    const int reason = errno;
    socket.close();
    errno = reason;
  }
  return socket;
}

uint16_t local_port(const Fd& socket) {
  SocketAddress address;
  socklen_t length = sizeof address;
  if (getsockname(socket.get(), &address.any, &length) != 0) return 0;
  return endpoint_of(address).port;
}

}  // namespace webtrunk
