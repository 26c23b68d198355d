#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace webtrunk {

/** Which share of the time a thread worked, over the last second. Times are nanoseconds and never go back. */
class LoadMeter {
 public:
  /** Apart at least: reading the clock of a thread is a system call. */
  static constexpr int64_t kEveryNs = 100'000'000;

  bool is_due(int64_t now_ns) const { return now_ns - newest().at_ns >= kEveryNs; }
  /** `cpu_ns`: how much time of a core the thread has had in all. */
  void note(int64_t now_ns, int64_t cpu_ns);
  /** 0 to 1000. */
  uint32_t per_mille() const;

 private:
  /** A second, and the mark that it begins with. */
  static constexpr size_t kMarks = 11;

  struct Mark {
    int64_t at_ns = 0;
    int64_t cpu_ns = 0;
  };

  const Mark& newest() const { return marks_[at_]; }
  const Mark& a_second_before() const;

  std::array<Mark, kMarks> marks_{};
  size_t at_ = 0;
  bool is_begun_ = false;
};

}  // namespace webtrunk
