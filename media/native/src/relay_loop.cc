#include "relay_loop.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace webtrunk {

namespace {

/** Per socket and round, so that no socket starves another. */
constexpr size_t kMuxBatch = 64;
constexpr size_t kLegBatch = 16;
constexpr size_t kEventsPerRound = 64;
constexpr size_t kPackets = 512;
constexpr int kHousekeepingMs = 1000;

}  // namespace

int64_t monotonic_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

RelayLoop::RelayLoop(const RelayLimits& limits, std::function<void()> notify)
    : queue(limits.queue_bytes),
      notify_(std::move(notify)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      legs_(limits.max_legs),
      ufrags_(limits.max_legs * Leg::kMaxUfrags, KeyedHash::random()),
      tuples_(limits.max_legs * Leg::kMaxTuples, KeyedHash::random()),
      strays_(limits.max_stray_sources, limits.stray_rate, KeyedHash::random()),
      pool_(kPackets) {
  mux_.reserve(kMaxMuxSockets + 2 * kMaxSharedPairs);  // Never reallocated: packets and events refer to its elements.
  to_flush_.reserve(kPackets);
  // Of each task there is one entry, and seldom a void one beside it.
  due_.reserve(limits.max_legs * kTasks);
  watch(mailbox.event(), EventSource::mailbox, 0);
  watch(timer_, EventSource::timer, 0);
}

bool RelayLoop::is_ready() const { return epoll_.is_open() && timer_.is_open() && mailbox.event().is_open(); }

bool RelayLoop::watch(const Fd& socket, EventSource source, uint32_t id) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = event_tag(source, id);
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) == 0;
}

void RelayLoop::run() {
  while (!mailbox.is_stopped()) round(strays_.size() > 0 || leg_count_ > 0 ? kHousekeepingMs : -1);
  // What was posted before the end still goes out (a close_notify, a BYE), or is at least freed.
  carry_out_commands();
  for (std::unique_ptr<Leg>& leg : legs_) leg.reset();
  mux_.clear();
  counters.legs.set(0);
  counters.tuples.set(0);
  counters.sockets.set(0);
  counters.players.set(0);
  counters.stray_sources.set(0);
}

void RelayLoop::round(int timeout_ms) {
  std::array<epoll_event, kEventsPerRound> events;
  const int ready = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms);
  now_ns_ = monotonic_ns();

  if (mailbox.has_mail()) carry_out_commands();
  for (int i = 0; i < ready; i++) dispatch(events[i]);
  do_due();
  flush();
  notice_silence();
  strays_.expire(now_ns_);
  arm_timer();
  publish();
  if (has_news_) {
    has_news_ = false;
    notify_();
  }
}

void RelayLoop::dispatch(const epoll_event& event) {
  const auto source = static_cast<EventSource>(event.data.u64 >> 32);
  const auto id = static_cast<uint32_t>(event.data.u64);
  switch (source) {
    case EventSource::mailbox:
      return;  // Looked at in every round.
    case EventSource::timer: {
      uint64_t expirations;
      if (read(timer_.get(), &expirations, sizeof expirations) > 0) timer_armed_for_ns_ = 0;
      return;
    }
    case EventSource::mux:
      if (id < mux_.size()) receive_mux(static_cast<SocketId>(id));
      return;
    case EventSource::shared_rtp:
    case EventSource::shared_rtcp:
      if (id < mux_.size()) receive_shared(static_cast<SocketId>(id), source == EventSource::shared_rtcp);
      return;
    case EventSource::leg_rtp:
    case EventSource::leg_rtcp:
      receive_leg(id, source == EventSource::leg_rtcp);
      return;
  }
}

void RelayLoop::receive_mux(SocketId socket) {
  receive(mux_[socket], kMuxBatch, [&](Packet* packet, bool is_whole) {
    if (is_whole) return on_mux_datagram(socket, packet, endpoint_of(packet->remote));
    count(counters.drops, Drop::media_too_long);
    return false;
  });
}

