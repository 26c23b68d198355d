#pragma once

#include <cstddef>

/** What OpenSSL has allocated since the program began: number of calls, and bytes not yet freed. */
struct OpensslMemory {
  bool is_counted;
  size_t allocations;
  size_t live_bytes;
};

const OpensslMemory& openssl_memory();
