#include <memory>

#include "check.h"
#include "leg.h"

/** AddressSanitizer has it; the header is not with every compiler. */
extern "C" size_t __sanitizer_get_current_allocated_bytes(void);

using namespace webtrunk;

namespace {

/** Of a browser's call to a trunk that is set up: as `relay_binding` makes it. */
struct Call {
  explicit Call(uint32_t at)
      : browser(2 * at + 1, LegKind::webrtc, at, std::make_shared<LegCounters>()),
        trunk(2 * at + 2, LegKind::rtp, at, std::make_shared<LegCounters>()) {
    uint8_t key_salt[28] = {1};
    browser.receiver = SrtpReceiver::create(Suite::aead_aes_128_gcm, key_salt, sizeof key_salt);
    browser.sender = SrtpSender::create(Suite::aead_aes_128_gcm, key_salt, sizeof key_salt, at);
    browser.ufrags = {"ufrag" + std::to_string(at)};
    browser.tuples.reserve(2);
    for (Leg* leg : {&browser, &trunk}) {
      leg->route = std::make_unique<Route>();
      leg->route->map.set(8, {8, true, 8000, 0});
      leg->route->map.set(101, {Mapping::kUnmapped, false, 0, 8000});
    }
  }

  Leg browser;
  Leg trunk;
};

/** As asked for, by us and by OpenSSL; an allocator adds 8 to 16 bytes to each. */
size_t in_use() { return __sanitizer_get_current_allocated_bytes(); }

}  // namespace

TEST(leg_memory, "a call takes less than 10 KB, and leaves nothing when it goes") {
  constexpr size_t kCalls = 500;
  { const Call first(0); }  // What OpenSSL keeps from then on.
  std::vector<std::unique_ptr<Call>> calls;
  calls.reserve(kCalls);
  const size_t before = in_use();
  for (uint32_t at = 0; at < kCalls; at++) calls.push_back(std::make_unique<Call>(at));
  const size_t each = (in_use() - before) / kCalls;
  CHECK(each > 1'000);
  CHECK(each < 10'240);
  calls.clear();
  CHECK(in_use() == before);
}
