#include "replay.h"

#include <set>

#include "check.h"

using namespace webtrunk;

TEST(replay_model, "the window agrees with a set of all seen indices, in a random walk") {
  ReplayWindow window;
  std::set<uint64_t> seen;
  uint64_t highest = 0;
  uint64_t random = 1;
  for (int i = 0; i < 200'000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const uint64_t draw = random >> 33;
    // Mostly near, sometimes far ahead, so that shifts by less than 64, less than 128 and more all happen.
    const uint64_t ahead = draw % 50 == 0 ? draw % 300 : draw % 4;
    const uint64_t base = highest + ahead;
    const uint64_t behind = draw / 7 % 3 == 0 ? 0 : draw / 11 % 200;
    const uint64_t index = base > behind ? base - behind : base;
    const bool is_fresh = seen.empty() || index > highest || (highest - index < 128 && seen.count(index) == 0);
    CHECK(window.is_fresh(index) == is_fresh);
    if (!is_fresh) continue;
    window.commit(index);
    seen.insert(index);
    if (index > highest || seen.size() == 1) highest = index;
    CHECK(window.highest() == highest);
  }
}

TEST(replay_edges, "127 behind is in the window, 128 behind is not; checking changes nothing") {
  ReplayWindow window;
  CHECK(window.is_empty() && window.is_fresh(0));
  window.commit(1000);
  CHECK(!window.is_empty());
  CHECK(window.is_fresh(1000 - 127));
  CHECK(window.is_fresh(1000 - 127));
  CHECK(!window.is_fresh(1000 - 128));
  CHECK(!window.is_fresh(1000));
  window.commit(1000 - 128);
  CHECK(!window.is_fresh(1000 - 128) && window.highest() == 1000);
  window.commit((uint64_t{1} << 48) - 1);
  CHECK(!window.is_fresh(1000));
  CHECK(window.is_fresh((uint64_t{1} << 48) - 2));
}

TEST(replay_zero, "index 0 is seen once") {
  ReplayWindow window;
  window.commit(0);
  CHECK(!window.is_fresh(0));
  window.commit(64);
  CHECK(!window.is_fresh(0) && window.is_fresh(1));
}
