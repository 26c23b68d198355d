#include <cstring>

#include "bytes.h"
#include "demux.h"
#include "relay_loop.h"
#include "rtp.h"

namespace webtrunk {

namespace {

/** One packet in so many is looked into: a call shows within seconds what it carries, and the others cost a comparison. */
constexpr uint16_t kSampleMask = 63;
/** 10 ms of G.711. Codecs with frames that short have no silence of one byte. */
constexpr size_t kMinFlatLength = 80;

void sample_payload(LegCounters& counters, const Packet& packet, const RtpHeader& header, size_t payload_length) {
  const uint8_t* payload = packet.data + header.header_length;
  counters.payload_samples.add(1);
  if (payload_length < kMinFlatLength) return;
  // Equal to itself, moved by one: every byte is like the first.
  if (std::memcmp(payload, payload + 1, payload_length - 1) == 0) counters.flat_samples.add(1);
}

}  // namespace

namespace {

/**
 * RTP of one leg: several times what packets of 5 ms are, and the burst of a network that stood still. A loop of calls that name
 * each other's ports (SDP cannot tell it from a call that comes back to us) is over within its first second.
 */
constexpr BucketRate kRtpRate = {1000, 2000};

/** What one leg's peer may send towards TypeScript, of each kind: far above any need, far below a flood. */
constexpr BucketRate kUpRate = {200, 400};

bool may_go_up(Leg& leg, RecordKind kind, int64_t now_ns) {
  switch (kind) {
    case RecordKind::stun:
      return leg.up_buckets[0].take(kUpRate, now_ns);
    case RecordKind::dtls:
      return leg.up_buckets[1].take(kUpRate, now_ns);
    case RecordKind::rtcp:
      return leg.up_buckets[2].take(kUpRate, now_ns);
    case RecordKind::first_received:
    case RecordKind::first_sent:
    case RecordKind::target_moved:
    case RecordKind::key_pressed:
    case RecordKind::silent:
      break;
  }
  return leg.up_buckets[3].take(kUpRate, now_ns);
}

/** Whether a packet may move the latch: where nothing is authenticated, it carries at least a payload type we expect. */
bool is_plausible(const Leg& leg, const Packet& packet) {
  return leg.route == nullptr || leg.route->clock_rate_hz(packet.data[1] & 0x7f) != 0;
}

/** Of a contested leg. Where packets are authenticated, their key says whose they are. */
bool is_of_another_call(const Leg& leg, const Packet& packet) {
  const ReceiveFigures& heard = leg.inbound.figures();
  return leg.receive_protection == Protection::plain && heard.epoch > 0 && read_u32(packet.data + 8) != heard.ssrc;
}

}  // namespace

// ---- Browser side ----

bool RelayLoop::on_mux_datagram(SocketId socket, Leg* owner, Packet* packet, const Endpoint& from) {
  switch (classify(packet->data, packet->length)) {
    case DatagramKind::stun:
      on_stun(socket, owner, *packet, from);
      return false;
    case DatagramKind::dtls:
      on_dtls(socket, owner, *packet, from);
      return false;
    case DatagramKind::rtp:
      return on_browser_media({from, socket}, owner, packet, false);
    case DatagramKind::rtcp:
      return on_browser_media({from, socket}, owner, packet, true);
    case DatagramKind::unknown:
      break;
  }
  count(counters.drops, Drop::media_unknown_kind);
  return false;
}

void RelayLoop::on_stun(SocketId socket, const Leg* owner, const Packet& packet, const Endpoint& from) {
  const std::string_view text = stun_local_ufrag(packet.data, packet.length);
  Ufrag ufrag{};
  const LegId* id = nullptr;
  if (!text.empty() && text.size() <= ufrag.size()) {
    std::memcpy(ufrag.data(), text.data(), text.size());
    id = ufrags_.find(ufrag);
  }
  Leg* leg = id == nullptr ? nullptr : find_leg(*id);
  if (leg == nullptr) {
    count(counters.drops, Drop::stun_unknown_ufrag);
    return;
  }
  const RecordHead head = {RecordKind::stun, leg->id, socket, &from};
  if (owner == leg) {
    divert(*leg, head, packet.data, packet.length);
    return;
  }
  if (!strays_.allows(from, now_ns_)) {
    count(counters.drops, Drop::stun_rate);
    return;
  }
  if (!leg->stray_bucket.take(kUpRate, now_ns_)) {
    count(leg->counters->drops, Drop::stun_rate);
    return;
  }
  if (!queue.push(head, packet.data, packet.length, false)) {
    count(counters.drops, Drop::media_queue_full);
    return;
  }
  has_news_ = true;
}

void RelayLoop::on_dtls(SocketId socket, Leg* owner, const Packet& packet, const Endpoint& from) {
  if (owner == nullptr) {
    count(counters.drops, Drop::dtls_not_admitted);
    return;
  }
  // Anybody can write a record of DTLS; where there are keys, only what they prove moves the target.
  if (owner->receive_protection != Protection::srtp) move_browser_target(*owner, {from, socket}, true);
  divert(*owner, {RecordKind::dtls, owner->id, socket, &from}, packet.data, packet.length);
}

bool RelayLoop::on_browser_media(const Tuple& tuple, Leg* owner, Packet* packet, bool is_rtcp) {
  if (owner == nullptr) {
    count(counters.drops, Drop::media_not_admitted);
    return false;
  }
  if (is_shedding_ && !is_rtcp) {
    count(owner->counters->drops, Drop::media_shed);
    return false;
  }
  if (const Drop drop = unprotect(*owner, *packet, is_rtcp); drop != Drop::none) {
    count(owner->counters->drops, drop);
    return false;
  }
  move_browser_target(*owner, tuple, true);
  if (!is_rtcp) return forward(*owner, packet, tuple.remote);
  note_rtcp(*owner, *packet);
  divert(*owner, {RecordKind::rtcp, owner->id, 0, nullptr}, packet->data, packet->length);
  return false;
}

void RelayLoop::move_browser_target(Leg& leg, const Tuple& tuple, bool is_proof) {
  if (is_proof) leg.is_target_proven = true;
  if (!leg.has_target || !(leg.target == tuple)) {
    leg.move_untold = leg.has_target;  // The first target is no move.
    leg.has_target = true;
    leg.target = tuple;
    leg.counters->remote.set(tuple.remote);
  }
  if (leg.move_untold) {
    bool is_told = false;
    tell(leg, RecordKind::target_moved, tuple.remote, is_told);
    leg.move_untold = !is_told;
  }
}

// ---- Trunk side ----

bool RelayLoop::on_trunk_datagram(Leg& leg, bool is_on_rtcp_socket, Packet* packet, const Endpoint& from) {
  const DatagramKind kind = classify(packet->data, packet->length);
  if (kind == DatagramKind::rtcp) {
    on_trunk_rtcp(leg, is_on_rtcp_socket, packet, from);
    return false;
  }
  if (kind == DatagramKind::rtp && !is_on_rtcp_socket) return on_trunk_rtp(leg, packet, from);
  if (kind == DatagramKind::dtls && !is_on_rtcp_socket && leg.is_dtls) {
    on_trunk_dtls(leg, *packet, from);
    return false;
  }
  count(leg.counters->drops, Drop::media_unknown_kind);
  return false;
}

/**
 * Without ICE nothing shows whose a ClientHello is, so it must come from where the description says that media does. Before
 * there is a description TypeScript keeps a few, with their sources.
 */
void RelayLoop::on_trunk_dtls(Leg& leg, const Packet& packet, const Endpoint& from) {
  if (leg.latch.has_target() && from != leg.latch.target()) {
    count(leg.counters->drops, Drop::dtls_not_admitted);
    return;
  }
  divert(leg, {RecordKind::dtls, leg.id, 0, &from}, packet.data, packet.length);
}

bool RelayLoop::on_trunk_rtp(Leg& leg, Packet* packet, const Endpoint& from) {
  if (is_shedding_) {
    count(leg.counters->drops, Drop::media_shed);
    return false;
  }
  const auto now_ms = static_cast<uint64_t>(now_ns_ / 1'000'000);
  // Asked first: what the latch refuses must not spend a place in the replay window.
  if (leg.latch.judge(from, now_ms) == Latch::Verdict::rejected) {
    count(leg.counters->drops, Drop::media_wrong_source);
    return false;
  }
  if (const Drop drop = unprotect(leg, *packet, false); drop != Drop::none) {
    count(leg.counters->drops, drop);
    return false;
  }
  if (leg.contested_until_ns > now_ns_ && is_of_another_call(leg, *packet)) {
    count(leg.counters->drops, Drop::media_contested);
    return false;
  }
  if (from != leg.latch.target() && !is_plausible(leg, *packet)) {
    count(leg.counters->drops, Drop::rtp_unmapped);
    return false;
  }
  if (leg.latch.offer(from, now_ms) == Latch::Verdict::moved) {
    leg.move_untold = true;
    leg.counters->remote.set(from);
  }
  leg.media_source_heard_at_ns = now_ns_;
  if (leg.move_untold) {
    bool is_told = false;
    tell(leg, RecordKind::target_moved, leg.latch.target(), is_told);
    leg.move_untold = !is_told;
  }
  return forward(leg, packet, from);
}

/** RTCP is believed from where media comes from, whatever the port, and from where it was announced. */
void RelayLoop::on_trunk_rtcp(Leg& leg, bool is_on_rtcp_socket, Packet* packet, const Endpoint& from) {
  const bool is_from_media = leg.latch.has_target() && has_same_address(from, leg.latch.target());
  const bool is_announced = !leg.is_rtcp_muxed && from == leg.rtcp_announced;
  if (!is_from_media && !is_announced) {
    count(leg.counters->drops, Drop::media_wrong_source);
    return;
  }
  if (const Drop drop = unprotect(leg, *packet, true); drop != Drop::none) {
    count(leg.counters->drops, drop);
    return;
  }
  if (is_on_rtcp_socket && !leg.is_rtcp_muxed) leg.rtcp_target = from;
  if (from == leg.latch.target()) leg.media_source_heard_at_ns = now_ns_;
  note_rtcp(leg, *packet);
  divert(leg, {RecordKind::rtcp, leg.id, 0, nullptr}, packet->data, packet->length);
}

// ---- Both ----

/** In place; `none`: the packet is now plain and well-formed. */
Drop RelayLoop::unprotect(Leg& leg, Packet& packet, bool is_rtcp) {
  if (leg.receive_protection == Protection::unset) return Drop::srtp_no_keys;
  if (leg.receive_protection == Protection::srtp) {
    const Outcome outcome = is_rtcp ? leg.receiver->unprotect_rtcp(packet.data, packet.length)
                                    : leg.receiver->unprotect_rtp(packet.data, packet.length);
    if (!outcome) return outcome.drop;
    packet.length = outcome.length;
  }
  if (is_rtcp) return is_rtcp_compound(packet.data, packet.length) ? Drop::none : Drop::rtcp_bad_header;
  RtpHeader header;
  return parse_rtp_header(packet.data, packet.length, header);
}

/** When it came is for the peer's measure of the round trip: taken here, where it waits for nobody. */
void RelayLoop::note_rtcp(Leg& leg, const Packet& packet) {
  leg.heard_at_ns = now_ns_;
  SenderReport report;
  if (!find_sender_report(packet.data, packet.length, report)) return;
  leg.inbound.on_sender_report(report.ssrc, report.ntp_middle, now_ns_);
  leg.counters->receive.set(leg.inbound.figures());
}

/** Takes a plain RTP packet that its leg accepted to where the leg's route leads. */
bool RelayLoop::forward(Leg& source, Packet* packet, const Endpoint& from) {
  if (!source.rtp_bucket.take(kRtpRate, now_ns_)) {
    count(source.counters->drops, Drop::media_rate);
    return false;
  }
  RtpHeader header;
  size_t payload_length = 0;
  parse_rtp_header(packet->data, packet->length, header);
  if (!rtp_payload_length(packet->data, packet->length, header, payload_length)) {
    count(source.counters->drops, Drop::rtp_bad_header);
    return false;
  }
  accepted_++;
  source.heard_at_ns = now_ns_;
  if ((header.sequence & kSampleMask) == 0) sample_payload(*source.counters, *packet, header, payload_length);
  source.counters->packets_received.add(1);
  source.counters->octets_received.add(payload_length);
  source.inbound.on_packet(header, source.route == nullptr ? 0 : source.route->clock_rate_hz(header.payload_type),
                           now_ns_);
  source.counters->receive.set(source.inbound.figures());
  if (!source.first_received_told) tell(source, RecordKind::first_received, from, source.first_received_told);
  return lead(source, packet, header, payload_length);
}

bool RelayLoop::carry(Leg& source, Leg& target, Packet* packet, const RtpHeader& header, size_t payload_length) {
  Route& route = *source.route;
  const uint8_t* payload = packet->data + header.header_length;
  const Mapping entry = route.map.of(header.payload_type);
  const bool is_event = entry.event_rate_hz != 0;
  Drop reason = Drop::none;
  if (is_event) {
    on_event(source, target, header, payload, payload_length);
  } else if (entry.payload_type == Mapping::kUnmapped) {
    reason = Drop::rtp_unmapped;
  } else if (target.player != nullptr) {
    count(source.counters->drops, Drop::media_playing);
    return false;
  } else if (target.has_key_down()) {
    reason = Drop::media_key_down;
  }
  if (is_event || reason != Drop::none) {
    // The receiver must not take what was never meant for it for a loss.
    if (target.fed_by == source.id) target.outbound.withhold(header);
    if (route.frames != nullptr) route.frames->withhold(header);
    if (reason != Drop::none) count(source.counters->drops, reason);
    return false;
  }
  if (target.fed_by != source.id) {
    target.outbound.end_source();
    target.fed_by = source.id;
  }
  if (route.frames == nullptr || !entry.is_one_octet_a_tick || payload_length == 0)
    return send_rtp(target, packet, entry.payload_type, entry.clock_rate_hz);
  switch (route.frames->put(header, payload, payload_length, now_ns_)) {
    case Repacketiser::Taken::passes:
      return send_rtp(target, packet, entry.payload_type, entry.clock_rate_hz);
    case Repacketiser::Taken::late:
      count(source.counters->drops, Drop::media_late);
      return false;
    case Repacketiser::Taken::kept:
      break;
  }
  send_cut(source);
  return false;
}

/** `none`: the leg may send. Nothing, encrypted or not, leaves before its protection was set. */
Drop RelayLoop::readiness(const Leg& leg) {
  const bool has_target = leg.kind == LegKind::webrtc ? leg.has_target : leg.latch.has_target();
  if (!has_target || leg.is_muted) return Drop::media_no_target;
  return leg.send_protection == Protection::unset ? Drop::srtp_no_keys : Drop::none;
}

bool RelayLoop::send_rtp(Leg& leg, Packet* packet, uint8_t payload_type, uint32_t clock_rate_hz) {
  if (const Drop drop = readiness(leg); drop != Drop::none) {
    count(leg.counters->drops, drop);
    return false;
  }
  const Outcome rewritten = leg.outbound.rewrite(packet->data, packet->length, payload_type, clock_rate_hz,
                                                 static_cast<uint64_t>(now_ns_ / 1000));
  if (!rewritten) {
    count(leg.counters->drops, rewritten.drop);
    return false;
  }
  return send_written(leg, packet, rewritten.length, clock_rate_hz);
}

/** Sends what stands in the leg's stream already. */
bool RelayLoop::send_written(Leg& leg, Packet* packet, size_t length, uint32_t clock_rate_hz) {
  packet->length = length;
  packet->leg = leg.id;
  packet->octets = static_cast<uint32_t>(length - kRtpFixedHeader);
  leg.counters->send.set({leg.outbound.first_sequence(), leg.outbound.newest_timestamp(), clock_rate_hz,
                          leg.outbound.newest_timestamp_at_us()});
  if (leg.send_protection == Protection::srtp) {
    const Outcome outcome = leg.sender->protect_rtp(packet->data, packet->length, Packet::kCapacity);
    if (!outcome) {
      count(leg.counters->drops, outcome.drop);
      return false;
    }
    packet->length = outcome.length;
  }
  if (leg.kind == LegKind::webrtc) {
    enqueue(mux_[leg.target.socket], packet, leg.target.remote);
  } else {
    enqueue(rtp_of(leg), packet, leg.latch.target());
  }
  return true;
}

/** `none`: the packet was handed on. */
Drop RelayLoop::send_rtcp(Leg& leg, Packet* packet) {
  if (const Drop drop = readiness(leg); drop != Drop::none) return drop;
  if (!is_rtcp_compound(packet->data, packet->length)) return Drop::rtcp_bad_header;
  packet->leg = leg.id;
  if (leg.send_protection == Protection::srtp) {
    const Outcome outcome = leg.sender->protect_rtcp(packet->data, packet->length, Packet::kCapacity);
    if (!outcome) return outcome.drop;
    packet->length = outcome.length;
  }
  if (leg.kind == LegKind::webrtc) {
    enqueue(mux_[leg.target.socket], packet, leg.target.remote);
  } else if (leg.is_rtcp_muxed) {
    enqueue(rtp_of(leg), packet, leg.latch.target());
  } else {
    enqueue(rtcp_of(leg), packet, leg.rtcp_target);
  }
  return Drop::none;
}

/** Up to TypeScript, on behalf of a peer that is known. */
void RelayLoop::divert(Leg& leg, const RecordHead& head, const uint8_t* bytes, size_t length) {
  if (!may_go_up(leg, head.kind, now_ns_)) {
    count(leg.counters->drops, Drop::media_up_rate);
    return;
  }
  if (!queue.push(head, bytes, length, true)) {
    count(leg.counters->drops, Drop::media_queue_full);
    return;
  }
  has_news_ = true;
}

/** Something that TypeScript must learn in the end: stays untold, for the next packet to try again, while there is no room. */
void RelayLoop::tell(Leg& leg, RecordKind kind, const Endpoint& remote, bool& is_told) {
  is_told = may_go_up(leg, kind, now_ns_) && queue.push({kind, leg.id, 0, &remote}, nullptr, 0, true);
  if (is_told) has_news_ = true;
}

}  // namespace webtrunk
