#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

/** The whole of our test framework: cases that register themselves, and checks that report and count. */
namespace check {

using Bytes = std::vector<uint8_t>;

struct Case {
  const char* name;
  void (*run)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

struct Registration {
  Registration(const char* name, void (*run)()) { cases().push_back({name, run}); }
};

inline Bytes from_hex(const std::string& text) {
  Bytes bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

inline std::string to_hex(const Bytes& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace check

/** `TEST(symbol, "what holds") { ... }` */
#define TEST(symbol, name)                                                \
  static void symbol();                                                   \
  static const check::Registration symbol##_registration(name, &symbol); \
  static void symbol()

#define CHECK(condition)                                                            \
  do {                                                                              \
    if (!(condition)) {                                                             \
      std::printf("%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);    \
      ++check::failures();                                                          \
    }                                                                               \
  } while (false)
