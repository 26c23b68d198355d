#include "relay_binding.h"

#include <pthread.h>
#include <signal.h>
#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "leg_directory.h"
#include "relay_address.h"
#include "relay_arguments.h"
#include "relay_loop.h"
#include "relay_route_argument.h"

namespace webtrunk {

namespace {

constexpr int kMinSharedBuffer = 64 << 10;
constexpr int kMaxSharedBuffer = 256 << 20;
/** A third to nearly all of a second of one call, by what the kernel counts for a packet: what is older is of no use to a listener. */
constexpr int kLegBuffer = 16 << 10;
constexpr size_t kMaxBatch = 64 << 10;
constexpr size_t kMinQueue = 4 << 10;
constexpr size_t kMaxQueue = 256 << 20;
/** The kernel's `TASK_COMM_LEN`, without the zero. */
constexpr size_t kMaxThreadName = 15;
/** Slots are 16 bits of the leg id. */
constexpr size_t kMaxLegs = UINT16_MAX;
/** More would be heard as delay. */
constexpr uint32_t kMaxGatherUs = 5'000;
/** Of a browser with two addresses; more get their memory with the command that adds them. */
constexpr size_t kUsualTuples = 2;
constexpr size_t kMaxFrames = 10'000;

/** Of the objects that can be unwrapped as a relay. */
constexpr napi_type_tag kRelayTag = {0x5f2c8e0b7a914d36, 0xb3d8417c69e05af2};

/** Tells JavaScript that the queue has something: at most one call is under way, and none follows until it was emptied. */
struct Announcer {
  std::unique_ptr<RelayLoop> loop;
  std::atomic<bool> is_under_way{false};
  /** JavaScript thread. */
  bool is_announced = false;
  bool is_closed = false;
};

void call_on_ready(Napi::Env env, Napi::Function on_ready, std::shared_ptr<Announcer>* context, void*) {
  if (env == nullptr) return;
  const std::shared_ptr<Announcer> announcer = *context;
  if (announcer->is_closed || announcer->is_announced || announcer->loop->queue.is_empty()) return;
  announcer->is_announced = true;
  on_ready.Call({});
}

using OnReady = Napi::TypedThreadSafeFunction<std::shared_ptr<Announcer>, void, call_on_ready>;

struct PortPair {
  Fd rtp;
  Fd rtcp;
};

/** Points into the caller's buffers. Null `bytes`: 'none'. */
struct KeyArgument {
  Suite suite{};
  const uint8_t* bytes = nullptr;
  size_t length = 0;
  /** Receiving only. */
  SrtpMki mki;
};

bool read_gathering(Napi::Value value, int64_t& gather_ns) {
  uint32_t gather_us;
  if (!read_integer(value, "gatherUs", 0, kMaxGatherUs, gather_us)) return false;
  gather_ns = int64_t{gather_us} * 1000;
  return true;
}

class RelayObject : public Napi::ObjectWrap<RelayObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Relay",
                       {InstanceMethod<&RelayObject::bind>("bind"),
                        InstanceMethod<&RelayObject::bind_shared>("bindShared"),
                        InstanceMethod<&RelayObject::add_leg>("addLeg"),
                        InstanceMethod<&RelayObject::add_visitor>("addVisitor"),
                        InstanceMethod<&RelayObject::admit>("admit"), InstanceMethod<&RelayObject::set_ufrags>("setUfrags"),
                        InstanceMethod<&RelayObject::set_remote>("setRemote"),
                        InstanceMethod<&RelayObject::move_leg>("moveLeg"),
                        InstanceMethod<&RelayObject::set_keys>("setKeys"),
                        InstanceMethod<&RelayObject::set_route>("setRoute"), InstanceMethod<&RelayObject::play>("play"),
                        InstanceMethod<&RelayObject::press>("press"), InstanceMethod<&RelayObject::watch>("watch"),
                        InstanceMethod<&RelayObject::take_batch>("takeBatch"), InstanceMethod<&RelayObject::send>("send"),
                        InstanceMethod<&RelayObject::send_rtcp>("sendRtcp"),
                        InstanceMethod<&RelayObject::send_dtls>("sendDtls"), InstanceMethod<&RelayObject::stats>("stats"),
                        InstanceMethod<&RelayObject::report>("report"),
                        InstanceMethod<&RelayObject::counters>("counters"), InstanceMethod<&RelayObject::tables>("tables"), InstanceMethod<&RelayObject::load>("load"),
                        InstanceMethod<&RelayObject::remove>("remove"), InstanceMethod<&RelayObject::close>("close")});
  }

  explicit RelayObject(const Napi::CallbackInfo& info);
  ~RelayObject() override { end_thread(); }

 private:
  Napi::Value bind(const Napi::CallbackInfo& info);
  Napi::Value bind_shared(const Napi::CallbackInfo& info);
  Napi::Value add_leg(const Napi::CallbackInfo& info);
  Napi::Value add_visitor(const Napi::CallbackInfo& info);
  void admit(const Napi::CallbackInfo& info);
  void set_ufrags(const Napi::CallbackInfo& info);
  void set_remote(const Napi::CallbackInfo& info);
  void move_leg(const Napi::CallbackInfo& info);
  void set_keys(const Napi::CallbackInfo& info);
  void set_route(const Napi::CallbackInfo& info);
  void play(const Napi::CallbackInfo& info);
  void press(const Napi::CallbackInfo& info);
  void watch(const Napi::CallbackInfo& info);
  Napi::Value take_batch(const Napi::CallbackInfo& info);
  void send(const Napi::CallbackInfo& info);
  void send_rtcp(const Napi::CallbackInfo& info);
  void send_dtls(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value report(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  Napi::Value tables(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  void remove(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  bool read_limits(Napi::Object options, RelayLimits& limits);
  LegDirectory::Entry* read_leg(Napi::Value value);
  bool read_key(Napi::Value value, KeyArgument& key);
  SocketId next_socket() const { return static_cast<SocketId>(uses_.size()); }
  size_t bound_for(EventSource use) const;
  void add_socket(Fd socket, EventSource use);
  bool read_socket(Napi::Value value, const char* name, EventSource use, SocketId& out);
  bool read_place(Napi::Value value, SharedPlace& out);
  bool read_port_pair(Napi::Object options, Endpoint& rtp);
  /** These return false after they have thrown. */
  bool open_port_pair(Napi::Env env, const Endpoint& rtp, int buffer, PortPair& pair);
  bool open_leg_ports(Napi::Env env, LegId leg, const Endpoint& rtp, PortPair& pair);
  bool throw_if_full(Napi::Env env);
  bool claim(Napi::Env env, LegDirectory::Entry& entry, SetRemoteCommand& command);
  bool lead_across(Napi::Value relay, std::unique_ptr<Route>& route);
  std::shared_ptr<Crossing> crossing_to(RelayObject& other);
  Fd open_released(const Endpoint& local, int buffer);
  bool throw_if_closed(Napi::Env env);
  RelayLoop& loop() { return *announcer_->loop; }
  void announce();
  void end_thread();
  static void on_environment_end(void* self) { static_cast<RelayObject*>(self)->end_thread(); }

  /** Shared with `on_ready_`: calls may be under way after `close`. */
  std::shared_ptr<Announcer> announcer_;
  OnReady on_ready_;
  std::thread thread_;
  std::unique_ptr<LegDirectory> directory_;
  /** What each bound socket is for, by its id. */
  std::vector<EventSource> uses_;
  /** To other relays, one each. */
  std::vector<std::shared_ptr<Crossing>> crossings_;
  uint8_t dscp_ = 0;
  /** Bytes asked of the kernel, each way, for a socket that many legs share. */
  int shared_buffer_ = 0;
  uint64_t mailbox_full_ = 0;
  bool is_closed_ = true;
};

// ---- Life ----

RelayObject::RelayObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RelayObject>(info) {
  const Napi::Env env = info.Env();
  Napi::Object options;
  RelayLimits limits{};
  std::string thread_name;
  if (!read_object(info[0], "options", options) || !read_limits(options, limits) ||
      !read_text(options.Get("threadName"), "threadName", 1, kMaxThreadName, thread_name))
    return;
  const Napi::Value on_ready = options.Get("onReady");
  if (on_ready.IsEmpty()) return;
  if (!on_ready.IsFunction()) {
    throw_type_error(env, "onReady is not a function");
    return;
  }

  announcer_ = std::make_shared<Announcer>();
  announcer_->loop = std::make_unique<RelayLoop>(limits, [this] { announce(); });
  if (!loop().is_ready()) {
    throw_system(env, errno, "open relay");
    return;
  }
  directory_ = std::make_unique<LegDirectory>(limits.max_legs);

  auto context = std::make_unique<std::shared_ptr<Announcer>>(announcer_);
  on_ready_ = OnReady::New(
      env, on_ready.As<Napi::Function>(), Napi::Object::New(env), "webtrunk.relay", 0, 1, context.release(),
      [](Napi::Env, void*, std::shared_ptr<Announcer>* ended) { std::unique_ptr<std::shared_ptr<Announcer>> freed(ended); },
      static_cast<void*>(nullptr));
  // After the thread-safe function has added its own: hooks run in reverse, so that the thread ends before it does.
  napi_add_env_cleanup_hook(env, on_environment_end, this);
  Value().TypeTag(&kRelayTag);
  Ref();

  // Signals are for Node's threads.
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  thread_ = std::thread([loop = announcer_->loop.get()] { loop->run(); });
  pthread_setname_np(thread_.native_handle(), thread_name.c_str());
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  is_closed_ = false;
}

bool RelayObject::read_limits(Napi::Object options, RelayLimits& limits) {
  return read_integer(options.Get("maxLegs"), "maxLegs", 1, kMaxLegs, limits.max_legs) &&
         read_integer(options.Get("queueBytes"), "queueBytes", kMinQueue, kMaxQueue, limits.queue_bytes) &&
         read_integer(options.Get("strayPerSecond"), "strayPerSecond", 1, 1e6, limits.stray_rate.per_second) &&
         read_integer(options.Get("strayBurst"), "strayBurst", 1, 1e6, limits.stray_rate.burst) &&
         read_integer(options.Get("maxStraySources"), "maxStraySources", 1, 1e6, limits.max_stray_sources) &&
         read_gathering(options.Get("gatherUs"), limits.gather_ns) &&
         read_integer(options.Get("sharedBufferBytes"), "sharedBufferBytes", kMinSharedBuffer, kMaxSharedBuffer,
                      shared_buffer_) &&
         read_integer(options.Get("dscp"), "dscp", 0, kMaxDscp, dscp_);
}

void RelayObject::announce() {
  if (!announcer_->is_under_way.exchange(true)) on_ready_.NonBlockingCall();
}

void RelayObject::end_thread() {
  if (!thread_.joinable()) return;
  is_closed_ = true;
  announcer_->is_closed = true;
  loop().mailbox.stop();
  thread_.join();
}

void RelayObject::close(const Napi::CallbackInfo& info) {
  if (is_closed_) return;
  end_thread();
  napi_remove_env_cleanup_hook(info.Env(), on_environment_end, this);
  on_ready_.Release();
  Unref();
}

bool RelayObject::throw_if_closed(Napi::Env env) {
  if (is_closed_) throw_coded(env, "ECLOSED", "the relay is closed");
  return is_closed_;
}

// ---- Sockets and legs ----

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
  std::string kind_text, ufrag;
  std::optional<SharedPlace> place;
  uint32_t ssrc;
  Endpoint rtp;
  if (throw_if_closed(env) || !read_object(info[0], "leg", options) ||
      !read_text(options.Get("kind"), "kind", 1, 16, kind_text) ||
      !read_integer(options.Get("ssrc"), "ssrc", 0, UINT32_MAX, ssrc))
    return env.Undefined();
  const LegKind kind = kind_text == "webrtc" ? LegKind::webrtc : LegKind::rtp;
  if (kind == LegKind::webrtc) {
    if (!read_text(options.Get("ufrag"), "ufrag", 4, sizeof(Ufrag), ufrag)) return env.Undefined();
    if (directory_->has_ufrag(ufrag)) {
      throw_type_error(env, "ufrag is in use");
      return env.Undefined();
    }
  } else {
    if (kind_text != "rtp") {
      throw_type_error(env, "kind is neither webrtc nor rtp");
      return env.Undefined();
    }
    const Napi::Value shared = options.Get("shared");
    if (!shared.IsUndefined()) {
      if (!read_place(shared, place.emplace())) return env.Undefined();
      // A ClientHello says not whose it is before its leg has a description.
      if (options.Get("dtls").ToBoolean()) {
        throw_type_error(env, "a leg with dtls has ports of its own");
        return env.Undefined();
      }
    } else if (!read_port_pair(options, rtp)) {
      return env.Undefined();
    }
  }
  if (throw_if_full(env)) return env.Undefined();
  LegDirectory::Entry& entry = directory_->add(kind, ssrc, ufrag);
  entry.is_dtls = kind == LegKind::rtp && options.Get("dtls").ToBoolean();
  const LegId id = entry.id;
  auto leg = std::make_unique<Leg>(id, kind, ssrc, entry.counters);
  leg->is_dtls = entry.is_dtls;
  entry.place = leg->place = place;
  leg->ufrags = entry.ufrags;
  leg->tuples.reserve(kUsualTuples);
  const bool has_sockets = kind == LegKind::rtp && !place.has_value();
  PortPair pair;
  if (has_sockets && !open_leg_ports(env, id, rtp, pair)) {
    directory_->remove(id);
    return env.Undefined();
  }
  leg->rtp.socket = std::move(pair.rtp);
  leg->rtcp.socket = std::move(pair.rtcp);
  loop().mailbox.post(AddLegCommand{std::move(leg)});
  return Napi::Number::New(env, id);
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

// ---- What a leg does ----

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

// ---- Datagrams ----

Napi::Value RelayObject::take_batch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (is_closed_) return env.Undefined();
  // Re-armed before looking, so that what is added from here on is announced.
  announcer_->is_announced = false;
  announcer_->is_under_way.exchange(false);
  const size_t length = loop().queue.peek(kMaxBatch);
  if (length == 0) return env.Undefined();
  auto batch = Napi::Buffer<uint8_t>::New(env, length);
  if (batch.IsEmpty()) return env.Undefined();
  loop().queue.take(batch.Data(), length);
  if (!loop().queue.is_empty()) announce();
  return batch;
}

void RelayObject::send(const Napi::CallbackInfo& info) {
  SendCommand command;
  const uint8_t* bytes;
  size_t length;
  if (is_closed_) return;
  if (!read_socket(info[0], "socket", EventSource::mux, command.tuple.socket) ||
      !read_endpoint(info[1], "remote", 1, command.tuple.remote) ||
      !read_bytes(info[2], "datagram", 1, kMaxDatagram, bytes, length))
    return;
  command.datagram.assign(bytes, bytes + length);
  if (!loop().mailbox.post_datagram(std::move(command))) mailbox_full_++;
}

void RelayObject::send_rtcp(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  const uint8_t* bytes;
  size_t length;
  if (entry == nullptr) return;
  if (!read_bytes(info[1], "packet", 1, kMaxDatagram, bytes, length)) return;
  if (!loop().mailbox.post_datagram(SendRtcpCommand{entry->id, std::vector<uint8_t>(bytes, bytes + length)}))
    mailbox_full_++;
}

void RelayObject::send_dtls(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  const uint8_t* bytes;
  size_t length;
  if (entry == nullptr) return;
  if (!entry->is_dtls) return throw_type_error(info.Env(), "only a trunk leg with dtls sends such a datagram itself");
  if (!read_bytes(info[1], "datagram", 1, kMaxDatagram, bytes, length)) return;
  if (!loop().mailbox.post_datagram(SendDtlsCommand{entry->id, std::vector<uint8_t>(bytes, bytes + length)}))
    mailbox_full_++;
}

// ---- Figures ----

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

Napi::Value open_relay(const Napi::CallbackInfo& info) {
  const Napi::Function relay = RelayObject::define(info.Env());
  if (relay.IsEmpty()) return info.Env().Undefined();
  return relay.New({info[0]});
}

void set_dscp_of(const Napi::CallbackInfo& info) {
  int socket;
  uint8_t dscp;
  if (!read_integer(info[0], "socket", 0, INT32_MAX, socket) || !read_integer(info[1], "dscp", 0, kMaxDscp, dscp)) return;
  if (!set_dscp(socket, dscp)) throw_system(info.Env(), errno, "mark socket");
}

}  // namespace

void init_relay(Napi::Env env, Napi::Object exports) {
  exports.Set("openRelay", Napi::Function::New<open_relay>(env, "openRelay"));
  exports.Set("setDscp", Napi::Function::New<set_dscp_of>(env, "setDscp"));
}

}  // namespace webtrunk
