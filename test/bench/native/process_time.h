#pragma once

#include <cstdint>

namespace bench {

/** What all threads of a process have run so far, user and system, in nanoseconds; -1 when there is no such process. */
int64_t process_time_ns(int pid);

}  // namespace bench
