/**
 * A relay thread that finds more than it can carry, and has lost patience at once: what it carries all the same, and what it
 * drops. All datagrams wait in the sockets before the thread starts, so each round finds the same. Prints `ok`, or what is wrong.
 */
#include <sys/socket.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>
#include <utility>

#include "leg_directory.h"
#include "relay_loop.h"

using namespace webtrunk;

namespace {

/** What a shared socket may have carried in one round, and fewer than the smallest buffer that a kernel grants holds of these. */
constexpr uint64_t kQuota = 256;
constexpr int kBuffer = 4 << 20;

Endpoint loopback(uint16_t port) {
  Endpoint endpoint;
  parse_endpoint("127.0.0.1", port, endpoint);
  return endpoint;
}

class Scene {
 public:
  Scene() : relay_({4, 16 << 10, {1000, 1000}, 100, 0, 0}, [] {}), directory_(4), peer_(open_udp(loopback(0), kBuffer, 0)) {
    Fd mux = open_udp(loopback(0), kBuffer, 0);
    mux_port_ = local_port(mux);
    relay_.watch(mux, EventSource::mux, 0);
    relay_.mailbox.post(AddSocketCommand{std::move(mux)});
  }
  ~Scene() {
    relay_.mailbox.stop();
    if (thread_.joinable()) thread_.join();
  }

  LegId add_browser() {
    const LegId id = add(LegKind::webrtc, Fd(), Fd());
    relay_.mailbox.post(AdmitCommand{id, {loopback(local_port(peer_)), 0}, true});
    return id;
  }

  LegId add_trunk() {
    Fd rtp = open_udp(loopback(0), kBuffer, 0);
    trunk_port_ = local_port(rtp);
    const LegId id = add(LegKind::rtp, std::move(rtp), open_udp(loopback(0), kBuffer, 0));
    relay_.mailbox.post(SetRemoteCommand{id, false, loopback(local_port(peer_)), {}, true, 0});
    return id;
  }

  void send_media(uint16_t port, int times) {
    for (int i = 0; i < times; i++) {
      sequence_++;
      const uint8_t rtp[13] = {0x80, 0, static_cast<uint8_t>(sequence_ >> 8), static_cast<uint8_t>(sequence_)};
      send(port, rtp, sizeof rtp);
    }
  }
  /** A receiver report without blocks. */
  void send_rtcp(uint16_t port) {
    const uint8_t rtcp[8] = {0x80, 201, 0, 1};
    send(port, rtcp, sizeof rtcp);
  }
  /** Of no kind that there is. */
  void send_junk(int times) {
    const uint8_t junk[1] = {0xff};
    for (int i = 0; i < times; i++) send(mux_port_, junk, sizeof junk);
  }

  void run() {
    thread_ = std::thread([this] { relay_.run(); });
  }
  bool comes_to_be(const std::function<bool()>& condition) const {
    for (int wait = 0; wait < 20'000; wait++) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  uint16_t mux_port() const { return mux_port_; }
  uint16_t trunk_port() const { return trunk_port_; }
  uint64_t accepted(LegId id) { return directory_.find(id)->counters->packets_received.get(); }
  uint64_t shed(LegId id) { return counted(directory_.find(id)->counters->drops, Drop::media_shed); }
  uint64_t dropped(Drop drop) { return counted(relay_.counters.drops, drop); }
  /** Takes what was told; whether there was such a record. */
  bool has_told(RecordKind kind) {
    bool is_there = false;
    while (!relay_.queue.is_empty()) {
      uint8_t record[256];
      const size_t length = relay_.queue.peek(1);
      if (length > sizeof record) return false;
      relay_.queue.take(record, length);
      is_there = is_there || record[4] == static_cast<uint8_t>(kind);
    }
    return is_there;
  }

 private:
  void send(uint16_t port, const uint8_t* bytes, size_t length) {
    SocketAddress to;
    const socklen_t size = socket_address_of(loopback(port), to);
    sendto(peer_.get(), bytes, length, 0, &to.any, size);
  }

  LegId add(LegKind kind, Fd rtp, Fd rtcp) {
    const LegDirectory::Entry& entry = directory_.add(kind, 7, "");
    auto leg = std::make_unique<Leg>(entry.id, kind, 7, entry.counters);
    leg->rtp.socket = std::move(rtp);
    leg->rtcp.socket = std::move(rtcp);
    if (kind == LegKind::rtp) relay_.watch(leg->rtp.socket, EventSource::leg_rtp, entry.id);
    relay_.mailbox.post(AddLegCommand{std::move(leg)});
    relay_.mailbox.post(SetReceiveKeyCommand{entry.id, nullptr});
    relay_.mailbox.post(SetSendKeyCommand{entry.id, nullptr});
    return entry.id;
  }

  RelayLoop relay_;
  LegDirectory directory_;
  const Fd peer_;
  uint16_t mux_port_ = 0;
  uint16_t trunk_port_ = 0;
  uint16_t sequence_ = 0;
  std::thread thread_;
};

/** The first round uses its quota up, so the second drops what is left behind its own. */
bool sheds_behind_the_quota() {
  Scene scene;
  const LegId browser = scene.add_browser();
  scene.send_media(scene.mux_port(), 2 * kQuota + 20);
  scene.run();
  return scene.comes_to_be([&] { return scene.accepted(browser) == 2 * kQuota && scene.shed(browser) == 20; });
}

bool carries_media_behind_a_flood() {
  Scene scene;
  const LegId browser = scene.add_browser();
  scene.send_junk(kQuota + 100);
  scene.send_media(scene.mux_port(), 170);
  scene.run();
  return scene.comes_to_be([&] { return scene.accepted(browser) == 170 && scene.dropped(Drop::media_unknown_kind) == kQuota + 100; }) &&
         scene.shed(browser) == 0;
}

/** One in the first round. In the second three of the seventeen that are looked at, in the third the rest. */
bool sheds_what_waits_on_a_trunk() {
  Scene scene;
  const LegId trunk = scene.add_trunk();
  scene.send_media(scene.trunk_port(), 20);
  scene.send_junk(2 * kQuota + 20);
  scene.run();
  return scene.comes_to_be([&] { return scene.accepted(trunk) == 6 && scene.shed(trunk) == 14; });
}

bool keeps_what_is_no_media() {
  Scene scene;
  const LegId trunk = scene.add_trunk();
  scene.send_media(scene.trunk_port(), 10);
  scene.send_rtcp(scene.trunk_port());
  scene.send_junk(2 * kQuota + 20);
  scene.run();
  return scene.comes_to_be([&] { return scene.accepted(trunk) + scene.shed(trunk) == 10; }) && scene.shed(trunk) > 0 &&
         scene.comes_to_be([&] { return scene.has_told(RecordKind::rtcp); });
}

}  // namespace

int main() {
  const std::pair<const char*, bool (*)()> scenes[] = {
      {"media behind the quota of a shared socket is not shed", sheds_behind_the_quota},
      {"a flood uses the quota of media up", carries_media_behind_a_flood},
      {"a trunk's backlog is not shed", sheds_what_waits_on_a_trunk},
      {"RTCP is shed", keeps_what_is_no_media},
  };
  for (const auto& [complaint, scene] : scenes) {
    if (!scene()) {
      std::printf("%s\n", complaint);
      return 0;
    }
  }
  std::printf("ok\n");
  return 0;
}
