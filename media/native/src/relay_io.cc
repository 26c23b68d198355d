#include <cerrno>

#include "relay_loop.h"

namespace webtrunk {

namespace {

/** Of a shared socket in one round: it speaks for as many calls as there are trunk sockets, which get one packet each. */
constexpr size_t kMuxBatches = 4;
/** The next packet of the same call is a packet's length away, so that a second would usually be asked for in vain. */
constexpr size_t kLegBatch = 1;

}  // namespace

void RelayLoop::serve(SocketId id) {
  MuxSocket& socket = mux_[id];
  for (size_t batch = 0; batch < kMuxBatches; batch++) {
    const size_t received = receive(socket, Intake::kSize, counters.drops, [&](Packet* packet, bool is_whole) {
      if (socket.kind != EventSource::mux)
        return on_shared_datagram(id, socket.kind == EventSource::shared_rtcp, packet, is_whole);
      if (is_whole) return on_mux_datagram(id, packet, endpoint_of(packet->remote));
      count(counters.drops, Drop::media_too_long);
      return false;
    });
    socket.is_ready = received == Intake::kSize;
    if (!socket.is_ready) return;
  }
}

/** Who sends from where no description said belongs to no leg: there is nothing to learn on a shared socket. */
bool RelayLoop::on_shared_datagram(SocketId id, bool is_rtcp, Packet* packet, bool is_whole) {
  const Endpoint from = endpoint_of(packet->remote);
  const LegId* owner = find_tuple({from, id});
  Leg* leg = owner == nullptr ? nullptr : find_leg(*owner);
  if (leg == nullptr) {
    count(counters.drops, Drop::media_unmatched);
    return false;
  }
  if (is_whole) return on_trunk_datagram(*leg, is_rtcp, packet, from);
  count(leg->counters->drops, Drop::media_too_long);
  return false;
}

void RelayLoop::receive_leg(LegId id, bool is_rtcp) {
  Leg* ready = find_leg(id);
  if (ready == nullptr) return;  // The command that adds it is under way.
  receive(is_rtcp ? ready->rtcp : ready->rtp, kLegBatch, ready->counters->drops, [&](Packet* packet, bool is_whole) {
    Leg* leg = find_leg(id);  // Again: commands may have been carried out since.
    if (leg == nullptr) return false;
    if (is_whole) return on_trunk_datagram(*leg, is_rtcp, packet, endpoint_of(packet->remote));
    count(leg->counters->drops, Drop::media_too_long);
    return false;
  });
}

template <typename Handler>
size_t RelayLoop::receive(Transmitter& from, size_t maximum, DropCounters& drops, Handler handle) {
  const size_t received = intake_.receive(from.socket, maximum);
  if (received == 0) return 0;
  packets_in_round_ += received;
  const uint32_t overflown = intake_.overflown(received - 1, from.overflown);
  if (overflown != from.overflown) {
    count(drops, Drop::media_receive_overflow, overflown - from.overflown);
    from.overflown = overflown;
  }
  // What was commanded before these packets came holds for them. `from` and `drops` may be gone then.
  if (mailbox.has_mail()) carry_out_commands();
  for (size_t at = 0; at < received; at++) {
    if (handle(intake_.packet(at), intake_.is_whole(at))) intake_.replace(at, take_packet());
  }
  return received;
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
  for (Transmitter* on : to_flush_) {
    if (on->first == on->last) {
      send_one(*on);
    } else {
      send_all(*on);
    }
    on->first = on->last = nullptr;
  }
  to_flush_.clear();
}

/** As most trunk sockets have one at a time: cheaper than a batch of one. */
void RelayLoop::send_one(const Transmitter& on) {
  Packet* packet = on.first;
  ssize_t sent;
  do {
    sent = sendto(on.socket.get(), packet->data, packet->length, MSG_DONTWAIT, &packet->remote.any, packet->remote_length);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    count_unsent(*packet);
  } else {
    count_sent(*packet);
  }
  pool_.give_back(packet);
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
        count_unsent(*packets[at]);  // This one cannot go, the next may: it has another address.
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
  leg->counters->packets_sent.add(1);
  leg->counters->octets_sent.add(packet.octets);
  if (!leg->first_sent_told) tell(*leg, RecordKind::first_sent, endpoint_of(packet.remote), leg->first_sent_told);
}

void RelayLoop::count_unsent(const Packet& packet) {
  Leg* leg = find_leg(packet.leg);
  count(leg == nullptr ? counters.drops : leg->counters->drops, Drop::media_send_failed);
}

}  // namespace webtrunk
