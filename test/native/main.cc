#include "check.h"

/** Runs every case of the files linked in; prints a line each, exits 1 when a check failed. */
int main() {
  // A sanitizer that ends the program must not take the lines before it along.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  for (const check::Case& one : check::cases()) {
    const int before = check::failures();
    one.run();
    std::printf("%s %s\n", check::failures() == before ? "ok" : "FAILED", one.name);
  }
  std::printf("%zu cases, %d failed checks\n", check::cases().size(), check::failures());
  return check::failures() == 0 && !check::cases().empty() ? 0 : 1;
}
