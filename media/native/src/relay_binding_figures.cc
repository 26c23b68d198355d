#include <optional>
#include <string>

#include "relay_arguments.h"
#include "relay_object.h"

namespace webtrunk {

namespace {

/** Of a leg or of the relay. */
template <typename Drops>
Napi::Object drops_of(Napi::Env env, const Drops& drops) {
  Napi::Object object = Napi::Object::New(env);
  for (size_t i = 0; i < kDropCount; i++) {
    const uint64_t number = counted(drops, static_cast<Drop>(i));
    if (number > 0) object.Set(kDropNames[i], Napi::Number::New(env, static_cast<double>(number)));
  }
  return object;
}

Napi::Number number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

Napi::Number number(Napi::Env env, const Counter& counter) { return number(env, static_cast<double>(counter.get())); }

Napi::Number milliseconds(Napi::Env env, int64_t ns) { return number(env, static_cast<double>(ns) / 1e6); }

}  // namespace

RelayObject::FigureShapes::FigureShapes(Napi::Env env)
    : stats(env, {"packetsReceived", "octetsReceived", "packetsSent", "octetsSent", "payloadSamples", "flatSamples",
                  "drops", "remote"}),
      report(env, {"received", "sent"}),
      received(env, {"ssrc", "epoch", "expected", "received", "highestSequence", "jitterMs", "clockRateHz", "expectedInAll",
                     "receivedInAll", "meanJitterMs", "clockSpanMs", "clockRatio", "senderReport"}),
      sender_report(env, {"ntpMiddle", "ageMs"}),
      sent(env, {"packets", "octets", "firstSequence", "timestamp", "clockRateHz", "ageMs"}) {}

Napi::Value RelayObject::received_report(Napi::Env env, const ReceiveFigures& figures, int64_t now_ns) {
  const Napi::Value none = env.Undefined();
  const double mean_jitter_ns = static_cast<double>(figures.deviation_sum_ns) / static_cast<double>(figures.deviations);
  const double clock_ratio = static_cast<double>(figures.media_span_ns) / static_cast<double>(figures.clock_span_ns);
  const bool has_clock = figures.clock_span_ns > 0;
  const Napi::Value sender_report =
      figures.report_at_ns == 0
          ? none
          : shapes_->sender_report.make({number(env, figures.report_ntp), milliseconds(env, now_ns - figures.report_at_ns)});
  return shapes_->received.make({
      number(env, figures.ssrc),
      number(env, figures.epoch),
      number(env, static_cast<double>(figures.expected())),
      number(env, static_cast<double>(figures.received)),
      number(env, static_cast<uint32_t>(figures.highest_sequence - 0x10000)),
      milliseconds(env, static_cast<int64_t>(figures.jitter_ns)),
      number(env, figures.clock_rate_hz),
      number(env, static_cast<double>(figures.expected_before + figures.expected())),
      number(env, static_cast<double>(figures.received_before + figures.received)),
      figures.deviations > 0 ? number(env, mean_jitter_ns / 1e6) : none,
      has_clock ? milliseconds(env, figures.clock_span_ns) : none,
      has_clock ? number(env, clock_ratio) : none,
      sender_report,
  });
}

Napi::Value RelayObject::sent_report(Napi::Env env, const LegCounters& counters, const SendFigures& figures, int64_t now_ns) {
  const double age_us = static_cast<double>(now_ns / 1000 - static_cast<int64_t>(figures.newest_at_us));
  return shapes_->sent.make({
      number(env, counters.packets_sent),
      number(env, counters.octets_sent),
      number(env, figures.first_sequence),
      number(env, figures.newest_timestamp),
      number(env, figures.clock_rate_hz),
      number(env, age_us / 1e3),
  });
}

Napi::Value RelayObject::stats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return env.Undefined();
  const LegCounters& counters = *entry->counters;
  const std::optional<Endpoint> remote = counters.remote.get();
  return shapes_->stats.make({
      number(env, counters.packets_received),
      number(env, counters.octets_received),
      number(env, counters.packets_sent),
      number(env, counters.octets_sent),
      number(env, counters.payload_samples),
      number(env, counters.flat_samples),
      drops_of(env, counters.drops),
      remote.has_value() ? Napi::Value(transport_address(env, *remote)) : env.Undefined(),
  });
}

Napi::Value RelayObject::report(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return env.Undefined();
  const std::optional<ReceiveFigures> receive = entry->counters->receive.get();
  const std::optional<SendFigures> send = entry->counters->send.get();
  const int64_t now_ns = monotonic_ns();
  const bool was_heard = receive.has_value() && receive->epoch > 0;
  return shapes_->report.make({
      was_heard ? received_report(env, *receive, now_ns) : env.Undefined(),
      send.has_value() ? sent_report(env, *entry->counters, *send, now_ns) : env.Undefined(),
  });
}

Napi::Value RelayObject::counters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object object = drops_of(env, loop().counters.drops);
  if (mailbox_full_ > 0)
    object.Set(drop_name(Drop::media_mailbox_full), Napi::Number::New(env, static_cast<double>(mailbox_full_)));
  return object;
}

Napi::Value RelayObject::tables(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  // So that what was just removed is seen to be gone.
  if (!is_closed_) loop().mailbox.wait_until_done();
  const RelayCounters& counters = loop().counters;
  Napi::Object object = Napi::Object::New(env);
  const auto set = [&](const char* name, const Counter& counter) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(counter.get())));
  };
  set("legs", counters.legs);
  set("tuples", counters.tuples);
  set("sockets", counters.sockets);
  set("players", counters.players);
  set("straySources", counters.stray_sources);
  return object;
}

Napi::Value RelayObject::load(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(loop().counters.load.get()) / 1000);
}

Napi::Value RelayObject::heartbeat(const Napi::CallbackInfo& info) {
  int64_t waiting_ns = 0;
  if (!is_closed_) {
    waiting_ns = loop().mailbox.waiting_ns();
    if (waiting_ns == 0) loop().mailbox.post(HeartbeatCommand{});
  }
  return Napi::Number::New(info.Env(), static_cast<double>(waiting_ns) / 1e6);
}

}  // namespace webtrunk
