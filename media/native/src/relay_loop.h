#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gathering.h"
#include "leg.h"
#include "load_meter.h"
#include "mailbox.h"
#include "patience.h"
#include "queue.h"
#include "relay_counters.h"
#include "relay_intake.h"
#include "relay_packets.h"
#include "relay_table.h"
#include "socket_ring.h"
#include "stray_limiter.h"

namespace webtrunk {

/** Our part of an ICE username, padded with zeros. Compared by its bytes. */
using Ufrag = std::array<char, 64>;

struct RelayLimits {
  uint16_t max_legs;
  size_t queue_bytes;
  BucketRate stray_rate;
  size_t max_stray_sources;
  /** Longest pause between two looks at the sockets; 0: none. */
  int64_t gather_ns;
  /** How long a backlog may last before media that is late already is dropped: longer than it takes to work off a burst, shorter than a jitter buffer. */
  int64_t patience_ns = 100'000'000;
};

constexpr size_t kMaxMuxSockets = 16;
/** One an address, for RTP and RTCP of the trunk legs that share it. */
constexpr size_t kMaxSharedPairs = 16;

/** What an epoll event belongs to. */
enum class EventSource : uint32_t { mailbox, timer, doorbell, mux, shared_rtp, shared_rtcp, leg_rtp, leg_rtcp };

/** A socket that several legs share. */
struct MuxSocket : Transmitter {
  /** Of which kind it is; known once it was ready. */
  EventSource kind = EventSource::mux;
  /** It has, or may have, something to be taken in. */
  bool is_ready = false;
};

/** The relay's time. */
int64_t monotonic_ns();

inline uint64_t event_tag(EventSource source, uint32_t id) { return static_cast<uint64_t>(source) << 32 | id; }

/**
 * The relay thread: sockets, legs and the packet path between them. `run` is the thread; everything else in here is
 * called by it. Other threads reach it through the mailbox, and read its counters and its queue.
 *
 * A round is: pause under load, wait, carry out commands, take in a bounded batch from every ready socket and every other
 * thread, play, send what came of it.
 * Nothing is allocated, locked, thrown or logged for a packet. A command posted before a datagram arrived is in force
 * for it.
 */
class RelayLoop {
 public:
  /** `notify`: called on the relay thread when records were added to the queue. */
  RelayLoop(const RelayLimits& limits, std::function<void()> notify);

  /** False when the kernel refused one of the descriptors; `errno` tells why. */
  bool is_ready() const;
  /** JavaScript thread: has the socket watched. False as `is_ready`. */
  bool watch(const Fd& socket, EventSource source, uint32_t id);
  /** What wakes the thread for packets of others. */
  const std::shared_ptr<Doorbell>& doorbell() const { return doorbell_; }
  /** Until the mailbox is stopped. Then every leg and socket is gone. */
  void run();

  Mailbox mailbox;
  UpQueue queue;
  RelayCounters counters;

 private:
  friend class RelayEventSink;

  /** A socket of a trunk leg's own that epoll found ready. */
  struct LegEvent {
    LegId leg;
    bool is_rtcp;
    /** How many packets of media were accepted of it in this round. */
    uint32_t accepted = 0;
  };

  /** Void when the leg has its task at another time by then. */
  struct Due {
    int64_t at_ns;
    LegId leg;
    Task task;
  };

  static bool is_later(const Due& one, const Due& other) { return one.at_ns > other.at_ns; }

  // relay_loop.cc
  bool is_idle() const;
  void gather();
  void round(int timeout_ms);
  bool dispatch(const epoll_event& event, LegEvent& of_leg);
  void arm_timer();
  void publish();
  void measure_load();

  // relay_io.cc
  void serve(SocketId id);
  bool take_batch(SocketId id);
  void serve_legs(LegEvent* events, size_t size);
  size_t take_each(LegEvent* events, size_t size);
  bool on_leg_datagram(Leg& leg, const LegEvent& event, Packet* packet, bool is_whole);
  void find_owners(SocketId id, size_t received);
  bool on_datagram(const MuxSocket& socket, SocketId id, Leg* owner, Packet* packet, bool is_whole);
  bool on_shared_datagram(Leg* owner, bool is_rtcp, Packet* packet, bool is_whole);
  Transmitter* socket_of(const LegEvent& event);
  template <typename Drops>
  void count_overflow(Transmitter& on, uint32_t overflown, Drops& drops);
  Packet* take_packet();
  void enqueue(Transmitter& on, Packet* packet, const Endpoint& remote);
  void flush();
  void send_each(Transmitter* const* sockets, size_t size);
  static int32_t send_one(const Fd& socket, const Packet& packet);
  static bool send_in_pieces(const Fd& socket, const Packet& packet, int error);
  void send_all(const Transmitter& on);
  void count_sent(const Packet& packet);
  void count_unsent(const Packet& packet);

  // relay_fetch.cc
  void fetch_legs_ahead(Leg* const* legs, size_t size) const;

  // relay_crossing.cc
  bool may_sleep();
  void serve_crossings();
  bool on_crossed(LegId visitor, Packet* packet);
  bool lead(Leg& source, Packet* packet, const RtpHeader& header, size_t payload_length);
  void carry_out(AddCrossingCommand& command);

  // relay_due.cc
  void schedule(Leg& leg, Task task, int64_t at_ns);
  void do_due();
  void play(Leg& leg);
  void send_cut(Leg& source);
  void notice_silence();

  // relay_events.cc
  void on_event(Leg& source, Leg& target, const RtpHeader& header, const uint8_t* payload, size_t length);
  void end_lost_press(Leg& source);
  void abandon_press(Leg& source);
  bool press(Leg& leg, const PressCommand& command);
  void send_event(Leg& leg);

