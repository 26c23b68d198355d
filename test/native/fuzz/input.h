#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

/** The fuzzer's bytes, read from the front. At the end everything is zero. */
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool is_empty() const { return size_ == 0; }

  uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }

  uint16_t word() {
    const uint8_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }

  /** Up to `length` bytes, in a block of exactly that size, so that any access beyond it is seen. */
  std::vector<uint8_t> bytes(size_t length) {
    const size_t taken = length < size_ ? length : size_;
    std::vector<uint8_t> result(data_, data_ + taken);
    result.shrink_to_fit();
    data_ += taken;
    size_ -= taken;
    return result;
  }

  std::vector<uint8_t> rest() { return bytes(size_); }

 private:
  const uint8_t* data_;
  size_t size_;
};

#define MUST(condition)                                                           \
  do {                                                                            \
    if (!(condition)) {                                                           \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                               \
    }                                                                             \
  } while (false)
