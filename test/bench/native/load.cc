#include "load.h"

#include <unistd.h>

#include <algorithm>

#include "clock.h"
#include "process_time.h"

namespace bench {

namespace {

constexpr int64_t kPeriodNs = 20'000'000;
constexpr uint32_t kPeriodMs = 20;
/** Load goes on for so long after the window, so that its last packets meet what the first ones met. */
constexpr uint32_t kAfterMs = 100;
/** A packet that is not there when nothing came for so long is lost. */
constexpr int64_t kSilenceNs = 300'000'000;
constexpr int64_t kDrainNs = 2'000'000'000;
/** How often it looks what came in. The kernel has stamped that with its time of arrival. */
constexpr int64_t kLookNs = 100'000;
/** What is due within this leaves in one call: with 2 000 calls four packets, with 500 one. */
constexpr int64_t kTickNs = 20'000;
/** Before it looks at what came in again. */
constexpr size_t kMostDue = 64;
/** Up to so many calls every packet is decrypted, then one in 4. */
constexpr uint32_t kFullyDecrypted = 200;
constexpr uint32_t kSampling = 4;

bool is_rtp(const uint8_t* packet, size_t length) { return length >= 2 && packet[0] >> 6 == 2; }
/** RFC 5761 §4. */
bool is_rtcp(const uint8_t* packet) { return packet[1] >= 192 && packet[1] < 224; }

}  // namespace

bool Call::set_keys(webtrunk::Suite suite, const std::vector<uint8_t>& send, const std::vector<uint8_t>& receive,
                    uint32_t ssrc) {
  sender = webtrunk::SrtpSender::create(suite, send.data(), send.size(), ssrc);
  receiver = webtrunk::SrtpReceiver::create(suite, receive.data(), receive.size());
  return sender != nullptr && receiver != nullptr;
}

std::string Load::open() {
  const std::string error = plain_.open(20);
  return error.empty() ? secure_.open(21) : error;
}

std::string Load::connect(Handshakes& handshakes, const std::vector<Browser>& browsers, HandshakeResult& result) {
  bool is_good = true;
  const auto done = [&](uint32_t index, const webtrunk::DtlsKeys& keys) {
    is_good = calls_[index].set_keys(keys.suite, keys.send, keys.receive, ssrc_of(to_plain_of(index))) && is_good;
  };
  const std::string error = handshakes.run(secure_, static_cast<uint32_t>(calls_.size()), browsers, done, result);
  return error.empty() && !is_good ? "unusable keys" : error;
}

int64_t Load::Schedule::due_ns(uint64_t slot) const {
  return start_ns + static_cast<int64_t>(slot / streams) * kPeriodNs +
         static_cast<int64_t>(slot % streams * static_cast<uint64_t>(kPeriodNs) / streams);
}

Result Load::run(const Plan& plan) {
  const uint64_t streams = calls_.size() * 2;
  const uint64_t first = plan.warmup_ms / kPeriodMs;
  const uint64_t end = first + std::max(1u, plan.window_ms / kPeriodMs);
  const Schedule schedule{now_ns() + kPeriodNs, streams, first * streams, end * streams,
                          (end + kAfterMs / kPeriodMs) * streams};
  begin_streams(schedule);
  next_slot_ = 0;
  Result result;
  for (int64_t sent_ns = 0, looked_ns = 0; next_slot_ < schedule.total;) {
    const int64_t now = now_ns();
    if (now - sent_ns < kTickNs) continue;
    sent_ns = now;
    send_due(schedule, plan, now, result);
    if (now - looked_ns < kLookNs) continue;
    receive(result.tally);
    looked_ns = now;
  }
  drain(result.tally);
  result.sent = schedule.end - schedule.first;
  for (const Call& call : calls_) result.lost += call.to_secure.lost() + call.to_plain.lost();
  result.overflowed = plain_.overflowed() + secure_.overflowed();
  result.unsent = plain_.unsent() + secure_.unsent();
  return result;
}

void Load::begin_streams(const Schedule& schedule) {
  const auto packets = static_cast<uint32_t>(schedule.total / schedule.streams);
  const Range measured{static_cast<uint32_t>(schedule.first / schedule.streams),
                       static_cast<uint32_t>(schedule.end / schedule.streams)};
  const uint32_t sampling = calls_.size() > kFullyDecrypted ? kSampling : 1;
  for (uint32_t index = 0; index < calls_.size(); index++) {
    calls_[index].to_secure.begin(to_secure_of(index), packets, sampling, measured);
    calls_[index].to_plain.begin(to_plain_of(index), packets, sampling, measured);
  }
}

void Load::send_due(const Schedule& schedule, const Plan& plan, int64_t now, Result& result) {
  for (size_t count = 0; count < kMostDue && next_slot_ < schedule.total; count++) {
    const int64_t late_ns = now - schedule.due_ns(next_slot_);
    if (late_ns < 0) break;
    mark(next_slot_, schedule, plan, result);
    if (next_slot_ >= schedule.first && next_slot_ < schedule.end) {
      result.lateness.add(late_ns);
      result.most_late_ns = std::max(result.most_late_ns, late_ns);
    }
    send(next_slot_++, schedule.streams);
  }
  plain_.flush();
  secure_.flush();
}

/** The two directions of a call are half a period apart, as those of two people are at any distance. */
void Load::send(uint64_t slot, uint64_t streams) {
  const auto stream = static_cast<uint32_t>(slot % streams);
  const auto calls = static_cast<uint32_t>(calls_.size());
  const bool is_from_plain = stream % 2 == 0;
  const uint32_t index = is_from_plain ? stream / 2 : (stream / 2 + calls / 2) % calls;
  Call& call = calls_[index];
  Peers& peers = is_from_plain ? plain_ : secure_;
  uint8_t* packet = peers.place(index);
  if (is_from_plain) {
    peers.send(index, call.to_secure.make(packet, nullptr), call.plain_target);
  } else {
    peers.send(index, call.to_plain.make(packet, call.sender.get()), call.secure_target);
  }
}

bool Load::receive(Tally& tally) {
  const auto calls = static_cast<uint32_t>(calls_.size());
  const auto take = [&](Peers& peers, bool is_plain) {
    return peers.receive(calls, [&](uint32_t index, uint8_t* packet, size_t length, int64_t arrived_ns) {
      if (index == UINT32_MAX) {
        tally.faults.stray++;
      } else if (!is_rtp(packet, length)) {
        tally.other++;
      } else if (is_rtcp(packet)) {
        tally.rtcp++;
      } else {
        Call& call = calls_[index];
        Stream& stream = is_plain ? call.to_plain : call.to_secure;
        stream.check(packet, length, arrived_ns, is_plain ? nullptr : call.receiver.get(), tally);
      }
    });
  };
  const size_t plain = take(plain_, true);
  return take(secure_, false) + plain > 0;
}

void Load::drain(Tally& tally) {
  const int64_t start_ns = now_ns();
  for (int64_t last_ns = start_ns, now = start_ns; now - last_ns < kSilenceNs && now - start_ns < kDrainNs; now = now_ns())
    if (receive(tally)) last_ns = now;
}

/** At the edges of the window: what came out and what was used until now. */
void Load::mark(uint64_t slot, const Schedule& schedule, const Plan& plan, Result& result) {
  if (slot != schedule.first && slot != schedule.end) return;
  const int sign = slot == schedule.first ? -1 : 1;
  const int64_t system_ns = process_time_ns(plan.pid);
  if (sign < 0) result.system_ns = 0;
  result.system_ns = system_ns < 0 ? -1 : result.system_ns + sign * system_ns;
  result.core_ns += sign * core_busy_ns(plan.core);
  result.own_ns += sign * process_time_ns(getpid());
  result.window_ns += sign * now_ns();
  result.forwarded += static_cast<uint64_t>(sign) * result.tally.received;
}

}  // namespace bench
