/**
 * The relay thread under load beside a thread that does what JavaScript does, for ThreadSanitizer. Prints `ok` when both
 * got on with each other; a data race makes the sanitizer end it.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "leg_directory.h"
#include "relay_loop.h"

using namespace webtrunk;

namespace {

constexpr int kRounds = 4000;
constexpr uint16_t kLegs = 8;
/** Figures that were read, and of those the ones that do not fit each other. */
int heard = 0;
int torn = 0;

Endpoint loopback(uint16_t port) {
  Endpoint endpoint;
  parse_endpoint("127.0.0.1", port, endpoint);
  return endpoint;
}

void send(const Fd& from, uint16_t port, const void* bytes, size_t length) {
  SocketAddress to;
  const socklen_t size = socket_address_of(loopback(port), to);
  sendto(from.get(), bytes, length, 0, &to.any, size);
}

std::vector<uint8_t> check_for(const std::string& ufrag) {
  const std::string username = ufrag + ":x";
  const size_t padded = (username.size() + 3) & ~size_t{3};
  std::vector<uint8_t> message(24 + padded);
  const uint8_t head[] = {0, 1, 0, static_cast<uint8_t>(4 + padded), 0x21, 0x12, 0xa4, 0x42};
  std::memcpy(message.data(), head, sizeof head);
  message[21] = 6;
  message[23] = static_cast<uint8_t>(username.size());
  std::memcpy(message.data() + 24, username.data(), username.size());
  return message;
}

constexpr uint8_t kKeySalt[28] = {1};

/** What the JavaScript thread has: legs that come and go, all of their commands, figures, and the queue. */
void command(RelayLoop& relay, LegDirectory& directory, int round, uint16_t peer_port) {
  const std::string ufrag = "frag" + std::to_string(round % kLegs);
  const LegKind kind = round % 2 == 0 ? LegKind::webrtc : LegKind::rtp;
  const LegDirectory::Entry& entry = directory.add(kind, 7, kind == LegKind::webrtc ? ufrag : "");
  const LegId id = entry.id;
  auto leg = std::make_unique<Leg>(id, kind, 7, entry.counters);
  leg->ufrags = entry.ufrags;
  leg->tuples.reserve(Leg::kMaxTuples);
  // A trunk leg hears itself, or on shared sockets the peer.
  uint16_t rtp_port = peer_port;
  const bool is_sharing = round % 8 == 3;
  if (is_sharing) leg->place = SharedPlace{1, 2};
  if (kind == LegKind::rtp && !is_sharing) {
    leg->rtp.socket = open_udp(loopback(0), 1 << 16, 0);
    leg->rtcp.socket = open_udp(loopback(0), 1 << 16, 0);
    rtp_port = local_port(leg->rtp.socket);
    relay.watch(leg->rtp.socket, EventSource::leg_rtp, id);
    relay.watch(leg->rtcp.socket, EventSource::leg_rtcp, id);
  }
  relay.mailbox.post(AddLegCommand{std::move(leg)});
  if (kind == LegKind::webrtc) {
    directory.set_ufrags(*directory.find(id), {ufrag, ufrag + "+"});
    relay.mailbox.post(SetUfragsCommand{id, {ufrag, ufrag + "+"}});
    relay.mailbox.post(AdmitCommand{id, {loopback(peer_port), 0}, true});
    relay.mailbox.post(
        SetSendKeyCommand{id, SrtpSender::create(Suite::aead_aes_128_gcm, kKeySalt, sizeof kKeySalt, 7)});
  } else {
    // One leg on the shared sockets has the peer's tuple, and gives it back when it moves.
    const bool is_muted = is_sharing && directory.claim(*directory.find(id), {{loopback(peer_port), 1}}) != 0;
    relay.mailbox.post(SetRemoteCommand{id, is_muted || round % 4 == 1, loopback(rtp_port), {}, true, 1000});
    if (is_sharing && round % 16 == 3) {
      directory.claim(*directory.find(id), {});
      relay.mailbox.post(ContestCommand{id});
      relay.mailbox.post(MoveLegCommand{id, open_udp(loopback(0), 1 << 16, 0), open_udp(loopback(0), 1 << 16, 0)});
    }
    relay.mailbox.post(SetReceiveKeyCommand{id, nullptr});
    relay.mailbox.post(SetSendKeyCommand{id, nullptr});
  }
  auto route = std::make_unique<Route>();
  route->target = id;
  route->map.set(0, {0, true, 8000, 0});
  route->map.set(101, {Mapping::kUnmapped, false, 0, 8000});
  route->events = round % 3 == 0 ? EventRoute::told : EventRoute::played;
  route->event_format = {101, 48000};
  route->frames = std::make_unique<Repacketiser>(240, 11);
  relay.mailbox.post(SetRouteCommand{id, std::move(route)});
  Playback playback;
  playback.frames = {std::vector<uint8_t>(160)};
  playback.interval_ns = 1'000'000;
  playback.timestamp_step = 8;
  relay.mailbox.post(PlayCommand{id, std::make_unique<Player>(std::move(playback), 9)});
  relay.mailbox.post(PressCommand{id, {101, 8000}, 5, 40'000'000});
  relay.mailbox.post(WatchCommand{id, 1'000'000});
  relay.mailbox.post_datagram(SendCommand{{loopback(peer_port), 0}, {22, 1, 2, 3}});

  for (uint32_t slot = 0; slot < kLegs; slot++) {
    for (uint32_t generation = 1; generation < 100; generation++) {
      LegDirectory::Entry* known = directory.find(generation << 16 | slot);
      if (known == nullptr) continue;
      known->counters->packets_sent.get();
      known->counters->remote.get();
      const std::optional<ReceiveFigures> receive = known->counters->receive.get();
      if (receive.has_value()) {
        heard++;
        // Nothing comes twice.
        if (receive->received > receive->expected()) torn++;
      }
      known->counters->send.get();
    }
  }
  if (directory.is_full()) {
    for (uint32_t slot = 0; slot < kLegs; slot++) {
      for (uint32_t generation = 1; generation < 2000; generation++) {
        const LegId old = generation << 16 | slot;
        if (directory.find(old) == nullptr) continue;
        directory.remove(old);
        relay.mailbox.post(RemoveCommand{old});
      }
    }
    relay.mailbox.wait_until_done();
  }
}

