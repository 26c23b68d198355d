#include "patience.h"

#include "check.h"

using namespace webtrunk;

namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kLastsMs = 100;

/** A round in each millisecond, for so long. */
void rounds(Patience& patience, int64_t& now_ns, bool has_backlog, int64_t for_ms) {
  for (int64_t ms = 0; ms < for_ms; ms++) {
    now_ns += kMs;
    patience.note(has_backlog, now_ns);
  }
}

}  // namespace

TEST(patience_burst, "a burst that is worked off in time, and another soon after it, are waited for") {
  Patience patience(kLastsMs * kMs);
  int64_t now_ns = 5'000'000 * kMs;
  for (int burst = 0; burst < 10; burst++) {
    rounds(patience, now_ns, true, kLastsMs);
    CHECK(!patience.is_over());
    rounds(patience, now_ns, false, 1);
  }
}

TEST(patience_overload, "a backlog that lasts is too much, until there has been none for some milliseconds") {
  Patience patience(kLastsMs * kMs);
  int64_t now_ns = 5'000'000 * kMs;
  rounds(patience, now_ns, false, 10);
  rounds(patience, now_ns, true, kLastsMs + 1);
  CHECK(patience.is_over());
  for (int gap = 0; gap < 10; gap++) {
    rounds(patience, now_ns, false, 3);
    CHECK(patience.is_over());
    rounds(patience, now_ns, true, 1);
    CHECK(patience.is_over());
  }
  rounds(patience, now_ns, false, 5);
  CHECK(!patience.is_over());
  rounds(patience, now_ns, true, kLastsMs);
  CHECK(!patience.is_over());
}

TEST(patience_beat, "calls whose packets come all at once, each 20 ms, do not keep it from coming back") {
  Patience patience(kLastsMs * kMs);
  int64_t now_ns = 5'000'000 * kMs;
  rounds(patience, now_ns, true, kLastsMs + 1);
  CHECK(patience.is_over());
  rounds(patience, now_ns, false, 1);
  for (int beat = 0; beat < 20; beat++) {
    now_ns += 18 * kMs;
    rounds(patience, now_ns, true, 1);
    CHECK(!patience.is_over());
    rounds(patience, now_ns, false, 1);
    CHECK(!patience.is_over());
  }
}

TEST(patience_quota, "a thread that is stopped for longer than it runs has no calm by that") {
  Patience patience(kLastsMs * kMs);
  int64_t now_ns = 5'000'000 * kMs;
  for (int round = 0; round < 10; round++) {
    now_ns += 50 * kMs;
    patience.note(true, now_ns);
    CHECK(patience.is_over() == (round >= 2));
  }
}
