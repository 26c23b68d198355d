#include "queue.h"

#include <algorithm>
#include <cstring>

#include "relay_address.h"

namespace webtrunk {

namespace {

void put_le(uint8_t* at, size_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace

bool UpQueue::push(const RecordHead& head, const uint8_t* bytes, size_t length, bool is_admitted) {
  char address[INET6_ADDRSTRLEN];
  const size_t address_length = head.remote == nullptr ? 0 : format_address(*head.remote, address);
  const size_t total = kHeaderLength + address_length + length;

  const size_t position = head_.load(std::memory_order_relaxed);
  const size_t used = position - tail_.load(std::memory_order_acquire);
  const size_t limit = is_admitted ? ring_.size() : ring_.size() - ring_.size() / 4;
  if (used + total > limit) return false;

  uint8_t header[kHeaderLength] = {};
  put_le(header, total, 4);
  header[4] = static_cast<uint8_t>(head.kind);
  header[5] = static_cast<uint8_t>(address_length);
  put_le(header + 6, head.socket, 2);
  put_le(header + 8, head.leg, 4);
  put_le(header + 12, head.remote == nullptr ? 0 : head.remote->port, 2);

  copy_in(position, header, kHeaderLength);
  copy_in(position + kHeaderLength, address, address_length);
  copy_in(position + kHeaderLength + address_length, bytes, length);
  // Sequentially consistent, as in `is_empty`: whoever is second of "record added" and "wake-up re-armed" sees the first.
  head_.store(position + total);
  return true;
}

size_t UpQueue::peek(size_t maximum) const {
  const size_t tail = tail_.load(std::memory_order_relaxed);
  const size_t available = head_.load() - tail;
  size_t length = 0;
  while (length < available) {
    uint8_t field[4];
    copy_out(tail + length, field, sizeof field);
    const size_t record = field[0] | field[1] << 8 | field[2] << 16 | static_cast<size_t>(field[3]) << 24;
    if (length > 0 && length + record > maximum) break;
    length += record;
  }
  return length;
}

void UpQueue::take(uint8_t* out, size_t length) {
  const size_t tail = tail_.load(std::memory_order_relaxed);
  copy_out(tail, out, length);
  tail_.store(tail + length);
}

void UpQueue::copy_in(size_t position, const void* from, size_t length) {
  if (length == 0) return;
  const size_t at = position % ring_.size();
  const size_t first = std::min(length, ring_.size() - at);
  std::memcpy(ring_.data() + at, from, first);
  std::memcpy(ring_.data(), static_cast<const uint8_t*>(from) + first, length - first);
}

void UpQueue::copy_out(size_t position, uint8_t* to, size_t length) const {
  const size_t at = position % ring_.size();
  const size_t first = std::min(length, ring_.size() - at);
  std::memcpy(to, ring_.data() + at, first);
  std::memcpy(to + first, ring_.data(), length - first);
}

}  // namespace webtrunk
