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

}  // namespace bench
