#pragma once

#include <time.h>

#include <cstdint>

namespace bench {

inline int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

/** The clock that the kernel stamps datagrams with when they arrive. */
inline int64_t wall_ns() {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

}  // namespace bench
