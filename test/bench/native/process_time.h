#pragma once

#include <cstdint>

namespace bench {

/** What all threads of a process have run so far, user and system, in nanoseconds; -1 when there is no such process. */
int64_t process_time_ns(int pid);
/** What a core was busy with anything so far, from /proc/stat and as coarse as that (10 ms); -1 when there is no such core. */
int64_t core_busy_ns(unsigned core);

}  // namespace bench
