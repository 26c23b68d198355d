#include "gathering.h"

#include "check.h"

using namespace webtrunk;

namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kUs = 1'000;

/** Packets evenly spread for so long, `each_ns` apart, taken in by rounds that pause as they are told. */
void load(Gathering& gathering, int64_t& now_ns, int64_t each_ns, int64_t for_ns) {
  int64_t taken_until_ns = now_ns;
  for (const int64_t end_ns = now_ns + for_ns; now_ns < end_ns;) {
    now_ns += gathering.pause_ns() > each_ns ? gathering.pause_ns() : each_ns;
    const int64_t packets = (now_ns - taken_until_ns) / each_ns;
    taken_until_ns += packets * each_ns;
    gathering.note(static_cast<size_t>(packets), now_ns);
  }
}

}  // namespace

TEST(gathering_idle, "with few packets, or none, nobody waits") {
  Gathering gathering(500 * kUs);
  int64_t now_ns = 1'000 * kMs;
  CHECK(gathering.pause_ns() == 0);
  // 35 calls, both ways.
  load(gathering, now_ns, 20 * kMs / 70, 500 * kMs);
  CHECK(gathering.pause_ns() == 0);
}

TEST(gathering_load, "under load the pause is the longest one, and shorter where that gathers enough") {
  Gathering gathering(500 * kUs);
  int64_t now_ns = 1'000 * kMs;
  load(gathering, now_ns, 20 * kMs / 200, 500 * kMs);
  CHECK(gathering.pause_ns() == 500 * kUs);
  load(gathering, now_ns, 20 * kMs / 4'000, 500 * kMs);
  CHECK(gathering.pause_ns() > 315 * kUs && gathering.pause_ns() < 325 * kUs);
}

TEST(gathering_changes, "it follows a load that comes within 100 ms, and one that goes likewise") {
  Gathering gathering(500 * kUs);
  int64_t now_ns = 1'000 * kMs;
  load(gathering, now_ns, 20 * kMs / 1'000, 100 * kMs);
  CHECK(gathering.pause_ns() > 0);
  load(gathering, now_ns, 20 * kMs / 20, 200 * kMs);
  CHECK(gathering.pause_ns() == 0);
}

TEST(gathering_after_silence, "the first packet after a long silence waits for nobody, however much there was before") {
  Gathering gathering(500 * kUs);
  int64_t now_ns = 1'000 * kMs;
  load(gathering, now_ns, 20 * kMs / 1'000, 500 * kMs);
  CHECK(gathering.pause_ns() > 0);
  now_ns += 1'000 * kMs;
  gathering.note(1, now_ns);
  CHECK(gathering.pause_ns() == 0);
}

TEST(gathering_off, "a longest pause of 0 is none") {
  Gathering gathering(0);
  int64_t now_ns = 1'000 * kMs;
  load(gathering, now_ns, 20 * kMs / 4'000, 500 * kMs);
  CHECK(gathering.pause_ns() == 0);
}
