#include "load_meter.h"

#include "check.h"

using namespace webtrunk;

namespace {

constexpr int64_t kMs = 1'000'000;

/** Looks every 100 ms, for so long, at a thread that works so much of each millisecond. */
void work(LoadMeter& meter, int64_t& now_ns, int64_t& cpu_ns, int64_t per_mille, int64_t for_ms) {
  for (int64_t ms = 0; ms < for_ms; ms += 100) {
    now_ns += 100 * kMs;
    cpu_ns += per_mille * 100 * kMs / 1'000;
    CHECK(meter.is_due(now_ns));
    meter.note(now_ns, cpu_ns);
    CHECK(!meter.is_due(now_ns + 99 * kMs));
  }
}

}  // namespace

TEST(load_meter, "the share is that of the last second, and of nothing before it") {
  LoadMeter meter;
  int64_t now_ns = 5'000'000 * kMs;
  int64_t cpu_ns = 77 * kMs;
  CHECK(meter.per_mille() == 0);
  meter.note(now_ns, cpu_ns);
  CHECK(meter.per_mille() == 0);
  work(meter, now_ns, cpu_ns, 800, 300);
  CHECK(meter.per_mille() == 800);
  work(meter, now_ns, cpu_ns, 800, 3'000);
  CHECK(meter.per_mille() == 800);
  work(meter, now_ns, cpu_ns, 0, 500);
  CHECK(meter.per_mille() == 400);
  work(meter, now_ns, cpu_ns, 0, 500);
  CHECK(meter.per_mille() == 0);
}

TEST(load_meter_housekeeping, "a thread that wakes once a second is at rest after the first of them that had no work") {
  LoadMeter meter;
  int64_t now_ns = 5'000'000 * kMs;
  int64_t cpu_ns = 0;
  work(meter, now_ns, cpu_ns, 1'000, 2'000);
  for (int second = 0; second < 2; second++) {
    now_ns += 1'000 * kMs;
    meter.note(now_ns, cpu_ns);
    CHECK(meter.per_mille() == 0);
  }
}

TEST(load_meter_gap, "a thread that slept for long has no load") {
  LoadMeter meter;
  int64_t now_ns = 5'000'000 * kMs;
  int64_t cpu_ns = 0;
  work(meter, now_ns, cpu_ns, 1'000, 2'000);
  CHECK(meter.per_mille() == 1'000);
  now_ns += 100'000 * kMs;
  meter.note(now_ns, cpu_ns);
  CHECK(meter.per_mille() < 10);
}
