/**
 * Two relay threads that carry packets to each other while legs and visitors come and go, and one of them ends before the
 * other, for ThreadSanitizer. Prints `ok` when packets have come over and nothing is left.
 */
#include <sys/socket.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <utility>

#include "leg_directory.h"
#include "relay_loop.h"

using namespace webtrunk;

namespace {

constexpr int kRounds = 1000;
constexpr int kOrderedRounds = 1000;
constexpr uint16_t kLegs = 16;

Endpoint loopback(uint16_t port) {
  Endpoint endpoint;
  parse_endpoint("127.0.0.1", port, endpoint);
  return endpoint;
}

struct Side {
  Side() : relay({kLegs, 16 << 10, {1000, 1000}, 100, 500'000}, [] {}), directory(kLegs) {}

  void start() {
    thread = std::thread([this] { relay.run(); });
  }

  void stop() {
    relay.mailbox.stop();
    thread.join();
  }

  LegId add(LegKind kind, Fd rtp = Fd(), uint16_t peer_port = 0) {
    const LegDirectory::Entry& entry = directory.add(kind, 7, "");
    const LegId id = entry.id;
    auto leg = std::make_unique<Leg>(id, kind, 7, entry.counters);
    const bool has_sockets = kind == LegKind::rtp;
    if (has_sockets) {
      leg->rtp.socket = std::move(rtp);
      leg->rtcp.socket = open_udp(loopback(0), 1 << 16, 0);
      relay.watch(leg->rtp.socket, EventSource::leg_rtp, id);
    }
    relay.mailbox.post(AddLegCommand{std::move(leg)});
    if (has_sockets) {
      relay.mailbox.post(SetRemoteCommand{id, false, loopback(peer_port), {}, true, 0});
      relay.mailbox.post(SetReceiveKeyCommand{id, nullptr});
      relay.mailbox.post(SetSendKeyCommand{id, nullptr});
    }
    return id;
  }

  void remove(LegId id) {
    drops_of_visitors += counted(directory.find(id)->counters->drops, Drop::media_no_route);
    directory.remove(id);
    relay.mailbox.post(RemoveCommand{id});
  }

  uint64_t sent(LegId id) { return directory.find(id)->counters->packets_sent.get(); }

  RelayLoop relay;
  LegDirectory directory;
  std::thread thread;
  uint64_t drops_of_visitors = 0;
};

std::unique_ptr<Route> route_to(LegId target, int round) {
  auto route = std::make_unique<Route>();
  route->target = target;
  route->map.set(0, {0, true, 8000, 0});
  route->map.set(101, {Mapping::kUnmapped, false, 0, 8000});
  route->events = round % 2 == 0 ? EventRoute::told : EventRoute::played;
  route->event_format = {101, 8000};
  if (round % 3 == 0) route->frames = std::make_unique<Repacketiser>(240, 11);
  return route;
}

std::unique_ptr<Route> route_across(const std::shared_ptr<Crossing>& crossing, LegId visitor, int round) {
  auto route = route_to(0, round);
  route->frames = nullptr;
  route->crossing = crossing;
  route->visitor = visitor;
  return route;
}

}  // namespace

int main() {
  Side one;
  auto ending = std::make_unique<Side>();
  Side& other = *ending;
  if (!one.relay.is_ready() || !other.relay.is_ready()) return 1;
  const Fd peers[] = {open_udp(loopback(0), 1 << 20, 0), open_udp(loopback(0), 1 << 20, 0)};
  Fd sockets[] = {open_udp(loopback(0), 1 << 20, 0), open_udp(loopback(0), 1 << 20, 0)};
  const uint16_t ports[] = {local_port(sockets[0]), local_port(sockets[1])};
  one.start();
  other.start();
  const LegId leg = one.add(LegKind::rtp, std::move(sockets[0]), local_port(peers[0]));
  const LegId target = other.add(LegKind::rtp, std::move(sockets[1]), local_port(peers[1]));
  const auto there = std::make_shared<Crossing>(other.relay.doorbell());
  const auto back = std::make_shared<Crossing>(one.relay.doorbell());
  other.relay.mailbox.post(AddCrossingCommand{there});
  one.relay.mailbox.post(AddCrossingCommand{back});

  std::atomic<bool> is_over{false};
  std::thread load([&] {
    uint8_t rtp[652] = {0x80, 0};
    for (uint16_t number = 0; !is_over; number++) {
      // Now and then a key.
      rtp[1] = number % 50 == 0 ? 101 : 0;
      rtp[2] = static_cast<uint8_t>(number >> 8);
      rtp[3] = static_cast<uint8_t>(number);
      for (int at = 0; at < 2; at++) {
        SocketAddress to;
        const socklen_t size = socket_address_of(loopback(ports[at]), to);
        sendto(peers[at].get(), rtp, sizeof rtp, 0, &to.any, size);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });

  // A visitor that was there before the route to it is there for each packet that comes by that.
  LegId last = 0;
  for (int round = 0; round < kOrderedRounds; round++) {
    const LegId next = other.add(LegKind::visitor);
    other.relay.mailbox.post(SetRouteCommand{next, route_to(target, round)});
    one.relay.mailbox.post(SetRouteCommand{leg, route_across(there, next, round)});
    std::this_thread::sleep_for(std::chrono::microseconds(500));
    one.relay.mailbox.wait_until_done();
    while (there->available() > 0) std::this_thread::yield();
    if (last != 0) other.remove(std::exchange(last, next));
    if (last == 0) last = next;
  }
  const bool is_in_order = other.relay.counters.drops[static_cast<size_t>(Drop::media_crossing_late)].get() == 0;

  LegId visitor = 0;
  LegId returning = 0;
  for (int round = 0; round < kRounds; round++) {
    if (visitor != 0 && round % 5 == 0) {
      other.remove(visitor);
      one.remove(returning);
    }
    if (round % 5 == 0) {
      visitor = other.add(LegKind::visitor);
      returning = one.add(LegKind::visitor);
    }
    other.relay.mailbox.post(SetRouteCommand{visitor, route_to(target, round)});
    one.relay.mailbox.post(SetRouteCommand{returning, route_to(leg, round)});
    one.relay.mailbox.post(SetRouteCommand{leg, round % 7 == 0 ? nullptr : route_across(there, visitor, round)});
    other.relay.mailbox.post(SetRouteCommand{target, route_across(back, returning, round)});
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const bool is_heard = one.sent(leg) > 0 && other.sent(target) > 0;

  // One ends and is gone; the other goes on with its end of the crossing until that is full.
  other.stop();
  const bool is_other_clean = other.relay.counters.legs.get() == 0 && other.drops_of_visitors == 0;
  ending.reset();
  const LegDrops& drops = one.directory.find(leg)->counters->drops;
  one.relay.mailbox.post(SetRouteCommand{leg, route_across(there, visitor, 0)});
  for (int wait = 0; wait < 20'000 && counted(drops, Drop::media_crossing_full) == 0; wait++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const bool is_full = counted(drops, Drop::media_crossing_full) > 0;
  is_over = true;
  load.join();
  one.stop();
  const bool is_clean = is_other_clean && one.relay.counters.legs.get() == 0 && one.drops_of_visitors == 0;
  std::printf("%s\n", !is_heard ? "nothing came over" : !is_full ? "never full" : !is_in_order ? "late" : is_clean ? "ok" : "something is left");
  return 0;
}