  // relay_commands.cc
  void carry_out_commands();
  void carry_out(AddSocketCommand& command);
  void carry_out(AddLegCommand& command);
  void carry_out(AdmitCommand& command);
  void carry_out(SetUfragsCommand& command);
  void carry_out(SetRemoteCommand& command);
  void carry_out(MoveLegCommand& command);
  void carry_out(ContestCommand& command);
  void carry_out(SetReceiveKeyCommand& command);
  void carry_out(SetSendKeyCommand& command);
  void carry_out(SetRouteCommand& command);
  void carry_out(PlayCommand& command);
  void carry_out(PressCommand& command);
  void carry_out(WatchCommand& command);
  void carry_out(SendCommand& command);
  void carry_out(SendRtcpCommand& command);
  void carry_out(SendDtlsCommand& command);
  void carry_out(RemoveCommand& command);
  void carry_out(HeartbeatCommand&) {}
  void forget_tuple(Leg& leg, const Tuple& tuple);
  void set_tuples(Leg& leg, const std::vector<Tuple>& tuples);
  void stop_player(Leg& leg);

  // relay_path.cc. Those that return bool say whether the packet was handed on; otherwise it is the caller's again.
  // `owner`: the leg that the 5-tuple belongs to, or null.
  bool on_mux_datagram(SocketId socket, Leg* owner, Packet* packet, const Endpoint& from);
  void on_stun(SocketId socket, const Leg* owner, const Packet& packet, const Endpoint& from);
  void on_dtls(SocketId socket, Leg* owner, const Packet& packet, const Endpoint& from);
  bool on_browser_media(const Tuple& tuple, Leg* owner, Packet* packet, bool is_rtcp);
  bool on_trunk_datagram(Leg& leg, bool is_on_rtcp_socket, Packet* packet, const Endpoint& from);
  void on_trunk_dtls(Leg& leg, const Packet& packet, const Endpoint& from);
  bool on_trunk_rtp(Leg& leg, Packet* packet, const Endpoint& from);
  void on_trunk_rtcp(Leg& leg, bool is_on_rtcp_socket, Packet* packet, const Endpoint& from);
  void note_rtcp(Leg& leg, const Packet& packet);
  Drop unprotect(Leg& leg, Packet& packet, bool is_rtcp);
  bool forward(Leg& source, Packet* packet, const Endpoint& from);
  bool carry(Leg& source, Leg& target, Packet* packet, const RtpHeader& header, size_t payload_length);
  static Drop readiness(const Leg& leg);
  /** Of a trunk leg. */
  Transmitter& rtp_of(Leg& leg) { return leg.place.has_value() ? mux_[leg.place->rtp] : leg.rtp; }
  Transmitter& rtcp_of(Leg& leg) { return leg.place.has_value() ? mux_[leg.place->rtcp] : leg.rtcp; }
  bool send_rtp(Leg& leg, Packet* packet, uint8_t payload_type, uint32_t clock_rate_hz);
  bool send_written(Leg& leg, Packet* packet, size_t length, uint32_t clock_rate_hz);
  Drop send_rtcp(Leg& leg, Packet* packet);
  void move_browser_target(Leg& leg, const Tuple& tuple, bool is_proof);
  void divert(Leg& leg, const RecordHead& head, const uint8_t* bytes, size_t length);
  void tell(Leg& leg, RecordKind kind, const Endpoint& remote, bool& is_told);

  Leg* find_leg(LegId id) const {
    Leg* leg = leg_in_slot(id);
    return leg != nullptr && leg->id == id ? leg : nullptr;
  }
  /** Which may be a later one than that asked for. */
  Leg* leg_in_slot(LegId id) const {
    const size_t slot = id & 0xffff;
    return slot < legs_.size() ? legs_[slot].get() : nullptr;
  }
  const LegId* find_tuple(const Tuple& tuple) const { return tuples_.find(tuple); }

  std::function<void()> notify_;
  bool has_news_ = false;
  Fd epoll_;
  Fd timer_;
  int64_t now_ns_ = 0;

  /** Those of browser legs, and those that trunk legs share. */
  std::vector<MuxSocket> mux_;
  std::vector<std::unique_ptr<Leg>> legs_;
  size_t leg_count_ = 0;
  BoundedTable<Ufrag, LegId> ufrags_;
  BoundedTable<Tuple, LegId> tuples_;
  StrayLimiter strays_;
  std::vector<Command> commands_;

  const std::shared_ptr<Doorbell> doorbell_;
  /** By which packets come from other relay threads. */
  std::vector<std::shared_ptr<Crossing>> crossings_;

  Gathering gathering_;
  LoadMeter load_;
  size_t packets_in_round_ = 0;
  /** Some sockets were left unserved, or not emptied: no pause. */
  bool has_backlog_ = false;
  Patience patience_;
  /** Of what is taken in now media is dropped: the socket has had its turn, and waits for the others'. */
  bool is_shedding_ = false;
  /** Packets of media that were accepted, in all. */
  uint64_t accepted_ = 0;

  PacketPool pool_;
  Intake intake_;
  /** Of the datagrams taken in. */
  std::array<Leg*, Intake::kSize> owners_{};
  SocketRing ring_;
  std::vector<Transmitter*> to_flush_;

  /** A heap by time, soonest first. */
  std::vector<Due> due_;
  size_t player_count_ = 0;
  int64_t silence_noticed_at_ns_ = 0;
  int64_t timer_armed_for_ns_ = 0;
};

}  // namespace webtrunk
