#include <cerrno>

#include "relay_loop.h"

namespace webtrunk {

namespace {

/** Of a shared socket in one round: it speaks for as many calls as there are trunk sockets, which get one packet each. */
constexpr size_t kMuxBatches = 4;
constexpr size_t kMuxQuota = kMuxBatches * Intake::kSize;
/** What is looked for behind that once patience is over: more than the buffer of a shared socket holds, a good part of a leg's. */
constexpr size_t kShedBatches = 256;
constexpr size_t kShedPasses = 16;
/** Of a trunk socket in one round then. One packet after the other of the same call costs less than one of each call in turn. */
constexpr uint32_t kLegQuota = 3;

/** RFC 768 has a source port of 0 for whoever wants no answer, and the kernel sends none there: nobody who can be talked with. */
bool is_answerable(const Packet& packet) { return endpoint_of(packet.remote).port != 0; }

}  // namespace

void RelayLoop::serve(SocketId id) {
  const uint64_t accepted_before = accepted_;
  for (size_t batch = 0; batch < kMuxBatches; batch++) {
    if (!take_batch(id)) return;
  }
  has_backlog_ = true;
  if (!patience_.is_over()) return;
  // What nobody would have carried, such as a flood, uses nothing of the quota up.
  for (size_t batch = 0; batch < kShedBatches; batch++) {
    is_shedding_ = accepted_ - accepted_before >= kMuxQuota;
    if (!take_batch(id)) break;
  }
  is_shedding_ = false;
}

/** Whether there may be more. */
bool RelayLoop::take_batch(SocketId id) {
  MuxSocket& socket = mux_[id];
  const size_t received = intake_.receive(socket.socket, Intake::kSize);
  socket.is_ready = received == Intake::kSize;
  if (received == 0) return false;
  packets_in_round_ += received;
  count_overflow(socket, intake_.overflown(received - 1, 0), counters.drops);
  if (mailbox.has_mail()) carry_out_commands();
  find_owners(id, received);
  for (size_t at = 0; at < received; at++) {
    if (on_datagram(socket, id, owners_[at], intake_.packet(at), intake_.is_whole(at))) intake_.replace(at, take_packet());
  }
  return socket.is_ready;
}

/** Into `owners_`: null where nobody is. */
void RelayLoop::find_owners(SocketId id, size_t received) {
  std::array<Tuple, Intake::kSize> tuples;
  std::array<size_t, Intake::kSize> homes;
  for (size_t at = 0; at < received; at++) {
    tuples[at] = {endpoint_of(intake_.packet(at)->remote), id};
    homes[at] = tuples_.seek(tuples[at]);
  }
  std::array<LegId, Intake::kSize> ids;
  for (size_t at = 0; at < received; at++) {
    const LegId* owner = tuples_.find(tuples[at], homes[at]);
    ids[at] = owner == nullptr ? 0 : *owner;
    owners_[at] = owner == nullptr ? nullptr : leg_in_slot(*owner);
  }
  fetch_legs_ahead(owners_.data(), received);
  for (size_t at = 0; at < received; at++) owners_[at] = ids[at] == 0 ? nullptr : find_leg(ids[at]);
}

bool RelayLoop::on_datagram(const MuxSocket& socket, SocketId id, Leg* owner, Packet* packet, bool is_whole) {
  if (!is_answerable(*packet)) {
    count(counters.drops, Drop::media_no_source_port);
    return false;
  }
  if (socket.kind != EventSource::mux)
    return on_shared_datagram(owner, socket.kind == EventSource::shared_rtcp, packet, is_whole);
  if (is_whole) return on_mux_datagram(id, owner, packet, endpoint_of(packet->remote));
  count(counters.drops, Drop::media_too_long);
  return false;
}

/** Who sends from where no description said belongs to no leg: there is nothing to learn on a shared socket. */
bool RelayLoop::on_shared_datagram(Leg* owner, bool is_rtcp, Packet* packet, bool is_whole) {
  if (owner == nullptr) {
    count(counters.drops, Drop::media_unmatched);
    return false;
  }
  if (is_whole) return on_trunk_datagram(*owner, is_rtcp, packet, endpoint_of(packet->remote));
  count(owner->counters->drops, Drop::media_too_long);
  return false;
}

/** One datagram of each: the next one of the same call is a packet's length away, and would be asked for in vain. */
void RelayLoop::serve_legs(LegEvent* events, size_t size) {
  size_t left = take_each(events, size);
  if (!patience_.is_over()) return;
  for (size_t pass = 0; left > 0 && pass < kShedPasses; pass++) left = take_each(events, left);
}

/** Returns how many of the sockets had a datagram: those come first in `events` then. */
size_t RelayLoop::take_each(LegEvent* events, size_t size) {
  std::array<const Fd*, Intake::kSize> sockets{};
  size_t known = 0;
  for (size_t at = 0; at < size; at++) {
    Transmitter* socket = socket_of(events[at]);
    if (socket == nullptr) continue;  // The command that adds it is under way.
    sockets[known] = &socket->socket;
    events[known++] = events[at];
  }
  intake_.receive_each(sockets.data(), known, ring_);
  for (size_t at = 0; at < known; at++) {
    if (!intake_.has(at)) continue;
    packets_in_round_++;
    count_overflow(*socket_of(events[at]), intake_.overflown(at, 0), find_leg(events[at].leg)->counters->drops);
  }
  // What was commanded before these packets came holds for them.
  if (mailbox.has_mail()) carry_out_commands();
  for (size_t at = 0; at < known; at++) owners_[at] = intake_.has(at) ? find_leg(events[at].leg) : nullptr;
  fetch_legs_ahead(owners_.data(), known);
  size_t had_one = 0;
  for (size_t at = 0; at < known; at++) {
    Leg* leg = owners_[at];
    if (leg == nullptr) continue;
    LegEvent& event = events[had_one++] = events[at];
    const uint64_t accepted_before = accepted_;
    is_shedding_ = event.accepted >= kLegQuota;
    if (on_leg_datagram(*leg, event, intake_.packet(at), intake_.is_whole(at))) intake_.replace(at, take_packet());
    event.accepted += static_cast<uint32_t>(accepted_ - accepted_before);
  }
  is_shedding_ = false;
  return had_one;
}

bool RelayLoop::on_leg_datagram(Leg& leg, const LegEvent& event, Packet* packet, bool is_whole) {
  if (!is_whole) {
    count(leg.counters->drops, Drop::media_too_long);
    return false;
  }
  if (is_answerable(*packet)) return on_trunk_datagram(leg, event.is_rtcp, packet, endpoint_of(packet->remote));
  count(leg.counters->drops, Drop::media_no_source_port);
  return false;
}

Transmitter* RelayLoop::socket_of(const LegEvent& event) {
  Leg* leg = find_leg(event.leg);
  if (leg == nullptr) return nullptr;
  return event.is_rtcp ? &leg->rtcp : &leg->rtp;
}

/** `overflown` 0: it says nothing of it. */
template <typename Drops>
void RelayLoop::count_overflow(Transmitter& on, uint32_t overflown, Drops& drops) {
  if (overflown == 0 || overflown == on.overflown) return;
  count(drops, Drop::media_receive_overflow, overflown - on.overflown);
  on.overflown = overflown;
}

/** Never without one: what waits to be sent goes, if it must. */
Packet* RelayLoop::take_packet() {
  if (pool_.available() == 0) flush();
  return pool_.take();
}

void RelayLoop::enqueue(Transmitter& on, Packet* packet, const Endpoint& remote) {
  packet->remote_length = socket_address_of(remote, packet->remote);
  packet->next = nullptr;
  if (on.first == nullptr) {
    on.first = packet;
    to_flush_.push_back(&on);
  } else {
    on.last->next = packet;
  }
  on.last = packet;
}

void RelayLoop::flush() {
  std::array<Transmitter*, SocketRing::kSize> singles{};
  size_t size = 0;
  for (Transmitter* on : to_flush_) {
    if (on->first != on->last) {
      send_all(*on);
    } else {
      singles[size++] = on;
    }
    if (size < singles.size()) continue;
    send_each(singles.data(), size);
    size = 0;
  }
  send_each(singles.data(), size);
  for (Transmitter* on : to_flush_) on->first = on->last = nullptr;
  to_flush_.clear();
}

/** Of sockets with one packet each, as most trunk sockets have. */
void RelayLoop::send_each(Transmitter* const* sockets, size_t size) {
  std::array<msghdr, SocketRing::kSize> headers;
  std::array<iovec, SocketRing::kSize> buffers;
  const bool is_batch = size > 1 && ring_.is_open();
  for (size_t at = 0; is_batch && at < size; at++) {
    Packet& packet = *sockets[at]->first;
    buffers[at] = {packet.data, packet.length};
    headers[at] = {};
    headers[at].msg_name = &packet.remote;
    headers[at].msg_namelen = packet.remote_length;
    headers[at].msg_iov = &buffers[at];
    headers[at].msg_iovlen = 1;
    ring_.add_send(sockets[at]->socket, &headers[at]);
  }
  if (is_batch) ring_.carry_out();
  for (size_t at = 0; at < size; at++) {
    Packet* packet = sockets[at]->first;
    const int32_t error = is_batch ? ring_.result(at) : send_one(sockets[at]->socket, *packet);
    if (error >= 0 || send_in_pieces(sockets[at]->socket, *packet, -error)) {
      count_sent(*packet);
    } else {
      count_unsent(*packet);
    }
    pool_.give_back(packet);
  }
}

/** Negative: `errno`. */
int32_t RelayLoop::send_one(const Fd& socket, const Packet& packet) {
  ssize_t sent;
  do {
    sent = sendto(socket.get(), packet.data, packet.length, MSG_DONTWAIT, &packet.remote.any, packet.remote_length);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

/** What did not fit into a datagram of the path, on a socket whose datagrams may be fragmented from then on. */
bool RelayLoop::send_in_pieces(const Fd& socket, const Packet& packet, int error) {
  if (error != EMSGSIZE) return false;
  set_fragmentable(socket.get(), true);
  return send_one(socket, packet) >= 0;
}

void RelayLoop::send_all(const Transmitter& on) {
  std::array<mmsghdr, Intake::kSize> messages;
  std::array<iovec, Intake::kSize> buffers;
  std::array<Packet*, Intake::kSize> packets;
  for (Packet* next = on.first; next != nullptr;) {
    size_t size = 0;
    for (; size < packets.size() && next != nullptr; size++) {
      Packet* packet = next;
      next = packet->next;
      packets[size] = packet;
      buffers[size] = {packet->data, packet->length};
      messages[size] = {};
      messages[size].msg_hdr.msg_name = &packet->remote;
      messages[size].msg_hdr.msg_namelen = packet->remote_length;
      messages[size].msg_hdr.msg_iov = &buffers[size];
      messages[size].msg_hdr.msg_iovlen = 1;
    }
    for (size_t at = 0; at < size;) {
      const int sent = sendmmsg(on.socket.get(), &messages[at], static_cast<unsigned>(size - at), MSG_DONTWAIT);
      if (sent <= 0) {
        if (sent < 0 && errno == EINTR) continue;
        // This one cannot go, the next may: it has another address.
        if (send_in_pieces(on.socket, *packets[at], sent < 0 ? errno : 0)) {
          count_sent(*packets[at]);
        } else {
          count_unsent(*packets[at]);
        }
        at++;
        continue;
      }
      for (int i = 0; i < sent; i++) count_sent(*packets[at++]);
    }
    for (size_t i = 0; i < size; i++) pool_.give_back(packets[i]);
  }
}

void RelayLoop::count_sent(const Packet& packet) {
  Leg* leg = packet.octets > 0 ? find_leg(packet.leg) : nullptr;
  if (leg == nullptr) return;
  leg->counters->octets_sent.add(packet.octets);
  leg->counters->packets_sent.add(1);
  if (!leg->first_sent_told) tell(*leg, RecordKind::first_sent, endpoint_of(packet.remote), leg->first_sent_told);
}

void RelayLoop::count_unsent(const Packet& packet) {
  Leg* leg = find_leg(packet.leg);
  if (leg == nullptr) return count(counters.drops, Drop::media_send_failed);
  count(leg->counters->drops, Drop::media_send_failed);
}

}  // namespace webtrunk
