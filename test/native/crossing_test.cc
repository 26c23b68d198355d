#include "crossing.h"

#include <sys/epoll.h>

#include <cstring>
#include <deque>
#include <random>
#include <thread>

#include "check.h"

using namespace webtrunk;

namespace {

constexpr size_t kLongest = 1600;

/** As a relay thread watches it. */
class Sleeper {
 public:
  explicit Sleeper(const Doorbell& doorbell) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doorbell.event().get(), &event);
  }

  /** Whether it was woken. */
  bool sleep(int timeout_ms) {
    epoll_event event{};
    return epoll_wait(epoll_.get(), &event, 1, timeout_ms) == 1;
  }

 private:
  Fd epoll_;
};

/** Of which length and content the packet of this number is. */
std::vector<uint8_t> packet_of(uint32_t number) {
  const uint32_t mixed = number * 2'654'435'761;
  std::vector<uint8_t> packet(12 + mixed % (number % 7 == 0 ? kLongest - 12 : 200));
  for (size_t at = 0; at < packet.size(); at++) packet[at] = static_cast<uint8_t>((mixed >> (at & 15)) + at);
  return packet;
}

bool is_next(Crossing& crossing, uint32_t number) {
  uint8_t bytes[kLongest];
  uint32_t visitor = 0;
  size_t length = 0;
  const size_t taken = crossing.take(visitor, bytes, length);
  const std::vector<uint8_t> expected = packet_of(number);
  return visitor == number && length == expected.size() && std::memcmp(bytes, expected.data(), length) == 0 &&
         taken == Crossing::kHeader + length;
}

}  // namespace

TEST(crossing_full, "the crossing holds what its size says, and not one packet more until one was taken") {
  Crossing crossing(std::make_shared<Doorbell>());
  const uint8_t packet[172] = {};
  uint8_t out[172];
  uint32_t visitor = 0;
  size_t length = 0;
  for (int turn = 0; turn < 3; turn++) {
    for (uint32_t i = 0; i < Crossing::kBytes / 180; i++) CHECK(crossing.put(i, packet, sizeof packet));
    CHECK(!crossing.put(0, packet, sizeof packet));
    CHECK(crossing.available() == Crossing::kBytes / 180 * 180);
    CHECK(crossing.take(visitor, out, length) == 180 && visitor == 0 && length == 172);
    CHECK(crossing.put(7, packet, sizeof packet));
    CHECK(!crossing.put(8, packet, sizeof packet));
    while (crossing.available() > 0) crossing.take(visitor, out, length);
    CHECK(visitor == 7);
  }
}

TEST(crossing_model, "packets of any length come over whole and in order, round after round of the ring") {
  Crossing crossing(std::make_shared<Doorbell>());
  std::mt19937 random(1);
  std::deque<uint32_t> model;
  uint32_t next = 0;
  size_t refused = 0;
  for (int step = 0; step < 60'000; step++) {
    // More comes than goes, then the other way round.
    if (random() % 8 < (step / 15'000 % 2 == 0 ? 5 : 3)) {
      const std::vector<uint8_t> packet = packet_of(next);
      if (crossing.put(next, packet.data(), packet.size())) {
        model.push_back(next);
      } else {
        refused++;
      }
      next++;
    } else if (!model.empty()) {
      CHECK(is_next(crossing, model.front()));
      model.pop_front();
    }
    CHECK((crossing.available() == 0) == model.empty());
  }
  CHECK(refused > 0);
}

TEST(crossing_sleep, "who sleeps is woken for what comes, once; who is awake is not") {
  const auto doorbell = std::make_shared<Doorbell>();
  Crossing crossing(doorbell);
  Sleeper sleeper(*doorbell);
  const uint8_t packet[12] = {};
  CHECK(crossing.put(1, packet, sizeof packet));
  CHECK(!sleeper.sleep(0));
  for (int night = 0; night < 3; night++) {
    doorbell->sleep();
    CHECK(!sleeper.sleep(0));
    CHECK(crossing.put(1, packet, sizeof packet));
    CHECK(crossing.put(1, packet, sizeof packet));
    CHECK(sleeper.sleep(0));
    CHECK(!sleeper.sleep(0));
    doorbell->wake();
  }
}

TEST(crossing_threads, "between two threads nothing is lost, mixed up or slept through") {
  constexpr uint32_t kPackets = 20'000;
  const auto doorbell = std::make_shared<Doorbell>();
  Crossing crossing(doorbell);
  Sleeper sleeper(*doorbell);
  std::thread producer([&] {
    for (uint32_t number = 0; number < kPackets;) {
      const std::vector<uint8_t> packet = packet_of(number);
      if (crossing.put(number, packet.data(), packet.size())) {
        number++;
      } else {
        std::this_thread::yield();
      }
    }
  });
  uint32_t number = 0;
  bool is_woken = true;
  while (number < kPackets && is_woken) {
    doorbell->sleep();
    if (crossing.available() == 0) is_woken = sleeper.sleep(10'000);
    doorbell->wake();
    while (crossing.available() > 0) CHECK(is_next(crossing, number++));
  }
  CHECK(is_woken);
  producer.join();
  CHECK(number == kPackets);
}
