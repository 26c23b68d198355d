#include "relay_intake.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <string_view>

#include "check.h"

namespace {

int batches = 0;

}  // namespace

namespace webtrunk {

/** In place of the real one, which is not linked here: the ring of a kernel before 5.13, which takes no room for control data. */
SocketRing::SocketRing() { ring_ = Fd(eventfd(0, 0)); }

SocketRing::~SocketRing() = default;

void SocketRing::add_receive(const Fd&, msghdr* header) {
  results_[added_++] = header->msg_controllen > 0 ? -EINVAL : -EAGAIN;
}

void SocketRing::carry_out() {
  added_ = 0;
  batches++;
}

}  // namespace webtrunk

using namespace webtrunk;

namespace {

/** Two sockets, and one that sends to both. */
struct Line {
  Fd from = open();
  std::array<Fd, 2> to = {open(), open()};
  std::array<const Fd*, 2> sockets = {&to[0], &to[1]};

  void send(size_t at, std::string_view bytes) const {
    Endpoint target = loopback();
    target.port = local_port(to[at]);
    SocketAddress address;
    const socklen_t length = socket_address_of(target, address);
    CHECK(sendto(from.get(), bytes.data(), bytes.size(), 0, &address.any, length) == static_cast<ssize_t>(bytes.size()));
  }

  static Endpoint loopback() {
    Endpoint result;
    result.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
    return result;
  }

  static Fd open() { return open_udp(loopback(), 1 << 16, 0); }
};

std::string_view text_of(const Intake& intake, size_t at) {
  if (!intake.has(at)) return {};
  const Packet& packet = *intake.packet(at);
  return {reinterpret_cast<const char*>(packet.data), packet.length};
}

}  // namespace

TEST(intake_old_kernel, "where the kernel's ring takes no room for control data, datagrams are taken in all the same, and from then on without it") {
  PacketPool pool(Intake::kSize);
  Intake intake(pool);
  SocketRing ring;
  const Line line;
  CHECK(ring.is_open());
  batches = 0;
  for (const std::string_view bytes : {"first", "second"}) {
    line.send(0, bytes);
    line.send(1, bytes);
    intake.receive_each(line.sockets.data(), 2, ring);
    CHECK(text_of(intake, 0) == bytes);
    CHECK(text_of(intake, 1) == bytes);
    CHECK(batches == 1);
  }
  line.send(1, "third");
  intake.receive_each(line.sockets.data(), 2, ring);
  CHECK(!intake.has(0));
  CHECK(text_of(intake, 1) == "third");
}
