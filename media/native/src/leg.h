#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "crossing.h"
#include "endpoint.h"
#include "fetch_ahead.h"
#include "latch.h"
#include "player.h"
#include "receive_statistics.h"
#include "relay_counters.h"
#include "relay_packets.h"
#include "relay_token_bucket.h"
#include "repacketiser.h"
#include "rewrite.h"
#include "srtp.h"
#include "telephone_event.h"

namespace webtrunk {

/** Slot in the low 16 bits, generation (never 0) in the high ones. 0 is no leg. */
using LegId = uint32_t;
using SocketId = uint16_t;

/** `visitor`: without sockets and peer, for a leg of another relay thread that is bridged to one of this. */
enum class LegKind : uint8_t { webrtc, rtp, visitor };

/** How one direction of a leg is protected. Until it is set, nothing passes. */
enum class Protection : uint8_t { unset, plain, srtp };

/** What becomes of the key presses that a source sends as RFC 4733 events. */
enum class EventRoute : uint8_t { none, played, told };

/** What becomes of one payload type of a source leg. */
struct Mapping {
  static constexpr uint8_t kUnmapped = 0xff;

  uint8_t payload_type = kUnmapped;
  /** Its packets can be cut anywhere. */
  bool is_one_octet_a_tick = false;
  uint32_t clock_rate_hz = 0;
  /** Of telephone-event; 0: it is not. Such a payload type has no other entry. */
  uint32_t event_rate_hz = 0;
};

/** Mappings by payload type: a description names a few of 128. */
class MappingTable {
 public:
  const Mapping& of(uint8_t payload_type) const {
    for (const Entry& entry : entries_) {
      if (entry.payload_type == payload_type) return entry.mapping;
    }
    return kNone;
  }

  void fetch_ahead() const { webtrunk::fetch_ahead(entries_.data(), sizeof(Entry) * entries_.size()); }

  void reserve(size_t size) { entries_.reserve(size); }

  void set(uint8_t payload_type, const Mapping& mapping) {
    for (Entry& entry : entries_) {
      if (entry.payload_type != payload_type) continue;
      entry.mapping = mapping;
      return;
    }
    entries_.push_back({payload_type, mapping});
  }

 private:
  struct Entry {
    uint8_t payload_type;
    Mapping mapping;
  };
  static constexpr Mapping kNone{};

  std::vector<Entry> entries_;
};

/** Where the packets of a source leg go, and what becomes of its payload types. */
struct Route {
  /** 0: nothing becomes of this payload type. */
  uint32_t clock_rate_hz(uint8_t payload_type) const {
    const Mapping& mapping = map.of(payload_type);
    return mapping.event_rate_hz != 0 ? mapping.event_rate_hz : mapping.clock_rate_hz;
  }

  LegId target = 0;
  /**
   * To a leg of another thread: the way there, and the leg's visitor, which has the route to the target. Here `target` is
   * nothing then, and `map` serves the figures of the leg.
   */
  std::shared_ptr<Crossing> crossing;
  LegId visitor = 0;
  MappingTable map;
  EventRoute events = EventRoute::none;
  /** `played`: how the target's peer takes them. */
  EventSender::Format event_format;
  /** Null: packets keep their length. */
  std::unique_ptr<Repacketiser> frames;
};

/** What the relay does for a leg at a time of its own. */
enum class Task : uint8_t { play, press, cut, end_press };
constexpr size_t kTasks = 4;

/** A 5-tuple on a socket that several legs share: ours and the remote. Compared by its bytes. */
struct Tuple {
  Endpoint remote;
  SocketId socket = 0;

  bool operator==(const Tuple& other) const { return socket == other.socket && remote == other.remote; }
};

/** Shared sockets of a trunk leg. */
struct SharedPlace {
  SocketId rtp = 0;
  SocketId rtcp = 0;
};

/** Keys of a leg's peer: those that it presses, and those that we press towards it. */
struct KeyPresses {
  EventDetector heard;
  EventSender sent;
  /** RTP timestamp of the press that is sent now. */
  uint32_t sent_timestamp = 0;
  TokenBucket bucket;
  /** The press heard now is one too many. */
  bool is_refused = false;
};

/** One leg as the relay thread has it. Made on the JavaScript thread, then touched by the relay thread only. */
struct Leg {
  static constexpr size_t kMaxTuples = 16;
  /** Those before and after an ICE restart. */
  static constexpr size_t kMaxUfrags = 2;
  /** Its keys are our own, one a suite; past this nothing is sent. */
  static constexpr size_t kMaxRetiredSenders = 15;

