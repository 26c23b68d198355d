#include "relay_loop.h"
#include "rtp.h"

namespace webtrunk {

namespace {

/** Of each other thread in one round, so that it does not starve the sockets. */
constexpr size_t kCrossedPerRound = 256;

}  // namespace

/** Whether nothing has come over; then from here on whoever puts something down rings. */
bool RelayLoop::may_sleep() {
  if (crossings_.empty()) return true;
  doorbell_->sleep();
  for (const std::shared_ptr<Crossing>& crossing : crossings_) {
    if (crossing->available() > 0) return false;
  }
  return true;
}

/** Takes in a bounded number of packets from each other thread. */
void RelayLoop::serve_crossings() {
  // By index: a command may add one.
  for (size_t at = 0; at < crossings_.size(); at++) {
    Crossing& crossing = *crossings_[at];
    size_t available = crossing.available();
    // What was commanded before these packets came holds for them.
    if (available > 0 && mailbox.has_mail()) carry_out_commands();
    for (size_t taken = 0; available > 0 && taken < kCrossedPerRound; taken++) {
      Packet* packet = take_packet();
      LegId visitor = 0;
      available -= crossing.take(visitor, packet->data, packet->length);
      packets_in_round_++;
      if (!on_crossed(visitor, packet)) pool_.give_back(packet);
    }
    has_backlog_ = has_backlog_ || available > 0;
  }
}

bool RelayLoop::on_crossed(LegId visitor, Packet* packet) {
  Leg* leg = find_leg(visitor);
  if (leg == nullptr) {
    count(counters.drops, Drop::media_crossing_late);
    return false;
  }
  RtpHeader header;
  size_t payload_length = 0;
  // As its own leg has found it.
  parse_rtp_header(packet->data, packet->length, header);
  rtp_payload_length(packet->data, packet->length, header, payload_length);
  return lead(*leg, packet, header, payload_length);
}

/** Takes a packet to where the leg's route leads; over there its visitor does so. */
bool RelayLoop::lead(Leg& source, Packet* packet, const RtpHeader& header, size_t payload_length) {
  const Route* route = source.route.get();
  if (route != nullptr && route->crossing != nullptr) {
    if (!route->crossing->put(route->visitor, packet->data, packet->length))
      count(source.counters->drops, Drop::media_crossing_full);
    return false;
  }
  Leg* target = route == nullptr ? nullptr : find_leg(route->target);
  if (target == nullptr) {
    count(source.counters->drops, Drop::media_no_route);
    return false;
  }
  return carry(source, *target, packet, header, payload_length);
}

void RelayLoop::carry_out(AddCrossingCommand& command) { crossings_.push_back(std::move(command.crossing)); }

}  // namespace webtrunk
