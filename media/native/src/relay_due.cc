#include <algorithm>

#include "relay_loop.h"

namespace webtrunk {

namespace {

constexpr int64_t kNoticeEveryNs = 1'000'000'000;

}  // namespace

/** What a leg has to do at `at_ns`; it is asked again then what is due. */
void RelayLoop::schedule(Leg& leg, Task task, int64_t at_ns) {
  int64_t& due_ns = leg.due_ns[static_cast<size_t>(task)];
  if (due_ns != 0 && due_ns <= at_ns) return;
  due_ns = at_ns;
  due_.push_back({at_ns, leg.id, task});
  std::push_heap(due_.begin(), due_.end(), is_later);
}

void RelayLoop::do_due() {
  while (!due_.empty() && due_.front().at_ns <= now_ns_) {
    std::pop_heap(due_.begin(), due_.end(), is_later);
    const Due due = due_.back();
    due_.pop_back();
    Leg* leg = find_leg(due.leg);
    if (leg == nullptr) continue;
    int64_t& due_ns = leg->due_ns[static_cast<size_t>(due.task)];
    if (due_ns != due.at_ns) continue;
    due_ns = 0;
    switch (due.task) {
      case Task::play:
        play(*leg);
        break;
      case Task::press:
        send_event(*leg);
        break;
      case Task::cut:
        send_cut(*leg);
        break;
      case Task::end_press:
        end_lost_press(*leg);
        break;
    }
  }
}

void RelayLoop::play(Leg& leg) {
  if (leg.player == nullptr) return;
  Player& player = *leg.player;
  player.skip_missed(now_ns_);
  Packet* packet = take_packet();
  packet->length = player.next(packet->data);
  const Playback& playback = player.playback();
  // A leg without target or keys is not a drop but the usual beginning: its time passes unheard.
  bool is_handed_on = false;
  if (leg.has_key_down()) {
    RtpHeader header;
    parse_rtp_header(packet->data, packet->length, header);
    leg.outbound.withhold(header);
  } else {
    is_handed_on =
        readiness(leg) == Drop::none && send_rtp(leg, packet, playback.payload_type, playback.clock_rate_hz());
  }
  if (!is_handed_on) pool_.give_back(packet);
  schedule(leg, Task::play, player.due_ns());
}

/** Packets of the length that the target wants. */
void RelayLoop::send_cut(Leg& source) {
  Repacketiser* frames = source.route == nullptr ? nullptr : source.route->frames.get();
  if (frames == nullptr) return;
  Leg* target = find_leg(source.route->target);
  while (true) {
    Packet* packet = take_packet();
    packet->length = frames->next(now_ns_, packet->data);
    const bool is_wanted = packet->length > 0 && target != nullptr && target->player == nullptr;
    const Mapping entry = source.route->map.of(packet->data[1] & 0x7f);
    const bool is_handed_on = is_wanted && send_rtp(*target, packet, entry.payload_type, entry.clock_rate_hz);
    const bool is_last = packet->length == 0;
    if (!is_handed_on) pool_.give_back(packet);
    if (is_last) break;
  }
  if (const int64_t at_ns = frames->due_ns(); at_ns != Repacketiser::kNever) schedule(source, Task::cut, at_ns);
}

/** Tells of peers that are silent for longer than they may be; once, until they are watched again. */
void RelayLoop::notice_silence() {
  if (now_ns_ - silence_noticed_at_ns_ < kNoticeEveryNs) return;
  silence_noticed_at_ns_ = now_ns_;
  for (const std::unique_ptr<Leg>& leg : legs_) {
    if (leg == nullptr || leg->silence_limit_ns == 0) continue;
    if (now_ns_ - std::max(leg->heard_at_ns, leg->watched_from_ns) < leg->silence_limit_ns) continue;
    if (!queue.push({RecordKind::silent, leg->id, 0, nullptr}, nullptr, 0, true)) continue;
    leg->silence_limit_ns = 0;
    has_news_ = true;
  }
}

}  // namespace webtrunk
