#include <atomic>
#include <memory>

#include "bytes.h"
#include "check.h"
#include "leg.h"
#include "leg_directory.h"

/** AddressSanitizer has these; the header is not with every compiler. */
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*, size_t),
                                              void (*on_free)(const volatile void*));
size_t __sanitizer_get_allocated_size(const volatile void* block);
}

using namespace webtrunk;
using check::Bytes;

namespace {

/** What a block costs with the allocator of glibc on 64 bits: 8 bytes of its own, in steps of 16, at least 32. */
size_t cost_of(size_t size) { return size <= 24 ? 32 : (size + 8 + 15) & ~size_t{15}; }

std::atomic<int64_t> in_use{0};

// Of every block, by us and by OpenSSL.
const bool is_counted = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t size) { in_use += static_cast<int64_t>(cost_of(size)); },
    [](const volatile void* block) {
      if (block != nullptr) in_use -= static_cast<int64_t>(cost_of(__sanitizer_get_allocated_size(block)));
    }) != 0;

constexpr uint8_t kKeySalt[46] = {1};

size_t key_length(Suite suite) { return suite_parameters(suite).key_length + suite_parameters(suite).salt_length; }

/** Keys both ways, and a packet and a report received with them. */
void set_keys(Leg& leg, Suite suite) {
  leg.receiver = SrtpReceiver::create(suite, kKeySalt, key_length(suite));
  leg.sender = SrtpSender::create(suite, kKeySalt, key_length(suite), leg.ssrc);
  const auto peer = SrtpSender::create(suite, kKeySalt, key_length(suite), 9);
  Bytes rtp(12 + 160 + kSrtpMaxOverhead);
  rtp[0] = 0x80;
  write_u32(&rtp[8], 9);
  const Outcome sealed = peer->protect_rtp(rtp.data(), 172, rtp.size());
  CHECK(leg.receiver->unprotect_rtp(rtp.data(), sealed.length).drop == Drop::none);
  Bytes rtcp(28 + kSrtpMaxOverhead);
  rtcp[0] = 0x80;
  rtcp[1] = 200;
  write_u32(&rtcp[4], 9);
  const Outcome report = peer->protect_rtcp(rtcp.data(), 28, rtcp.size());
  CHECK(leg.receiver->unprotect_rtcp(rtcp.data(), report.length).drop == Drop::none);
}

/** As most descriptions ask for, and most packets are. */
void cut_to_20_ms(Route& route) {
  constexpr uint8_t kPayload[160] = {};
  route.frames = std::make_unique<Repacketiser>(sizeof kPayload, 7);
  CHECK(route.frames->put(RtpHeader{}, kPayload, sizeof kPayload, 0) == Repacketiser::Taken::passes);
}

/** A browser's call to a trunk that is under way, as both threads have it. */
class Call {
 public:
  /** `trunk_suite` null: plain RTP. */
  Call(LegDirectory& directory, uint32_t at, Suite browser_suite, const Suite* trunk_suite)
      : directory_(directory),
        browser_(make_leg(LegKind::webrtc, "ufrag" + std::to_string(1000 + at))),
        trunk_(make_leg(LegKind::rtp, "")) {
    set_keys(*browser_, browser_suite);
    if (trunk_suite != nullptr) set_keys(*trunk_, *trunk_suite);
    browser_->tuples.reserve(2);
    browser_->tuples.resize(2);
    for (Leg* leg : {browser_.get(), trunk_.get()}) {
      leg->route = std::make_unique<Route>();
      leg->route->map.reserve(3);
      leg->route->map.set(8, {8, true, 8000, 0});
      leg->route->map.set(0, {0, true, 8000, 0});
      leg->route->map.set(101, {Mapping::kUnmapped, false, 0, 8000});
      cut_to_20_ms(*leg->route);
      for (const Drop drop : {Drop::srtp_no_keys, Drop::media_no_target, Drop::rtp_stale})
        count(leg->counters->drops, drop);
    }
  }

  ~Call() {
    directory_.remove(browser_->id);
    directory_.remove(trunk_->id);
  }

 private:
  std::unique_ptr<Leg> make_leg(LegKind kind, const std::string& ufrag) {
    const LegDirectory::Entry& entry = directory_.add(kind, 7, ufrag);
    auto leg = std::make_unique<Leg>(entry.id, kind, 7, entry.counters);
    leg->ufrags = entry.ufrags;
    return leg;
  }

  LegDirectory& directory_;
  std::unique_ptr<Leg> browser_;
  std::unique_ptr<Leg> trunk_;
};

/** Of one call, bytes; 0 when not all of it was given back. */
size_t memory_of_a_call(Suite browser_suite, const Suite* trunk_suite) {
  constexpr uint32_t kCalls = 1'000;
  LegDirectory directory(2 * kCalls);
  std::vector<std::unique_ptr<Call>> calls(kCalls);
  // Twice: what OpenSSL and the tables keep from then on is no call's.
  int64_t before = 0;
  int64_t full = 0;
  for (int round = 0; round < 2; ++round) {
    before = in_use;
    for (uint32_t at = 0; at < kCalls; ++at)
      calls[at] = std::make_unique<Call>(directory, at, browser_suite, trunk_suite);
    full = in_use;
    for (std::unique_ptr<Call>& call : calls) call.reset();
  }
  return in_use == before ? static_cast<size_t>(full - before) / kCalls : 0;
}

}  // namespace

TEST(call_memory_plain, "a browser's call to a trunk with plain RTP takes less than 6 KB, whatever its suite, and leaves nothing") {
  CHECK(is_counted);
  for (size_t suite = 0; suite < kSuiteCount; ++suite) {
    const size_t each = memory_of_a_call(static_cast<Suite>(suite), nullptr);
    std::printf("ok %s, plain: %zu\n", suite_parameters(static_cast<Suite>(suite)).name, each);
    CHECK(each > 2'000 && each < 6 * 1024);
  }
}

TEST(call_memory_sdes, "with SRTP on both sides: most of it is what OpenSSL keeps for RTP, four keyed contexts") {
  constexpr Suite kCm = Suite::aes_cm_128_hmac_sha1_80;
  constexpr Suite kGcm = Suite::aead_aes_128_gcm;
  for (const auto& [browser, trunk, most] : {std::tuple{kCm, kCm, 6 * 1024}, {kGcm, kCm, 7 * 1024}, {kGcm, kGcm, 8 * 1024}}) {
    const size_t each = memory_of_a_call(browser, &trunk);
    std::printf("ok %s, %s: %zu\n", suite_parameters(browser).name, suite_parameters(trunk).name, each);
    CHECK(each > 2'000 && each < static_cast<size_t>(most));
  }
}

TEST(leg_drops, "a leg counts every reason, the first ones and all others") {
  LegDrops drops;
  for (int round = 0; round < 3; ++round) {
    for (size_t drop = 1; drop < kDropCount; ++drop) count(drops, static_cast<Drop>(drop), drop);
  }
  for (size_t drop = 1; drop < kDropCount; ++drop) CHECK(counted(drops, static_cast<Drop>(drop)) == 3 * drop);
  CHECK(counted(drops, Drop::none) == 0);
}
