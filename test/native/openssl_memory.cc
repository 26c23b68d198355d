#include "openssl_memory.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <cstdlib>

namespace {

OpensslMemory memory{};

void* count_malloc(size_t size, const char*, int) {
  void* block = std::malloc(size);
  ++memory.allocations;
  memory.live_bytes += malloc_usable_size(block);
  return block;
}

void* count_realloc(void* block, size_t size, const char*, int) {
  memory.live_bytes -= malloc_usable_size(block);
  void* moved = std::realloc(block, size);
  ++memory.allocations;
  memory.live_bytes += malloc_usable_size(moved);
  return moved;
}

void count_free(void* block, const char*, int) {
  memory.live_bytes -= malloc_usable_size(block);
  std::free(block);
}

// Before main, because OpenSSL refuses once it has allocated anything.
const bool is_installed = (memory.is_counted = CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) == 1);

}  // namespace

const OpensslMemory& openssl_memory() { return memory; }
