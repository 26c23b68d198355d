#include "process_time.h"

#include <dirent.h>

#include <cstdio>
#include <string>

namespace bench {

/** From the scheduler's own account: /proc/PID/stat counts in hundredths of a second. */
int64_t process_time_ns(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  DIR* threads = opendir(folder.c_str());
  if (threads == nullptr) return -1;
  int64_t sum = 0;
  while (const dirent* thread = readdir(threads)) {
    if (thread->d_name[0] == '.') continue;
    FILE* file = fopen((folder + "/" + thread->d_name + "/schedstat").c_str(), "r");
    if (file == nullptr) continue;  // It has ended since.
    long long ran = 0;
    if (fscanf(file, "%lld", &ran) == 1) sum += ran;
    fclose(file);
  }
  closedir(threads);
  return sum;
}

int64_t core_busy_ns(unsigned core) {
  constexpr int64_t kNsPerTick = 10'000'000;
  FILE* file = fopen("/proc/stat", "r");
  if (file == nullptr) return -1;
  const std::string name = "cpu" + std::to_string(core) + " ";
  char line[512];
  long long ticks = -1;
  while (ticks < 0 && fgets(line, sizeof line, file) != nullptr) {
    long long user, nice, system, idle, waiting, irq, softirq, stolen;
    if (name.compare(0, name.size(), line, name.size()) != 0) continue;
    if (sscanf(line + name.size(), "%lld %lld %lld %lld %lld %lld %lld %lld", &user, &nice, &system, &idle, &waiting, &irq,
               &softirq, &stolen) == 8)
      ticks = user + nice + system + irq + softirq + stolen;
  }
  fclose(file);
  return ticks < 0 ? -1 : ticks * kNsPerTick;
}

}  // namespace bench