int64_t worked_ns(std::thread& thread) {
  clockid_t clock;
  timespec worked{};
  if (pthread_getcpuclockid(thread.native_handle(), &clock) == 0) clock_gettime(clock, &worked);
  return worked.tv_sec * 1'000'000'000LL + worked.tv_nsec;
}

/**
 * After a wake-up for what it has taken already, as there is one when a command comes in the middle of a round: sooner or later,
 * for it may have much left to do. With such a wake-up kept it would never.
 */
bool sleeps_after_late_wake(RelayLoop& relay, std::thread& thread) {
  relay.mailbox.wait_until_done();
  const uint64_t one = 1;
  if (write(relay.mailbox.event().get(), &one, sizeof one) < 0) return false;
  for (int look = 0; look < 50; look++) {
    const int64_t before_ns = worked_ns(thread);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (worked_ns(thread) - before_ns < 5'000'000) return true;
  }
  return false;
}

}  // namespace

int main() {
  std::atomic<uint64_t> notices{0};
  RelayLoop relay({kLegs, 16 << 10, {1'000'000, 1'000'000}, 100, 500'000}, [&] { notices++; });
  if (!relay.is_ready()) return 1;
  LegDirectory directory(kLegs);
  Fd mux = open_udp(loopback(0), 1 << 20, 46);
  const Fd peer = open_udp(loopback(0), 1 << 20, 46);
  Fd shared_rtp = open_udp(loopback(0), 1 << 20, 46);
  Fd shared_rtcp = open_udp(loopback(0), 1 << 20, 46);
  const uint16_t mux_port = local_port(mux);
  const uint16_t shared_port = local_port(shared_rtp);
  const uint16_t peer_port = local_port(peer);
  relay.watch(mux, EventSource::mux, 0);
  relay.mailbox.post(AddSocketCommand{std::move(mux)});
  relay.watch(shared_rtp, EventSource::shared_rtp, 1);
  relay.watch(shared_rtcp, EventSource::shared_rtcp, 2);
  relay.mailbox.post(AddSocketCommand{std::move(shared_rtp)});
  relay.mailbox.post(AddSocketCommand{std::move(shared_rtcp)});

  std::thread thread([&] { relay.run(); });
  std::atomic<bool> is_over{false};
  std::thread load([&] {
    const uint8_t dtls[] = {22, 254, 253, 0};
    uint8_t rtp[32] = {0x80, 0};
    for (uint8_t i = 0; !is_over; i++) {
      const std::vector<uint8_t> check = check_for("frag" + std::to_string(i % kLegs));
      send(peer, mux_port, check.data(), check.size());
      send(peer, mux_port, dtls, sizeof dtls);
      rtp[3] = i;
      send(peer, mux_port, rtp, sizeof rtp);
      send(peer, shared_port, rtp, sizeof rtp);
    }
  });

  size_t taken = 0;
  std::vector<uint8_t> out(16 << 10);
  for (int round = 0; round < kRounds; round++) {
    command(relay, directory, round, peer_port);
    for (size_t length = relay.queue.peek(4096); length > 0; length = relay.queue.peek(4096)) {
      relay.queue.take(out.data(), length);
      taken += length;
    }
    relay.counters.legs.get();
  }
  is_over = true;
  load.join();
  for (uint32_t slot = 0; slot < kLegs; slot++) {
    for (uint32_t generation = 1; generation < 2000; generation++) relay.mailbox.post(RemoveCommand{generation << 16 | slot});
  }
  const bool is_asleep = sleeps_after_late_wake(relay, thread);
  relay.mailbox.stop();
  thread.join();
  const bool is_clean = relay.counters.legs.get() == 0 && relay.counters.sockets.get() == 0;
  const bool has_worked = is_clean && heard > 0 && torn == 0 && taken > 0 && notices > 0;
  std::printf("%s\n", !has_worked ? "nothing happened" : !is_asleep ? "no sleep" : "ok");
  return 0;
}
