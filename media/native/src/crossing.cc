#include "crossing.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace webtrunk {

Doorbell::Doorbell() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

void Doorbell::ring() {
  // Looked at first: while the other one is awake, the flag stays in its cache.
  if (!is_asleep_.load() || !is_asleep_.exchange(false)) return;
  const uint64_t one = 1;
  // Can only fail when the counter is full, after more nights than there are.
  if (write(event_.get(), &one, sizeof one) < 0) return;
}

bool Crossing::put(uint32_t visitor, const uint8_t* packet, size_t length) {
  if (ring_.used() + kHeader + length > ring_.size()) return false;
  const Header header = {visitor, static_cast<uint32_t>(length)};
  ring_.write(0, &header, kHeader);
  ring_.write(kHeader, packet, length);
  ring_.publish(kHeader + length);
  doorbell_->ring();
  return true;
}

size_t Crossing::take(uint32_t& visitor, uint8_t* out, size_t& length) {
  Header header;
  ring_.read(0, &header, kHeader);
  visitor = header.visitor;
  length = header.length;
  ring_.read(kHeader, out, length);
  ring_.give_back(kHeader + length);
  return kHeader + length;
}

}  // namespace webtrunk