  Leg(LegId leg_id, LegKind leg_kind, uint32_t leg_ssrc, std::shared_ptr<LegCounters> leg_counters)
      : id(leg_id),
        kind(leg_kind),
        ssrc(leg_ssrc),
        counters(std::move(leg_counters)),
        outbound(RewriteStart::random(leg_ssrc)) {}

  KeyPresses& key_presses() {
    if (presses == nullptr) presses = std::make_unique<KeyPresses>();
    return *presses;
  }
  /** A key is down towards its peer: the stream carries it in place of audio. */
  bool has_key_down() const { return presses != nullptr && presses->sent.is_down(); }

  const LegId id;
  const LegKind kind;
  const uint32_t ssrc;
  const std::shared_ptr<LegCounters> counters;

  Protection receive_protection = Protection::unset;
  Protection send_protection = Protection::unset;
  bool first_received_told = false;
  bool first_sent_told = false;
  bool move_untold = false;
  std::unique_ptr<SrtpReceiver> receiver;
  std::unique_ptr<SrtpSender> sender;
  /**
   * Trunk leg: of the keys it sent with before. One that comes back (forked answers, a re-INVITE that turns to the other
   * suite and back) goes on with its indices, so that no key stream is used twice.
   */
  std::vector<std::unique_ptr<SrtpSender>> retired_senders;

  ReceiveStatistics inbound;
  RtpRewriter outbound;
  /** Leg whose route feeds it; 0 after that route ended. */
  LegId fed_by = 0;
  std::unique_ptr<Route> route;
  std::unique_ptr<Player> player;
  /** Null before the first key press: most legs never have one. */
  std::unique_ptr<KeyPresses> presses;
  /** Of the RTP that its peer may have forwarded. */
  TokenBucket rtp_bucket;
  /** When each task is next due; 0: not. */
  std::array<int64_t, kTasks> due_ns{};
  /** When anything of the peer was last accepted, and how long it may be silent from `watched_from_ns` on; 0: forever. */
  int64_t heard_at_ns = 0;
  int64_t watched_from_ns = 0;
  int64_t silence_limit_ns = 0;
  /** Trunk leg: when anything last came from where its media is believed. RTCP of another port says nothing about that place at a NAT. */
  int64_t media_source_heard_at_ns = 0;
  /** Records that its peer may cause upwards, kind by kind: who forges one kind must not crowd out the checks. */
  std::array<TokenBucket, 4> up_buckets;
  /** Checks that name it, of sources that are not admitted yet, all together: with forged ones they come from everywhere. */
  TokenBucket stray_bucket;

  /** By which the packets of its peer are known on a shared socket. Browser leg: oldest first. */
  std::vector<Tuple> tuples;

  /** Browser leg. */
  std::vector<std::string> ufrags;
  Tuple target;
  bool has_target = false;
  /** DTLS or authenticated media chose the target; nominations no longer do. */
  bool is_target_proven = false;

  /** Trunk leg. Its own sockets, unless it has its place on shared ones. */
  std::optional<SharedPlace> place;
  /** Another leg's peer names the same source: until then no SSRC but the one heard is believed. */
  int64_t contested_until_ns = 0;
  Transmitter rtp;
  Transmitter rtcp;
  Latch latch;
  /** Where RTCP goes when it is not muxed. */
  Endpoint rtcp_target;
  Endpoint rtcp_announced;
  /** Its keys come of a handshake on the RTP port: DTLS goes up, and nothing ever leaves unencrypted. */
  bool is_dtls = false;
  bool is_rtcp_muxed = true;
  /** Its description names no address to send to. The latch stays as it is. */
  bool is_muted = false;
};

}  // namespace webtrunk
