#include <algorithm>
#include <cstring>
#include <utility>

#include "relay_loop.h"

namespace webtrunk {

namespace {

/** In which a peer whose answer names a source of another leg has been told another port of ours, or its call is over. */
constexpr int64_t kContestNs = 10'000'000'000;
/** Whose media came from a 5-tuple in so long a time is still there: a browser that sends no audio reports every five seconds. */
constexpr int64_t kTupleHeldNs = 10'000'000'000;
/** Who was heard in so long a time is where it was. */
constexpr int64_t kHeardNs = 2'000'000'000;

Ufrag padded(const std::string& text) {
  Ufrag ufrag{};
  std::memcpy(ufrag.data(), text.data(), std::min(text.size(), ufrag.size()));
  return ufrag;
}

bool takes_same_events(const Route& one, const Route& other) {
  return one.events == other.events && one.event_format.payload_type == other.event_format.payload_type &&
         one.event_format.clock_rate_hz == other.event_format.clock_rate_hz;
}

/** Then the one under way goes on, with what waits in it. */
bool cuts_same_frames(const Route& one, const Route& other) {
  return one.frames != nullptr && other.frames != nullptr && one.frames->frame() == other.frames->frame();
}

}  // namespace

void RelayLoop::carry_out_commands() {
  flush();  // So that no packet refers to a leg or a socket that goes.
  mailbox.collect(commands_);
  for (Command& command : commands_) {
    std::visit([this](auto& alternative) { carry_out(alternative); }, command);
  }
  commands_.clear();
  flush();
  publish();
  mailbox.done();
}

void RelayLoop::carry_out(AddSocketCommand& command) {
  MuxSocket socket;
  socket.socket = std::move(command.socket);
  mux_.push_back(std::move(socket));
  counters.sockets.add(1);
}

void RelayLoop::carry_out(AddLegCommand& command) {
  const LegId id = command.leg->id;
  std::unique_ptr<Leg>& slot = legs_[id & 0xffff];
  slot = std::move(command.leg);
  leg_count_++;
  if (slot->kind == LegKind::webrtc) {
    for (const std::string& ufrag : slot->ufrags) ufrags_.put(padded(ufrag), id);
  } else if (slot->kind == LegKind::rtp && !slot->place.has_value()) {
    counters.sockets.add(2);
  }
}

void RelayLoop::carry_out(AdmitCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr || command.tuple.socket >= mux_.size()) return;
  std::vector<Tuple>& tuples = leg->tuples;
  if (std::find(tuples.begin(), tuples.end(), command.tuple) == tuples.end()) {
    // A 5-tuple has one owner: whose check was authenticated last, unless authenticated media of another leg comes from it.
    const LegId* owner = find_tuple(command.tuple);
    if (Leg* previous = owner == nullptr ? nullptr : find_leg(*owner)) {
      if (previous->is_target_proven && previous->target == command.tuple && now_ns_ - previous->heard_at_ns < kTupleHeldNs) {
        count(leg->counters->drops, Drop::stun_tuple_in_use);
        return;
      }
      forget_tuple(*previous, command.tuple);
    }
    if (tuples.size() == Leg::kMaxTuples) {
      const bool is_oldest_target = leg->has_target && tuples[0] == leg->target;
      forget_tuple(*leg, tuples[is_oldest_target ? 1 : 0]);
    }
    tuples.push_back(command.tuple);
    tuples_.put(command.tuple, leg->id);
  }
  if (command.is_nominated && !leg->is_target_proven) move_browser_target(*leg, command.tuple, false);
}

void RelayLoop::forget_tuple(Leg& leg, const Tuple& tuple) {
  tuples_.erase(tuple);
  if (leg.has_target && leg.target == tuple) {
    leg.has_target = false;
    leg.is_target_proven = false;
  }
  const auto at = std::find(leg.tuples.begin(), leg.tuples.end(), tuple);
  if (at != leg.tuples.end()) leg.tuples.erase(at);  // Last: `tuple` may be the element itself.
}

