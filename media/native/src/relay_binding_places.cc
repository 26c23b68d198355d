#include <algorithm>
#include <cerrno>
#include <cmath>
#include <optional>
#include <string>

#include "relay_address.h"
#include "relay_arguments.h"
#include "relay_object.h"

namespace webtrunk {

namespace {

/** Half a second to nearly two of one call, by what the kernel counts for a packet: what is older is of no use to a listener. */
constexpr int kLegBuffer = 32 << 10;
/** Of a browser with two addresses; more get their memory with the command that adds them. */
constexpr size_t kUsualTuples = 2;

}  // namespace

Napi::Value RelayObject::bind(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Endpoint local;
  if (throw_if_closed(env) || !read_endpoint(info[0], "local", 0, local)) return env.Undefined();
  if (bound_for(EventSource::mux) == kMaxMuxSockets) {
    throw_coded(env, "ELIMIT", "the relay has its " + std::to_string(kMaxMuxSockets) + " mux sockets");
    return env.Undefined();
  }
  const SocketId id = next_socket();
  Fd socket = open_udp(local, shared_buffer_, dscp_);
  if (!socket.is_open() || !loop().watch(socket, EventSource::mux, id)) {
    throw_system(env, errno, "bind mux socket");
    return env.Undefined();
  }
  Napi::Object bound = Napi::Object::New(env);
  bound.Set("socket", Napi::Number::New(env, id));
  bound.Set("port", Napi::Number::New(env, local_port(socket)));
  bound.Set("receiveBufferBytes", Napi::Number::New(env, receive_buffer_of(socket)));
  add_socket(std::move(socket), EventSource::mux);
  return bound;
}

Napi::Value RelayObject::bind_shared(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object options;
  Endpoint local;
  if (throw_if_closed(env) || !read_object(info[0], "ports", options) || !read_port_pair(options, local))
    return env.Undefined();
  if (bound_for(EventSource::shared_rtp) == kMaxSharedPairs) {
    throw_coded(env, "ELIMIT", "the relay has its " + std::to_string(kMaxSharedPairs) + " shared pairs of ports");
    return env.Undefined();
  }
  const SharedPlace place = {next_socket(), static_cast<SocketId>(next_socket() + 1)};
  PortPair pair;
  if (!open_port_pair(env, local, shared_buffer_, pair)) return env.Undefined();
  if (!loop().watch(pair.rtp, EventSource::shared_rtp, place.rtp) ||
      !loop().watch(pair.rtcp, EventSource::shared_rtcp, place.rtcp)) {
    throw_system(env, errno, "watch shared ports");
    return env.Undefined();
  }
  add_socket(std::move(pair.rtp), EventSource::shared_rtp);
  add_socket(std::move(pair.rtcp), EventSource::shared_rtcp);
  Napi::Object bound = Napi::Object::New(env);
  bound.Set("rtp", Napi::Number::New(env, place.rtp));
  bound.Set("rtcp", Napi::Number::New(env, place.rtcp));
  return bound;
}

size_t RelayObject::bound_for(EventSource use) const {
  return static_cast<size_t>(std::count(uses_.begin(), uses_.end(), use));
}

void RelayObject::add_socket(Fd socket, EventSource use) {
  loop().mailbox.post(AddSocketCommand{std::move(socket)});
  uses_.push_back(use);
}

Napi::Value RelayObject::add_leg(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Object options;
  std::string kind;
  LegArguments wanted;
  if (throw_if_closed(env) || !read_object(info[0], "leg", options) ||
      !read_text(options.Get("kind"), "kind", 1, 16, kind) ||
      !read_integer(options.Get("ssrc"), "ssrc", 0, UINT32_MAX, wanted.ssrc))
    return env.Undefined();
  wanted.kind = kind == "webrtc" ? LegKind::webrtc : LegKind::rtp;
  if (wanted.kind == LegKind::rtp && kind != "rtp") {
    throw_type_error(env, "kind is neither webrtc nor rtp");
    return env.Undefined();
  }
  const bool is_read =
      wanted.kind == LegKind::webrtc ? read_browser_leg(options, wanted) : read_trunk_leg(options, wanted);
  if (!is_read || throw_if_full(env)) return env.Undefined();
  LegDirectory::Entry& entry = directory_->add(wanted.kind, wanted.ssrc, wanted.ufrag);
  const LegId id = entry.id;
  auto leg = std::make_unique<Leg>(id, wanted.kind, wanted.ssrc, entry.counters);
  entry.is_dtls = leg->is_dtls = wanted.is_dtls;
  entry.place = leg->place = wanted.place;
  leg->ufrags = entry.ufrags;
  leg->tuples.reserve(kUsualTuples);
  PortPair pair;
  if (wanted.has_sockets && !open_leg_ports(env, id, wanted.rtp, pair)) {
    directory_->remove(id);
    return env.Undefined();
  }
  leg->rtp.socket = std::move(pair.rtp);
  leg->rtcp.socket = std::move(pair.rtcp);
  loop().mailbox.post(AddLegCommand{std::move(leg)});
  return Napi::Number::New(env, id);
}

bool RelayObject::read_browser_leg(Napi::Object options, LegArguments& out) {
  if (!read_text(options.Get("ufrag"), "ufrag", 4, sizeof(Ufrag), out.ufrag)) return false;
  if (!directory_->has_ufrag(out.ufrag)) return true;
  throw_type_error(options.Env(), "ufrag is in use");
  return false;
}

bool RelayObject::read_trunk_leg(Napi::Object options, LegArguments& out) {
  out.is_dtls = options.Get("dtls").ToBoolean();
  const Napi::Value shared = options.Get("shared");
  out.has_sockets = shared.IsUndefined();
  if (out.has_sockets) return read_port_pair(options, out.rtp);
  if (!read_place(shared, out.place.emplace())) return false;
  // A ClientHello says not whose it is before its leg has a description.
  if (!out.is_dtls) return true;
  throw_type_error(options.Env(), "a leg with dtls has ports of its own");
  return false;
}

Napi::Value RelayObject::add_visitor(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (throw_if_closed(env) || throw_if_full(env)) return env.Undefined();
  const LegDirectory::Entry& entry = directory_->add(LegKind::visitor, 0, "");
  loop().mailbox.post(AddLegCommand{std::make_unique<Leg>(entry.id, entry.kind, entry.ssrc, entry.counters)});
  return Napi::Number::New(env, entry.id);
}

bool RelayObject::throw_if_full(Napi::Env env) {
  if (directory_->is_full()) throw_coded(env, "ELIMIT", "the relay has its largest number of legs");
  return directory_->is_full();
}

bool RelayObject::read_socket(Napi::Value value, const char* name, EventSource use, SocketId& out) {
  if (!read_integer(value, name, 0, static_cast<double>(uses_.size()) - 1, out)) return false;
  if (uses_[out] == use) return true;
  throw_type_error(value.Env(), std::string(name) + " is a socket for something else");
  return false;
}

bool RelayObject::read_place(Napi::Value value, SharedPlace& out) {
  Napi::Object options;
  return read_object(value, "shared", options) &&
         read_socket(options.Get("rtp"), "shared.rtp", EventSource::shared_rtp, out.rtp) &&
         read_socket(options.Get("rtcp"), "shared.rtcp", EventSource::shared_rtcp, out.rtcp);
}

bool RelayObject::read_port_pair(Napi::Object options, Endpoint& rtp) {
  std::string address;
  uint16_t port;
  if (!read_text(options.Get("address"), "address", 1, INET6_ADDRSTRLEN, address) ||
      !read_integer(options.Get("rtpPort"), "rtpPort", 1, UINT16_MAX - 1, port))
    return false;
  if (parse_endpoint(address.c_str(), port, rtp)) return true;
  throw_type_error(options.Env(), "address is not an IP address");
  return false;
}

bool RelayObject::open_port_pair(Napi::Env env, const Endpoint& rtp, int buffer, PortPair& pair) {
  Endpoint rtcp = rtp;
  rtcp.port++;
  pair.rtp = open_released(rtp, buffer);
  if (pair.rtp.is_open()) pair.rtcp = open_released(rtcp, buffer);
  if (pair.rtcp.is_open()) return true;
  throw_system(env, errno, "bind RTP and RTCP port from " + std::to_string(rtp.port));
  return false;
}

bool RelayObject::open_leg_ports(Napi::Env env, LegId leg, const Endpoint& rtp, PortPair& pair) {
  if (!open_port_pair(env, rtp, kLegBuffer, pair)) return false;
  if (loop().watch(pair.rtp, EventSource::leg_rtp, leg) && loop().watch(pair.rtcp, EventSource::leg_rtcp, leg)) return true;
  throw_system(env, errno, "watch RTP and RTCP port");
  return false;
}

/** Opens a socket that a removed leg may still hold for the moment that its command is under way. */
Fd RelayObject::open_released(const Endpoint& local, int buffer) {
  Fd socket = open_udp(local, buffer, dscp_);
  if (socket.is_open() || errno != EADDRINUSE) return socket;
  loop().mailbox.wait_until_done();
  return open_udp(local, buffer, dscp_);
}

void RelayObject::move_leg(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  LegDirectory::Entry* entry = read_leg(info[0]);
  Napi::Object options;
  Endpoint rtp;
  if (entry == nullptr) return;
  if (!entry->place.has_value()) return throw_type_error(env, "the leg has ports of its own");
  if (!read_object(info[1], "ports", options) || !read_port_pair(options, rtp)) return;
  PortPair pair;
  if (!open_leg_ports(env, entry->id, rtp, pair)) return;
  directory_->claim(*entry, {});
  entry->place.reset();
  loop().mailbox.post(MoveLegCommand{entry->id, std::move(pair.rtp), std::move(pair.rtcp)});
}

void RelayObject::remove(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  if (entry == nullptr) return;
  const LegId id = entry->id;
  directory_->remove(id);
  loop().mailbox.post(RemoveCommand{id});
}

/** Null: not a leg (any more), or the relay is closed, which is to be ignored; or it was no number, and has thrown. */
LegDirectory::Entry* RelayObject::read_leg(Napi::Value value) {
  if (!value.IsNumber()) {
    throw_type_error(value.Env(), "leg is not a number");
    return nullptr;
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  const bool is_id = !is_closed_ && number >= 1 && number <= UINT32_MAX && number == std::floor(number);
  return is_id ? directory_->find(static_cast<LegId>(number)) : nullptr;
}

}  // namespace webtrunk
