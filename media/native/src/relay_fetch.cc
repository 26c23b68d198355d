#include "fetch_ahead.h"
#include "relay_loop.h"

namespace webtrunk {

/**
 * Fetches what the next packet of each of these legs will touch, of itself and of the leg that it goes to. What leads from one
 * piece to the next is in the pieces themselves, so they come in steps, each for all legs: then nobody waits.
 */
void RelayLoop::fetch_legs_ahead(Leg* const* legs, size_t size) const {
  std::array<const Leg*, Intake::kSize> targets;
  for (size_t at = 0; at < size; at++) {
    if (legs[at] != nullptr) fetch_ahead(legs[at], sizeof(Leg));
  }
  for (size_t at = 0; at < size; at++) {
    if (legs[at] == nullptr) continue;
    legs[at]->counters->fetch_ahead();
    if (legs[at]->receiver != nullptr) legs[at]->receiver->fetch_ahead();
    if (legs[at]->route != nullptr) webtrunk::fetch_ahead(legs[at]->route.get(), sizeof(Route));
  }
  for (size_t at = 0; at < size; at++) {
    const Leg* leg = legs[at];
    targets[at] = leg == nullptr || leg->route == nullptr ? nullptr : leg_in_slot(leg->route->target);
    if (leg == nullptr) continue;
    if (leg->receiver != nullptr) leg->receiver->fetch_cipher_ahead();
    if (leg->route != nullptr) {
      leg->route->map.fetch_ahead();
      if (leg->route->frames != nullptr) webtrunk::fetch_ahead(leg->route->frames.get(), sizeof(Repacketiser));
    }
    if (targets[at] != nullptr) webtrunk::fetch_ahead(targets[at], sizeof(Leg));
  }
  for (size_t at = 0; at < size; at++) {
    if (targets[at] == nullptr) continue;
    targets[at]->counters->fetch_ahead();
    if (targets[at]->sender != nullptr) targets[at]->sender->fetch_ahead();
  }
  for (size_t at = 0; at < size; at++) {
    if (targets[at] != nullptr && targets[at]->sender != nullptr) targets[at]->sender->fetch_cipher_ahead();
  }
}

}  // namespace webtrunk