void RelayLoop::carry_out(SetUfragsCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  for (const std::string& ufrag : leg->ufrags) ufrags_.erase(padded(ufrag));
  leg->ufrags = std::move(command.ufrags);
  for (const std::string& ufrag : leg->ufrags) ufrags_.put(padded(ufrag), leg->id);
  leg->is_target_proven = false;
}

void RelayLoop::carry_out(SetRemoteCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  leg->is_muted = command.is_muted;
  if (leg->is_muted) {
    leg->outbound.end_source();
    return;
  }
  if (leg->place.has_value()) {
    std::vector<Tuple> tuples = {{command.rtp, leg->place->rtp}};
    if (!command.is_rtcp_muxed) tuples.push_back({command.rtcp, leg->place->rtcp});
    set_tuples(*leg, tuples);
  }
  const bool had_target = leg->latch.has_target();
  const Endpoint before = leg->latch.target();
  // The same again, as a session refresh says it, gives nobody a chance beside a peer that is heard. One that is not may have
  // lost its place at a NAT, while it was on hold or before it had anything to send.
  const bool is_heard = leg->latch.expects(command.rtp) && now_ns_ - leg->media_source_heard_at_ns < kHeardNs;
  if (!is_heard || command.latch_ms == 0)
    leg->latch.expect(command.rtp, command.latch_ms, static_cast<uint64_t>(now_ns_ / 1'000'000));
  leg->is_rtcp_muxed = command.is_rtcp_muxed;
  if (command.rtcp != leg->rtcp_announced) leg->rtcp_target = command.rtcp;
  leg->rtcp_announced = command.rtcp;
  if (!had_target || before != leg->latch.target()) leg->counters->remote.set(leg->latch.target());
}

/** Trunk leg; the JavaScript thread has seen to it that no other leg has one of them. */
void RelayLoop::set_tuples(Leg& leg, const std::vector<Tuple>& tuples) {
  for (const Tuple& tuple : leg.tuples) tuples_.erase(tuple);
  leg.tuples = tuples;
  for (const Tuple& tuple : leg.tuples) tuples_.put(tuple, leg.id);
}

void RelayLoop::carry_out(MoveLegCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  set_tuples(*leg, {});
  leg->place.reset();
  leg->contested_until_ns = 0;
  leg->rtp.socket = std::move(command.rtp);
  leg->rtcp.socket = std::move(command.rtcp);
  counters.sockets.add(2);
}

void RelayLoop::carry_out(ContestCommand& command) {
  if (Leg* leg = find_leg(command.leg)) leg->contested_until_ns = now_ns_ + kContestNs;
}

void RelayLoop::carry_out(SetReceiveKeyCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  if (command.receiver == nullptr) {
    leg->receive_protection = Protection::plain;  // The context stays, should its key come back.
    return;
  }
  leg->receive_protection = Protection::srtp;
  if (leg->receiver != nullptr && leg->receiver->has_key_of(*command.receiver)) {
    leg->receiver->take_mki(*command.receiver);
  } else {
    leg->receiver = std::move(command.receiver);
  }
}

void RelayLoop::carry_out(SetSendKeyCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  if (command.sender == nullptr) {
    // The context stays: were its key set again, a new one would encrypt under indices already used.
    leg->send_protection = Protection::plain;
    return;
  }
  leg->send_protection = Protection::srtp;
  if (leg->sender != nullptr && leg->sender->has_key_of(*command.sender)) return;
  std::vector<std::unique_ptr<SrtpSender>>& retired = leg->retired_senders;
  const auto known = std::find_if(retired.begin(), retired.end(), [&](const std::unique_ptr<SrtpSender>& sender) {
    return sender->has_key_of(*command.sender);
  });
  if (known != retired.end()) {
    std::swap(*known, leg->sender);
  } else if (leg->kind == LegKind::webrtc || leg->is_dtls || leg->sender == nullptr) {
    leg->sender = std::move(command.sender);  // A handshake never yields a key that there was before.
  } else if (retired.size() < Leg::kMaxRetiredSenders) {
    retired.push_back(std::exchange(leg->sender, std::move(command.sender)));
  } else {
    // To forget one could mean to use its indices twice.
    leg->send_protection = Protection::unset;
    return;
  }
  const uint16_t next = leg->outbound.next_sequence();
  const uint16_t ahead = leg->sender->sequence_ahead(next);
  if (ahead != next) leg->outbound.skip_to(ahead);
}

