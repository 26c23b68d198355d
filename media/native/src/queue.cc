#include "queue.h"

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

  const size_t limit = is_admitted ? ring_.size() : ring_.size() - ring_.size() / 4;
  if (ring_.used() + total > limit) return false;

  uint8_t header[kHeaderLength] = {};
  put_le(header, total, 4);
  header[4] = static_cast<uint8_t>(head.kind);
  header[5] = static_cast<uint8_t>(address_length);
  put_le(header + 6, head.socket, 2);
  put_le(header + 8, head.leg, 4);
  put_le(header + 12, head.remote == nullptr ? 0 : head.remote->port, 2);

  ring_.write(0, header, kHeaderLength);
  ring_.write(kHeaderLength, address, address_length);
  ring_.write(kHeaderLength + address_length, bytes, length);
  ring_.publish(total);
  return true;
}

size_t UpQueue::peek(size_t maximum) const {
  const size_t available = ring_.available();
  size_t length = 0;
  while (length < available) {
    uint8_t field[4];
    ring_.read(length, field, sizeof field);
    const size_t record = field[0] | field[1] << 8 | field[2] << 16 | static_cast<size_t>(field[3]) << 24;
    if (length > 0 && length + record > maximum) break;
    length += record;
  }
  return length;
}

void UpQueue::take(uint8_t* out, size_t length) {
  ring_.read(0, out, length);
  ring_.give_back(length);
}

}  // namespace webtrunk
