#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>

#include "endpoint.h"

namespace webtrunk {

/** An address as the kernel takes and gives it. */
union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

inline bool is_v4(const Endpoint& endpoint) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(endpoint.address.data(), kMapped, sizeof kMapped) == 0;
}

/** 0.0.0.0 or ::, which the kernel would take for this machine. */
inline bool is_unspecified(const Endpoint& endpoint) {
  static constexpr uint8_t kZero[12] = {};
  const uint8_t* address = endpoint.address.data();
  return (is_v4(endpoint) || std::memcmp(address, kZero, 12) == 0) && std::memcmp(address + 12, kZero, 4) == 0;
}

inline bool has_same_address(const Endpoint& one, const Endpoint& other) { return one.address == other.address; }

inline Endpoint endpoint_of(const SocketAddress& from) {
  Endpoint endpoint;
  if (from.any.sa_family == AF_INET6) {
    std::memcpy(endpoint.address.data(), &from.v6.sin6_addr, 16);
    endpoint.port = ntohs(from.v6.sin6_port);
  } else {
    endpoint.address[10] = endpoint.address[11] = 0xff;
    std::memcpy(endpoint.address.data() + 12, &from.v4.sin_addr, 4);
    endpoint.port = ntohs(from.v4.sin_port);
  }
  return endpoint;
}

/** Returns the length of what it wrote. */
inline socklen_t socket_address_of(const Endpoint& endpoint, SocketAddress& to) {
  if (is_v4(endpoint)) {
    to.v4 = {};
    to.v4.sin_family = AF_INET;
    to.v4.sin_port = htons(endpoint.port);
    std::memcpy(&to.v4.sin_addr, endpoint.address.data() + 12, 4);
    return sizeof to.v4;
  }
  to.v6 = {};
  to.v6.sin6_family = AF_INET6;
  to.v6.sin6_port = htons(endpoint.port);
  std::memcpy(&to.v6.sin6_addr, endpoint.address.data(), 16);
  return sizeof to.v6;
}

/** Text without brackets, zone or host name; false when it is neither family. */
inline bool parse_endpoint(const char* text, uint16_t port, Endpoint& endpoint) {
  endpoint = Endpoint();
  endpoint.port = port;
  if (inet_pton(AF_INET6, text, endpoint.address.data()) == 1) return true;
  endpoint.address.fill(0);
  endpoint.address[10] = endpoint.address[11] = 0xff;
  return inet_pton(AF_INET, text, endpoint.address.data() + 12) == 1;
}

/** Writes the canonical text of the address (at most `INET6_ADDRSTRLEN` bytes) and returns its length. */
inline size_t format_address(const Endpoint& endpoint, char* out) {
  const uint8_t* address = endpoint.address.data();
  const char* text = is_v4(endpoint) ? inet_ntop(AF_INET, address + 12, out, INET6_ADDRSTRLEN)
                                     : inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
  return text == nullptr ? 0 : std::strlen(text);
}

}  // namespace webtrunk
