#include "relay_table.h"

#include <sys/random.h>
#include <unistd.h>

namespace webtrunk {

KeyedHash KeyedHash::random() {
  uint64_t seed[2] = {};
  // For so few bytes it neither fails nor is cut short once the kernel is up (getrandom(2)).
  if (getrandom(seed, sizeof seed, 0) != sizeof seed) seed[0] = static_cast<uint64_t>(getpid());
  return KeyedHash(seed[0], seed[1]);
}

}  // namespace webtrunk
