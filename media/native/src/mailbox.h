#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <variant>
#include <vector>

#include "leg.h"
#include "relay_socket.h"

namespace webtrunk {

struct AddSocketCommand {
  Fd socket;
};

/** Packets come by it from another relay thread from now on. */
struct AddCrossingCommand {
  std::shared_ptr<Crossing> crossing;
};

struct AddLegCommand {
  std::unique_ptr<Leg> leg;
};

struct AdmitCommand {
  LegId leg;
  Tuple tuple;
  bool is_nominated;
};

struct SetUfragsCommand {
  LegId leg;
  std::vector<std::string> ufrags;
};

/** Muted: the rest does not count. */
struct SetRemoteCommand {
  LegId leg;
  bool is_muted;
  Endpoint rtp;
  Endpoint rtcp;
  bool is_rtcp_muxed;
  uint32_t latch_ms;
};

/** From its place on shared sockets to sockets of its own; it keeps its target. */
struct MoveLegCommand {
  LegId leg;
  Fd rtp;
  Fd rtcp;
};

/** See `Leg::contested_until_ns`. */
struct ContestCommand {
  LegId leg;
};

/** Null: 'none'. */
struct SetReceiveKeyCommand {
  LegId leg;
  std::unique_ptr<SrtpReceiver> receiver;
};

struct SetSendKeyCommand {
  LegId leg;
  std::unique_ptr<SrtpSender> sender;
};

/** Null: what comes in is dropped. */
struct SetRouteCommand {
  LegId leg;
  std::unique_ptr<Route> route;
};

/** Null: stop. */
struct PlayCommand {
  LegId leg;
  std::unique_ptr<Player> player;
};

/** A key press of ours towards the leg's peer. */
struct PressCommand {
  LegId leg;
  EventSender::Format format;
  uint8_t event;
  int64_t duration_ns;
};

/** 0: it may be silent forever. */
struct WatchCommand {
  LegId leg;
  int64_t silence_limit_ns;
};

struct SendCommand {
  Tuple tuple;
  std::vector<uint8_t> datagram;
};

struct SendRtcpCommand {
  LegId leg;
  std::vector<uint8_t> packet;
};

/** A handshake datagram of a trunk leg, to where it sends its media. */
struct SendDtlsCommand {
  LegId leg;
  std::vector<uint8_t> datagram;
};

struct RemoveCommand {
  LegId leg;
};

/** Nothing is to be done: that it was taken is the answer. */
struct HeartbeatCommand {};

using Command = std::variant<AddSocketCommand, AddCrossingCommand, AddLegCommand, AdmitCommand, SetUfragsCommand, SetRemoteCommand,
                             MoveLegCommand, ContestCommand,
                             SetReceiveKeyCommand, SetSendKeyCommand, SetRouteCommand, PlayCommand, PressCommand,
                             WatchCommand, SendCommand, SendRtcpCommand, SendDtlsCommand, RemoveCommand, HeartbeatCommand>;

/**
 * Commands from the JavaScript thread to the relay thread, in order. The relay thread takes its lock only when there is
 * a command, between two batches.
 */
class Mailbox {
 public:
  /** Datagrams that may wait; the relay thread empties the box every round, so more means that it is overrun. */
  static constexpr size_t kMaxDatagrams = 4096;

  /** The eventfd may not have been granted: look at `event()`. */
  Mailbox();

  const Fd& event() const { return event_; }

  /** JavaScript thread. */
  void post(Command command);
  /** JavaScript thread; false when too many wait. */
  bool post_datagram(Command command);
  /** JavaScript thread: for how long the relay thread has left waiting what is there, in nanoseconds; 0: nothing is. */
  int64_t waiting_ns();
  /** JavaScript thread: waits until all that was posted is done, at most `kMaxWaitMs`. */
  void wait_until_done();
  /** Asks the relay thread to end; `post` is without effect from here on. */
  void stop();

  /** Relay thread: something was posted since the last `collect`. */
  bool has_mail() const { return has_mail_.load(std::memory_order_acquire); }
  /** Relay thread: exchanges the waiting commands for the (empty) `commands`. */
  void collect(std::vector<Command>& commands);
  /** Relay thread: what was collected last has been carried out. */
  void done();
  bool is_stopped() const { return is_stopped_.load(std::memory_order_acquire); }

 private:
  static constexpr int kMaxWaitMs = 1000;

  void wake();

  Fd event_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<Command> waiting_;
  /** Since when, if there are some. */
  std::chrono::steady_clock::time_point waiting_since_;
  size_t datagrams_ = 0;
  bool is_busy_ = false;
  std::atomic<bool> has_mail_{false};
  std::atomic<bool> is_stopped_{false};
};

}  // namespace webtrunk
