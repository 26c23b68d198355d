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

Napi::Object received_report(Napi::Env env, const ReceiveFigures& figures, int64_t now_ns) {
  Napi::Object report = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { report.Set(name, Napi::Number::New(env, value)); };
  set("ssrc", figures.ssrc);
  set("epoch", figures.epoch);
  set("expected", static_cast<double>(figures.expected()));
  set("received", static_cast<double>(figures.received));
  set("highestSequence", static_cast<uint32_t>(figures.highest_sequence - 0x10000));
  set("jitterMs", static_cast<double>(figures.jitter_ns) / 1e6);
  set("clockRateHz", figures.clock_rate_hz);
  set("expectedInAll", static_cast<double>(figures.expected_before + figures.expected()));
  set("receivedInAll", static_cast<double>(figures.received_before + figures.received));
  if (figures.deviations > 0)
    set("meanJitterMs", static_cast<double>(figures.deviation_sum_ns) / static_cast<double>(figures.deviations) / 1e6);
  if (figures.clock_span_ns > 0) {
    set("clockSpanMs", static_cast<double>(figures.clock_span_ns) / 1e6);
    set("clockRatio", static_cast<double>(figures.media_span_ns) / static_cast<double>(figures.clock_span_ns));
  }
  if (figures.report_at_ns == 0) return report;
  Napi::Object sender_report = Napi::Object::New(env);
  sender_report.Set("ntpMiddle", Napi::Number::New(env, figures.report_ntp));
  sender_report.Set("ageMs", Napi::Number::New(env, static_cast<double>(now_ns - figures.report_at_ns) / 1e6));
  report.Set("senderReport", sender_report);
  return report;
}

Napi::Object sent_report(Napi::Env env, const LegCounters& counters, const SendFigures& figures, int64_t now_ns) {
  Napi::Object report = Napi::Object::New(env);
  const auto set = [&](const char* name, double value) { report.Set(name, Napi::Number::New(env, value)); };
  set("packets", static_cast<double>(counters.packets_sent.get()));
  set("octets", static_cast<double>(counters.octets_sent.get()));
  set("firstSequence", figures.first_sequence);
  set("timestamp", figures.newest_timestamp);
  set("clockRateHz", figures.clock_rate_hz);
  set("ageMs", static_cast<double>(now_ns / 1000 - static_cast<int64_t>(figures.newest_at_us)) / 1e3);
  return report;
}

}  // namespace

Napi::Value RelayObject::stats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return env.Undefined();
  const LegCounters& counters = *entry->counters;
  Napi::Object stats = Napi::Object::New(env);
  const auto set = [&](const char* name, const Counter& counter) {
    stats.Set(name, Napi::Number::New(env, static_cast<double>(counter.get())));
  };
  set("packetsReceived", counters.packets_received);
  set("octetsReceived", counters.octets_received);
  set("packetsSent", counters.packets_sent);
  set("octetsSent", counters.octets_sent);
  set("payloadSamples", counters.payload_samples);
  set("flatSamples", counters.flat_samples);
  stats.Set("drops", drops_of(env, counters.drops));
  const std::optional<Endpoint> remote = counters.remote.get();
  stats.Set("remote", remote.has_value() ? Napi::Value(transport_address(env, *remote)) : env.Undefined());
  return stats;
}

Napi::Value RelayObject::report(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return env.Undefined();
  const std::optional<ReceiveFigures> receive = entry->counters->receive.get();
  const std::optional<SendFigures> send = entry->counters->send.get();
  const int64_t now_ns = monotonic_ns();
  Napi::Object report = Napi::Object::New(env);
  if (receive.has_value() && receive->epoch > 0) report.Set("received", received_report(env, *receive, now_ns));
  if (send.has_value()) report.Set("sent", sent_report(env, *entry->counters, *send, now_ns));
  return report;
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