/** Who sends from where no description said belongs to no leg: there is nothing to learn on a shared socket. */
void RelayLoop::receive_shared(SocketId socket, bool is_rtcp) {
  receive(mux_[socket], kMuxBatch, [&](Packet* packet, bool is_whole) {
    const Endpoint from = endpoint_of(packet->remote);
    const LegId* owner = find_tuple({from, socket});
    Leg* leg = owner == nullptr ? nullptr : find_leg(*owner);
    if (leg == nullptr) {
      count(counters.drops, Drop::media_unmatched);
      return false;
    }
    if (is_whole) return on_trunk_datagram(*leg, is_rtcp, packet, from);
    count(leg->counters->drops, Drop::media_too_long);
    return false;
  });
}

void RelayLoop::receive_leg(LegId id, bool is_rtcp) {
  Leg* ready = find_leg(id);
  if (ready == nullptr) return;  // The command that adds it is under way.
  receive(is_rtcp ? ready->rtcp : ready->rtp, kLegBatch, [&](Packet* packet, bool is_whole) {
    Leg* leg = find_leg(id);  // Again: commands may have been carried out since.
    if (leg == nullptr) return false;
    if (is_whole) return on_trunk_datagram(*leg, is_rtcp, packet, endpoint_of(packet->remote));
    count(leg->counters->drops, Drop::media_too_long);
    return false;
  });
}

template <typename Handler>
void RelayLoop::receive(const Transmitter& from, size_t maximum, Handler handle) {
  std::array<mmsghdr, kMuxBatch> messages;
  std::array<iovec, kMuxBatch> buffers;
  std::array<Packet*, kMuxBatch> packets;
  if (pool_.available() < maximum) flush();
  for (size_t i = 0; i < maximum; i++) {
    packets[i] = pool_.take();
    buffers[i] = {packets[i]->data, kMaxDatagram};
    messages[i] = {};
    messages[i].msg_hdr.msg_name = &packets[i]->remote;
    messages[i].msg_hdr.msg_namelen = sizeof packets[i]->remote;
    messages[i].msg_hdr.msg_iov = &buffers[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  // An error is of an earlier datagram of ours (ICMP), or there is nothing: either way the next round tells.
  const int result = recvmmsg(from.socket.get(), messages.data(), static_cast<unsigned>(maximum), MSG_DONTWAIT, nullptr);
  const size_t received = result > 0 ? static_cast<size_t>(result) : 0;
  // What was commanded before these packets came holds for them.
  if (received > 0 && mailbox.has_mail()) carry_out_commands();
  for (size_t i = 0; i < maximum; i++) {
    bool is_handed_on = false;
    if (i < received) {
      packets[i]->length = messages[i].msg_len;
      is_handed_on = handle(packets[i], (messages[i].msg_hdr.msg_flags & MSG_TRUNC) == 0);
    }
    if (!is_handed_on) pool_.give_back(packets[i]);
  }
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
  for (Transmitter* on : to_flush_) flush(*on);
  to_flush_.clear();
}

void RelayLoop::flush(Transmitter& on) {
  std::array<mmsghdr, kMuxBatch> messages;
  std::array<iovec, kMuxBatch> buffers;
  std::array<Packet*, kMuxBatch> packets;
  while (on.first != nullptr) {
    size_t size = 0;
    for (; size < packets.size() && on.first != nullptr; size++) {
      Packet* packet = on.first;
      on.first = packet->next;
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
  on.last = nullptr;
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

void RelayLoop::arm_timer() {
  const int64_t at_ns = due_.empty() ? 0 : due_.front().at_ns;
  if (at_ns == timer_armed_for_ns_) return;
  itimerspec when{};
  when.it_value.tv_sec = at_ns / 1'000'000'000;
  when.it_value.tv_nsec = at_ns % 1'000'000'000;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  timer_armed_for_ns_ = at_ns;
}

void RelayLoop::publish() {
  counters.legs.set(leg_count_);
  counters.tuples.set(tuples_.size());
  counters.players.set(player_count_);
  counters.stray_sources.set(strays_.size());
}

}  // namespace webtrunk
