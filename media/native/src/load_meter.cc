#include "load_meter.h"

#include <algorithm>

namespace webtrunk {

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

}  // namespace

void LoadMeter::note(int64_t now_ns, int64_t cpu_ns) {
  if (!is_begun_) marks_.fill({now_ns, cpu_ns});
  is_begun_ = true;
  at_ = (at_ + 1) % kMarks;
  marks_[at_] = {now_ns, cpu_ns};
}

/** The newest that is as old; a thread that sleeps leaves them further apart. */
const LoadMeter::Mark& LoadMeter::a_second_before() const {
  size_t back = 1;
  while (back < kMarks - 1 && newest().at_ns - marks_[(at_ + kMarks - back) % kMarks].at_ns < kSecondNs) back++;
  return marks_[(at_ + kMarks - back) % kMarks];
}

uint32_t LoadMeter::per_mille() const {
  const Mark& before = a_second_before();
  const int64_t passed_ns = newest().at_ns - before.at_ns;
  if (passed_ns <= 0) return 0;
  const int64_t worked_ns = newest().cpu_ns - before.cpu_ns;
  return static_cast<uint32_t>(std::clamp<int64_t>(worked_ns * 1'000 / passed_ns, 0, 1'000));
}

}  // namespace webtrunk
