#include <algorithm>
#include <array>

#include "relay_loop.h"

namespace webtrunk {

namespace {

/** Keys that one peer may press: faster than fingers and dialling machines, slower than a flood. */
constexpr BucketRate kPressRate = {20, 64};

/** u8 event, three of zero, u32 duration in ms: little endian as all of a record, see `batch.ts`. */
std::array<uint8_t, 8> press_record(uint8_t event, int64_t duration_ns) {
  const auto ms = static_cast<uint32_t>(duration_ns / 1'000'000);
  return {event, 0, 0, 0, static_cast<uint8_t>(ms), static_cast<uint8_t>(ms >> 8), static_cast<uint8_t>(ms >> 16),
          static_cast<uint8_t>(ms >> 24)};
}

}  // namespace

/** Where the presses of a source go: into the target's stream, or up to TypeScript. */
class RelayEventSink final : public EventSink {
 public:
  RelayEventSink(RelayLoop& loop, Leg& source, Leg* target) : loop_(loop), source_(source), target_(target) {}

  void on_begin(uint8_t event, uint8_t volume) override {
    const Route& route = *source_.route;
    KeyPresses& presses = source_.key_presses();
    presses.is_refused = !presses.bucket.take(kPressRate, loop_.now_ns_);
    if (presses.is_refused) return count(source_.counters->drops, Drop::dtmf_rate);
    // What plays there is not disturbed by a held party's keys; ours are another matter.
    if (route.events != EventRoute::played || target_ == nullptr || target_->player != nullptr) return;
    EventSender& sent = target_->key_presses().sent;
    if (!sent.begin(route.event_format, event, volume)) {
      presses.is_refused = true;
      return count(target_->counters->drops, Drop::dtmf_queue_full);
    }
    loop_.schedule(*target_, Task::press, std::max(sent.due_ns(), loop_.now_ns_));
  }

  void on_end(uint8_t event, int64_t duration_ns) override {
    if (source_.key_presses().is_refused) return;
    if (source_.route->events == EventRoute::told) {
      const auto bytes = press_record(event, duration_ns);
      loop_.divert(source_, {RecordKind::key_pressed, source_.id, 0, nullptr}, bytes.data(), bytes.size());
    } else if (target_ != nullptr) {
      target_->key_presses().sent.end(duration_ns);
    }
  }

 private:
  RelayLoop& loop_;
  Leg& source_;
  Leg* target_;
};

void RelayLoop::on_event(Leg& source, Leg& target, const RtpHeader& header, const uint8_t* payload, size_t length) {
  EventPayload event;
  if (!EventPayload::read(payload, length, event)) return count(source.counters->drops, Drop::dtmf_bad_event);
  RelayEventSink sink(*this, source, &target);
  EventDetector& heard = source.key_presses().heard;
  heard.on_packet(header, event, source.route->map.of(header.payload_type).event_rate_hz, now_ns_, sink);
  if (heard.is_open()) schedule(source, Task::end_press, heard.due_ns());
}

void RelayLoop::end_lost_press(Leg& source) {
  if (source.route == nullptr || source.presses == nullptr) return;
  EventDetector& heard = source.presses->heard;
  if (!heard.is_open()) return;
  RelayEventSink sink(*this, source, find_leg(source.route->target));
  heard.poll(now_ns_, sink);
  if (heard.is_open()) schedule(source, Task::end_press, heard.due_ns());
}

/** A key that is down when its route ends is let go. */
void RelayLoop::abandon_press(Leg& source) {
  if (source.route == nullptr || source.presses == nullptr || !source.presses->heard.is_open()) return;
  RelayEventSink sink(*this, source, find_leg(source.route->target));
  source.presses->heard.close(sink);
}

bool RelayLoop::press(Leg& leg, const PressCommand& command) {
  EventSender& sent = leg.key_presses().sent;
  if (!sent.press(command.format, command.event, command.duration_ns)) return false;
  schedule(leg, Task::press, std::max(sent.due_ns(), now_ns_));
  return true;
}

/** The next packet of the press under way, between those of the audio. */
void RelayLoop::send_event(Leg& leg) {
  EventPacket event;
  KeyPresses& presses = leg.key_presses();
  if (presses.sent.next(now_ns_, event)) {
    const auto now_us = static_cast<uint64_t>(now_ns_ / 1000);
    if (event.is_first) presses.sent_timestamp = leg.outbound.timestamp_at(now_us, event.clock_rate_hz);
    // All of a stream is on the clock of its audio; only durations are on that of the events.
    const uint32_t audio_hz = leg.outbound.clock_rate_hz();
    const uint32_t stream_hz = audio_hz == 0 ? event.clock_rate_hz : audio_hz;
    const uint64_t offset = event.offset * stream_hz / event.clock_rate_hz;
    // A leg that cannot send is not a drop: the press passes unheard, as music does.
    if (readiness(leg) == Drop::none) {
      Packet* packet = take_packet();
      leg.outbound.insert(packet->data, event.payload_type, event.is_first,
                          presses.sent_timestamp + static_cast<uint32_t>(offset));
      event.payload.write(packet->data + kRtpFixedHeader);
      if (!send_written(leg, packet, kRtpFixedHeader + EventPayload::kLength, stream_hz)) pool_.give_back(packet);
    }
  }
  if (presses.sent.is_active()) schedule(leg, Task::press, presses.sent.due_ns());
}

}  // namespace webtrunk