void RelayLoop::carry_out(SetRouteCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  const LegId before = leg->route == nullptr ? 0 : leg->route->target;
  const LegId now = command.route == nullptr ? 0 : command.route->target;
  const bool is_same = before == now && now != 0;
  if (!is_same || !takes_same_events(*leg->route, *command.route)) abandon_press(*leg);
  if (is_same && cuts_same_frames(*leg->route, *command.route)) command.route->frames = std::move(leg->route->frames);
  leg->route = std::move(command.route);
  // What the source sends until it is routed there again is no loss to that peer.
  Leg* fed = before == now ? nullptr : find_leg(before);
  if (fed != nullptr && fed->fed_by == leg->id) fed->fed_by = 0;
}

void RelayLoop::carry_out(PlayCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  stop_player(*leg);
  if (command.player == nullptr) return;
  leg->player = std::move(command.player);
  leg->player->start(now_ns_);
  player_count_++;
  schedule(*leg, Task::play, leg->player->due_ns());
}

void RelayLoop::carry_out(PressCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg != nullptr && !press(*leg, command)) count(leg->counters->drops, Drop::dtmf_queue_full);
}

void RelayLoop::carry_out(WatchCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  leg->silence_limit_ns = command.silence_limit_ns;
  leg->watched_from_ns = now_ns_;
}

void RelayLoop::stop_player(Leg& leg) {
  if (leg.player == nullptr) return;
  leg.player.reset();
  leg.due_ns[static_cast<size_t>(Task::play)] = 0;
  player_count_--;
}

void RelayLoop::carry_out(SendCommand& command) {
  if (command.tuple.socket >= mux_.size() || command.datagram.size() > Packet::kCapacity) {
    count(counters.drops, Drop::media_send_failed);
    return;
  }
  Packet* packet = take_packet();
  packet->length = command.datagram.size();
  std::memcpy(packet->data, command.datagram.data(), packet->length);
  enqueue(mux_[command.tuple.socket], packet, command.tuple.remote);
}

void RelayLoop::carry_out(SendRtcpCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  if (command.packet.size() > kMaxDatagram) {
    count(leg->counters->drops, Drop::media_too_long);
    return;
  }
  Packet* packet = take_packet();
  packet->length = command.packet.size();
  std::memcpy(packet->data, command.packet.data(), packet->length);
  if (const Drop drop = send_rtcp(*leg, packet); drop != Drop::none) {
    count(leg->counters->drops, drop);
    pool_.give_back(packet);
  }
}

void RelayLoop::carry_out(SendDtlsCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  if (!leg->latch.has_target()) {
    count(leg->counters->drops, Drop::media_no_target);
    return;
  }
  Packet* packet = take_packet();
  packet->length = command.datagram.size();
  std::memcpy(packet->data, command.datagram.data(), packet->length);
  enqueue(rtp_of(*leg), packet, leg->latch.target());
}

void RelayLoop::carry_out(RemoveCommand& command) {
  Leg* leg = find_leg(command.leg);
  if (leg == nullptr) return;
  flush();  // Of this batch of commands: packets may wait on its sockets.
  stop_player(*leg);
  abandon_press(*leg);
  for (const Tuple& tuple : leg->tuples) tuples_.erase(tuple);
  if (leg->kind == LegKind::webrtc) {
    for (const std::string& ufrag : leg->ufrags) ufrags_.erase(padded(ufrag));
  } else if (leg->kind == LegKind::rtp && !leg->place.has_value()) {
    counters.sockets.set(counters.sockets.get() - 2);
  }
  leg_count_--;
  legs_[command.leg & 0xffff].reset();
}

}  // namespace webtrunk
