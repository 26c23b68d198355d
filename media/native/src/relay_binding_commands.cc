#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "relay_address.h"
#include "relay_arguments.h"
#include "relay_object.h"
#include "relay_route_argument.h"

namespace webtrunk {

namespace {

constexpr size_t kMaxFrames = 10'000;

}  // namespace

void RelayObject::admit(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  Tuple tuple;
  if (entry == nullptr) return;
  if (entry->kind != LegKind::webrtc) return throw_type_error(info.Env(), "only a webrtc leg admits 5-tuples");
  if (!read_socket(info[1], "socket", EventSource::mux, tuple.socket) ||
      !read_endpoint(info[2], "remote", 1, tuple.remote))
    return;
  loop().mailbox.post(AdmitCommand{entry->id, tuple, info[3].ToBoolean()});
}

void RelayObject::set_ufrags(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return;
  if (entry->kind != LegKind::webrtc) return throw_type_error(env, "only a webrtc leg has ufrags");
  if (!info[1].IsArray()) return throw_type_error(env, "ufrags is not an array");
  const auto list = info[1].As<Napi::Array>();
  if (list.Length() == 0 || list.Length() > Leg::kMaxUfrags) return throw_range_error(env, "ufrags has a wrong length");
  SetUfragsCommand command{entry->id, {}};
  for (uint32_t i = 0; i < list.Length(); i++) {
    std::string ufrag;
    if (!read_text(list.Get(i), "ufrag", 4, sizeof(Ufrag), ufrag)) return;
    command.ufrags.push_back(std::move(ufrag));
  }
  if (!directory_->set_ufrags(*entry, command.ufrags)) return throw_type_error(env, "ufrag is in use");
  loop().mailbox.post(std::move(command));
}

void RelayObject::set_remote(const Napi::CallbackInfo& info) {
  LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return;
  if (entry->kind != LegKind::rtp) return throw_type_error(info.Env(), "a webrtc leg learns its remote by admit");
  Napi::Object target;
  SetRemoteCommand command{entry->id, info[1].IsUndefined(), {}, {}, true, 0};
  if (command.is_muted) return loop().mailbox.post(std::move(command));
  if (!read_object(info[1], "target", target) || !read_endpoint(target.Get("rtp"), "rtp", 1, command.rtp) ||
      !read_integer(target.Get("latchMs"), "latchMs", 0, 1e9, command.latch_ms))
    return;
  const Napi::Value rtcp = target.Get("rtcp");
  command.is_rtcp_muxed = rtcp.IsUndefined();
  if (!command.is_rtcp_muxed && !read_endpoint(rtcp, "rtcp", 1, command.rtcp)) return;
  if (is_unspecified(command.rtp) || (!command.is_rtcp_muxed && is_unspecified(command.rtcp)))
    return throw_range_error(info.Env(), "target is the unspecified address");
  if (entry->place.has_value() && !claim(info.Env(), *entry, command)) return;
  loop().mailbox.post(std::move(command));
}

bool RelayObject::claim(Napi::Env env, LegDirectory::Entry& entry, SetRemoteCommand& command) {
  std::vector<Tuple> tuples = {{command.rtp, entry.place->rtp}};
  if (!command.is_rtcp_muxed) tuples.push_back({command.rtcp, entry.place->rtcp});
  const LegId owner = directory_->claim(entry, tuples);
  if (owner == 0) {
    command.latch_ms = 0;
    return true;
  }
  loop().mailbox.post(ContestCommand{owner});
  throw_coded(env, "ECOLLISION", "another leg on these ports has this remote");
  return false;
}

bool RelayObject::read_key(Napi::Value value, KeyArgument& key) {
  if (value.IsString() && value.As<Napi::String>().Utf8Value() == "none") return true;
  Napi::Object object;
  std::string suite_name;
  if (!read_object(value, "key", object) || !read_text(object.Get("suite"), "suite", 1, 64, suite_name)) return false;
  const SuiteParameters* suite = find_suite(suite_name);
  if (suite == nullptr) {
    throw_type_error(value.Env(), "unknown suite " + suite_name);
    return false;
  }
  key.suite = suite->suite;
  const size_t wanted = suite->key_length + suite->salt_length;
  const Napi::Value mki = object.Get("mki");
  const uint8_t* mki_bytes;
  if (!mki.IsUndefined()) {
    if (!read_bytes(mki, "mki", 1, SrtpMki::kMaxLength, mki_bytes, key.mki.length)) return false;
    std::memcpy(key.mki.bytes.data(), mki_bytes, key.mki.length);
  }
  // Last: from here on nothing of JavaScript runs, so that the buffer is there until the key is made of it.
  return read_bytes(object.Get("keySalt"), "keySalt", wanted, wanted, key.bytes, key.length);
}

void RelayObject::set_keys(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const LegDirectory::Entry* entry = read_leg(info[0]);
  std::string direction;
  KeyArgument key;
  if (entry == nullptr) return;
  if (!read_text(info[1], "direction", 4, 7, direction) || !read_key(info[2], key)) return;
  if (direction != "receive" && direction != "send") return throw_type_error(env, "direction is neither receive nor send");
  if (key.bytes == nullptr && (entry->kind == LegKind::webrtc || entry->is_dtls))
    return throw_type_error(env, "a leg with dtls is never without encryption");

  if (key.mki.length > 0 && direction == "send") return throw_type_error(env, "what we send has no mki");

  // Contexts are made here: key derivation is no work for between two batches.
  if (direction == "receive") {
    SetReceiveKeyCommand command{entry->id, nullptr};
    if (key.bytes != nullptr) {
      command.receiver = SrtpReceiver::create(key.suite, key.bytes, key.length);
      if (command.receiver == nullptr) return throw_coded(env, "ECRYPTO", "OpenSSL refused the key");
      command.receiver->expect_mki(key.mki);
    }
    loop().mailbox.post(std::move(command));
  } else {
    SetSendKeyCommand command{entry->id, nullptr};
    if (key.bytes != nullptr) {
      command.sender = SrtpSender::create(key.suite, key.bytes, key.length, entry->ssrc);
      if (command.sender == nullptr) return throw_coded(env, "ECRYPTO", "OpenSSL refused the key");
    }
    loop().mailbox.post(std::move(command));
  }
}

void RelayObject::set_route(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return;
  SetRouteCommand command{entry->id, nullptr};
  if (info[1].IsUndefined()) return loop().mailbox.post(std::move(command));

  command.route = read_route(info[1]);
  if (command.route == nullptr || !lead_across(info[1].As<Napi::Object>().Get("relay"), command.route)) return;
  loop().mailbox.post(std::move(command));
}

/** Where the target is on another relay; none is left when that one is closed. */
bool RelayObject::lead_across(Napi::Value relay, std::unique_ptr<Route>& route) {
  if (relay.IsUndefined()) return true;
  Napi::Object object;
  if (!read_object(relay, "relay", object)) return false;
  RelayObject* other = object.CheckTypeTag(&kRelayTag) ? Unwrap(object) : nullptr;
  if (other == nullptr || other == this) {
    throw_type_error(relay.Env(), "relay is not another relay");
    return false;
  }
  if (other->is_closed_) {
    route.reset();
    return true;
  }
  route->visitor = std::exchange(route->target, 0);
  route->crossing = crossing_to(*other);
  return true;
}

std::shared_ptr<Crossing> RelayObject::crossing_to(RelayObject& other) {
  const std::shared_ptr<Doorbell>& doorbell = other.loop().doorbell();
  const auto known = std::find_if(crossings_.begin(), crossings_.end(), [&](const std::shared_ptr<Crossing>& crossing) {
    return crossing->doorbell() == doorbell.get();
  });
  if (known != crossings_.end()) return *known;
  crossings_.push_back(std::make_shared<Crossing>(doorbell));
  other.loop().mailbox.post(AddCrossingCommand{crossings_.back()});
  return crossings_.back();
}

void RelayObject::press(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return;
  Napi::Object options;
  PressCommand command{entry->id, {}, 0, 0};
  double duration_ms;
  if (!read_object(info[1], "press", options) || !read_event_format(options, command.format) ||
      !read_integer(options.Get("event"), "event", 0, UINT8_MAX, command.event) ||
      !read_number(options.Get("durationMs"), "durationMs", 1, 60'000, duration_ms))
    return;
  command.duration_ns = static_cast<int64_t>(duration_ms * 1e6);
  loop().mailbox.post(std::move(command));
}

void RelayObject::watch(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return;
  WatchCommand command{entry->id, 0};
  double limit_ms;
  if (!info[1].IsUndefined()) {
    if (!read_number(info[1], "silenceLimitMs", 1, 1e9, limit_ms)) return;
    command.silence_limit_ns = static_cast<int64_t>(limit_ms * 1e6);
  }
  loop().mailbox.post(std::move(command));
}

void RelayObject::play(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return;
  PlayCommand command{entry->id, nullptr};
  if (info[1].IsUndefined()) return loop().mailbox.post(std::move(command));

  Napi::Object options;
  Playback playback;
  double interval_ms;
  if (!read_object(info[1], "playback", options) ||
      !read_integer(options.Get("payloadType"), "payloadType", 0, 127, playback.payload_type) ||
      !read_number(options.Get("intervalMs"), "intervalMs", 1, 10'000, interval_ms) ||
      !read_integer(options.Get("timestampStep"), "timestampStep", 1, 1e6, playback.timestamp_step))
    return;
  playback.interval_ns = static_cast<int64_t>(interval_ms * 1e6);
  const Napi::Value frames = options.Get("frames");
  if (frames.IsEmpty() || !frames.IsArray()) return throw_type_error(info.Env(), "frames is not an array");
  const auto list = frames.As<Napi::Array>();
  if (list.Length() == 0 || list.Length() > kMaxFrames) return throw_range_error(info.Env(), "frames has a wrong length");
  for (uint32_t i = 0; i < list.Length(); i++) {
    const uint8_t* bytes;
    size_t length;
    if (!read_bytes(list.Get(i), "frame", 1, Player::kMaxFrame, bytes, length)) return;
    playback.frames.emplace_back(bytes, bytes + length);
  }
  uint32_t source_ssrc = 0;
  // Only has to differ from the source before it; a failure leaves 0, which does.
  if (getrandom(&source_ssrc, sizeof source_ssrc, 0) < 0) source_ssrc = 0;
  command.player = std::make_unique<Player>(std::move(playback), source_ssrc);
  loop().mailbox.post(std::move(command));
}

}  // namespace webtrunk
