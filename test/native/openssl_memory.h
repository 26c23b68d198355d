#pragma once

#include <atomic>
#include <cstddef>

/** What OpenSSL has allocated since the program began: number of calls, and bytes not yet freed. */
struct OpensslMemory {
  bool is_counted;
  std::atomic<size_t> allocations;
  std::atomic<size_t> live_bytes;
};

const OpensslMemory& openssl_memory();
