#include "telephone_event.h"

#include <algorithm>

#include "bytes.h"

namespace webtrunk {

namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr uint32_t kLongest = 0xffff;
/** How far apart, in ms, the next segment of a long press may begin from where the one before it ended. */
constexpr uint32_t kSegmentToleranceMs = 100;
/** A timestamp older than the last one by less is of an earlier press when its number is older, too, or that press was heard; else the source has another clock. */
constexpr uint32_t kLateS = 10;
/** -10 dBm0: what telephones send. */
constexpr uint8_t kUsualVolume = 10;

uint64_t ticks_of(int64_t ns, uint32_t clock_rate_hz) {
  return static_cast<uint64_t>(ns) * clock_rate_hz / kSecondNs;
}

}  // namespace

bool EventPayload::read(const uint8_t* payload, size_t length, EventPayload& out) {
  if (length < kLength) return false;
  out.event = payload[0];
  out.is_end = (payload[1] & 0x80) != 0;
  out.volume = payload[1] & 0x3f;
  out.duration = read_u16(payload + 2);
  return true;
}

void EventPayload::write(uint8_t* payload) const {
  payload[0] = event;
  payload[1] = static_cast<uint8_t>((is_end ? 0x80 : 0) | (volume & 0x3f));
  write_u16(payload + 2, duration);
}

// ---- Detector ----

bool EventDetector::is_late(const RtpHeader& header) const {
  if (timestamp_ - header.timestamp >= kLateS * clock_rate_hz_) return false;
  return static_cast<int16_t>(header.sequence - sequence_) < 0 || header.timestamp == timestamp_before_;
}

void EventDetector::on_packet(const RtpHeader& header, const EventPayload& payload, uint32_t clock_rate_hz,
                              int64_t now_ns, EventSink& sink) {
  const bool is_same_source = has_heard_ && header.ssrc == ssrc_ && clock_rate_hz == clock_rate_hz_;
  if (is_same_source && header.timestamp == timestamp_) {
    if (!is_open_) return;  // The end, again.
  } else if (is_same_source && is_late(header)) {
    return;
  } else if (is_same_source && continues(header, payload)) {
    ticks_before_ += ticks_;
    ticks_ = 0;
    timestamp_ = header.timestamp;
  } else {
    if (is_open_) end(sink);
    has_heard_ = true;
    is_open_ = true;
    ssrc_ = header.ssrc;
    timestamp_before_ = timestamp_;
    timestamp_ = header.timestamp;
    event_ = payload.event;
    clock_rate_hz_ = clock_rate_hz;
    ticks_before_ = 0;
    ticks_ = 0;
    sink.on_begin(payload.event, payload.volume);
  }
  sequence_ = header.sequence;
  ticks_ = std::max(ticks_, payload.duration);
  heard_at_ns_ = now_ns;
  if (payload.is_end) end(sink);
}

/** Whether a new timestamp is the next segment of the press under way. */
bool EventDetector::continues(const RtpHeader& header, const EventPayload& payload) const {
  if (!is_open_ || header.marker || payload.event != event_) return false;
  const uint32_t tolerance = clock_rate_hz_ / 1000 * kSegmentToleranceMs;
  const uint32_t step = header.timestamp - timestamp_;
  return ticks_ + tolerance >= kLongest && step + tolerance >= kLongest && step <= kLongest + tolerance;
}

int64_t EventDetector::duration_ns() const {
  return static_cast<int64_t>((ticks_before_ + ticks_) * kSecondNs / clock_rate_hz_);
}

void EventDetector::poll(int64_t now_ns, EventSink& sink) {
  if (is_open_ && now_ns >= due_ns()) end(sink);
}

void EventDetector::close(EventSink& sink) {
  if (is_open_) end(sink);
}

void EventDetector::end(EventSink& sink) {
  is_open_ = false;
  sink.on_end(event_, duration_ns());
}

// ---- Sender ----

bool EventSender::press(const Format& format, uint8_t event, int64_t duration_ns) {
  return add({format, event, kUsualVolume, false, true, duration_ns});
}

bool EventSender::begin(const Format& format, uint8_t event, uint8_t volume) {
  return add({format, event, volume, true, false, kLongestNs});
}

bool EventSender::add(const Press& press) {
  if (size_ == kMaxQueued) return false;
  if (size_ == 0) due_ns_ = 0;
  if (queue_ == nullptr) queue_ = std::make_unique<std::array<Press, kMaxQueued>>();
  Press& added = (*queue_)[(head_ + size_) % kMaxQueued];
  added = press;
  added.duration_ns = std::clamp(press.duration_ns, kIntervalNs, kLongestNs);
  size_++;
  return true;
}

void EventSender::end(int64_t duration_ns) {
  for (size_t i = size_; i > 0; i--) {
    Press& press = (*queue_)[(head_ + i - 1) % kMaxQueued];
    if (!press.is_open) continue;
    press.is_open = false;
    press.duration_ns = std::clamp(duration_ns, kIntervalNs, kLongestNs);
    return;
  }
}

void EventSender::pop() {
  head_ = (head_ + 1) % kMaxQueued;
  size_--;
  phase_ = Phase::waiting;
}

bool EventSender::next(int64_t now_ns, EventPacket& packet) {
  if (phase_ == Phase::ending && ends_ == kEnds) pop();
  if (size_ == 0) return false;
  const Press& press = front();
  packet = {phase_ == Phase::waiting, press.format.payload_type, press.format.clock_rate_hz, 0, {}};
  if (phase_ != Phase::ending) return next_update(now_ns, packet);
  packet.offset = offset_;
  packet.payload = ending_;
  ends_++;
  due_ns_ += kIntervalNs;
  return true;
}

bool EventSender::next_update(int64_t now_ns, EventPacket& packet) {
  Press& press = front();
  if (phase_ == Phase::waiting) {
    phase_ = Phase::down;
    started_at_ns_ = now_ns;
    elapsed_ns_ = 0;
    offset_ = 0;
  }
  // A press lasts from its first packet, which says how long it will have lasted when the next one is due.
  const int64_t since = (now_ns - started_at_ns_) / kIntervalNs * kIntervalNs + kIntervalNs;
  const int64_t elapsed = std::max(elapsed_ns_ + kIntervalNs, since);
  const bool is_cut = press.may_be_cut && size_ > 1 && elapsed >= kEnoughNs;
  const bool is_over = !is_cut && elapsed >= press.duration_ns;
  // Never less than was said before.
  elapsed_ns_ = is_over ? std::max(elapsed_ns_, press.duration_ns) : elapsed;
  due_ns_ = std::max(started_at_ns_ + elapsed, now_ns);

  packet.offset = offset_;
  packet.payload = {press.event, is_over || is_cut, press.volume, 0};
  const uint64_t ticks = ticks_of(elapsed_ns_, press.format.clock_rate_hz) - offset_;
  if (ticks > kLongest) {
    // RFC 4733 §2.5.1.3: this segment ends, without the bit that says so; the next one begins at once.
    packet.payload.is_end = false;
    packet.payload.duration = kLongest;
    offset_ += kLongest;
    // What is over has still to be said, with the next segment.
    return true;
  }
  packet.payload.duration = static_cast<uint16_t>(ticks);
  if (packet.payload.is_end) {
    phase_ = Phase::ending;
    ends_ = 1;
    ending_ = packet.payload;
  }
  return true;
}

}  // namespace webtrunk
