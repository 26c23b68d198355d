#include "thread_priority.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace webtrunk {

namespace {

/** sched_setattr(2). glibc before 2.41 has neither, and the kernel's header does not go with its own. */
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;
  uint64_t deadline_ns;
  uint64_t period_ns;
};

/** A tenth of the core is left for the others when all of it is wanted. */
constexpr int32_t kHeadStart = 10;
constexpr int32_t kLeastNice = -20;
/** A few batches. Linux before 6.12 chooses by itself. */
constexpr uint64_t kSliceNs = 200'000;

}  // namespace

void go_first() {
  SchedulingAttributes attributes{};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  attributes.nice = std::max(attributes.nice - kHeadStart, kLeastNice);
  attributes.runtime_ns = kSliceNs;
  // What is not allowed stays as it is.
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace webtrunk
