#pragma once

#include <array>
#include <cstdint>

namespace webtrunk {

/** IP address and port as a value; IPv4 as ::ffff:a.b.c.d. */
struct Endpoint {
  std::array<uint8_t, 16> address{};
  uint16_t port = 0;

  bool operator==(const Endpoint& other) const { return port == other.port && address == other.address; }
  bool operator!=(const Endpoint& other) const { return !(*this == other); }
};

}  // namespace webtrunk
