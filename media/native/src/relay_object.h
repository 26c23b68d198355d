#pragma once

#include <napi.h>

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "announcer.h"
#include "leg_directory.h"
#include "object_shape.h"

namespace webtrunk {

/** Of the objects that can be unwrapped as a relay. */
constexpr napi_type_tag kRelayTag = {0x5f2c8e0b7a914d36, 0xb3d8417c69e05af2};

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

/** What a new leg is to be. */
struct LegArguments {
  LegKind kind = LegKind::rtp;
  uint32_t ssrc = 0;
  /** Browser leg. */
  std::string ufrag;
  /** Trunk leg: ports of its own from `rtp` on, or a place on shared ones. */
  bool has_sockets = false;
  Endpoint rtp;
  std::optional<SharedPlace> place;
  bool is_dtls = false;
};

/** `Relay` of media/native/boundary.ts: a relay thread, and what the JavaScript thread knows of its sockets and legs. */
class RelayObject : public Napi::ObjectWrap<RelayObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit RelayObject(const Napi::CallbackInfo& info);
  ~RelayObject() override { end_thread(); }

 private:
  // relay_binding.cc: its life, and datagrams
  Napi::Value take_batch(const Napi::CallbackInfo& info);
  void send(const Napi::CallbackInfo& info);
  void send_rtcp(const Napi::CallbackInfo& info);
  void send_dtls(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  bool read_limits(Napi::Object options, RelayLimits& limits);
  bool throw_if_closed(Napi::Env env);
  RelayLoop& loop() { return announcer_->loop; }
  /** False: the thread stands still, and was left behind. */
  bool end_thread();
  static void on_environment_end(void* self);

  // relay_binding_places.cc: sockets, and legs that come and go
  Napi::Value bind(const Napi::CallbackInfo& info);
  Napi::Value bind_shared(const Napi::CallbackInfo& info);
  Napi::Value add_leg(const Napi::CallbackInfo& info);
  Napi::Value add_visitor(const Napi::CallbackInfo& info);
  void move_leg(const Napi::CallbackInfo& info);
  void remove(const Napi::CallbackInfo& info);
  SocketId next_socket() const { return static_cast<SocketId>(uses_.size()); }
  size_t bound_for(EventSource use) const;
  void add_socket(Fd socket, EventSource use);
  LegDirectory::Entry* read_leg(Napi::Value value);
  bool read_socket(Napi::Value value, const char* name, EventSource use, SocketId& out);
  bool read_place(Napi::Value value, SharedPlace& out);
  bool read_browser_leg(Napi::Object options, LegArguments& out);
  bool read_trunk_leg(Napi::Object options, LegArguments& out);
  bool read_port_pair(Napi::Object options, Endpoint& rtp);
  /** These return false after they have thrown. */
  bool open_port_pair(Napi::Env env, const Endpoint& rtp, int buffer, PortPair& pair);
  bool open_leg_ports(Napi::Env env, LegId leg, const Endpoint& rtp, PortPair& pair);
  bool throw_if_full(Napi::Env env);
  Fd open_released(const Endpoint& local, int buffer);

  // relay_binding_commands.cc: what a leg does
  void admit(const Napi::CallbackInfo& info);
  void set_ufrags(const Napi::CallbackInfo& info);
  void set_remote(const Napi::CallbackInfo& info);
  void set_keys(const Napi::CallbackInfo& info);
  void set_route(const Napi::CallbackInfo& info);
  void play(const Napi::CallbackInfo& info);
  void press(const Napi::CallbackInfo& info);
  void watch(const Napi::CallbackInfo& info);
  bool claim(Napi::Env env, LegDirectory::Entry& entry, SetRemoteCommand& command);
  bool read_key(Napi::Value value, KeyArgument& key);
  bool lead_across(Napi::Value relay, std::unique_ptr<Route>& route);
  std::shared_ptr<Crossing> crossing_to(RelayObject& other);

  // relay_binding_figures.cc
  /** Of `NativeLegStats` and `NativeLegReport`, and of what is in them. */
  struct FigureShapes {
    explicit FigureShapes(Napi::Env env);
    ObjectShape stats, report, received, sender_report, sent;
  };
  Napi::Value received_report(Napi::Env env, const ReceiveFigures& figures, int64_t now_ns);
  Napi::Value sent_report(Napi::Env env, const LegCounters& counters, const SendFigures& figures, int64_t now_ns);
  Napi::Value stats(const Napi::CallbackInfo& info);
  Napi::Value report(const Napi::CallbackInfo& info);
  Napi::Value counters(const Napi::CallbackInfo& info);
  Napi::Value tables(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value heartbeat(const Napi::CallbackInfo& info);

  /** Shared with its thread, which may be left behind, and with calls that are under way after `close`. */
  std::shared_ptr<Announcer> announcer_;
  std::thread thread_;
  std::future<void> ended_;
  std::unique_ptr<LegDirectory> directory_;
  std::unique_ptr<const FigureShapes> shapes_;
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

}  // namespace webtrunk
