#include <algorithm>
#include <memory>

#include "bytes.h"
#include "fuzz/input.h"
#include "srtp.h"

using namespace webtrunk;

namespace {

constexpr uint32_t kSsrcs = 40;
constexpr size_t kRoom = kSrtpMaxOverhead;

std::vector<uint8_t> key_of(Suite suite) {
  return std::vector<uint8_t>(suite_parameters(suite).key_length + suite_parameters(suite).salt_length, 0x42);
}

}  // namespace

/**
 * A series of steps on one receiver: bytes of any kind, and packets that a real sender protected, whole or changed. What was
 * not changed comes out as it went in or is a known kind of drop; what was changed never comes out.
 */
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const Suite suite = static_cast<Suite>(input.byte() % kSuiteCount);
  const std::vector<uint8_t> key = key_of(suite);
  const auto receiver = SrtpReceiver::create(suite, key.data(), key.size());
  SrtpMki mki;
  const std::vector<uint8_t> declared = input.bytes(input.byte() % 4 == 0 ? input.byte() % (SrtpMki::kMaxLength + 1) : 0);
  mki.length = declared.size();
  std::copy(declared.begin(), declared.end(), mki.bytes.begin());
  receiver->expect_mki(mki);
  std::unique_ptr<SrtpSender> senders[kSsrcs];
  MUST(receiver != nullptr);

  for (int step = 0; step < 200 && !input.is_empty(); ++step) {
    const uint8_t choice = input.byte();
    const bool is_rtcp = (choice & 1) != 0;
    const bool is_raw = (choice & 2) != 0;
    const bool is_changed = (choice & 4) != 0;
    if (is_raw) {
      std::vector<uint8_t> raw = input.bytes(input.word() % 300);
      const Outcome outcome = is_rtcp ? receiver->unprotect_rtcp(raw.data(), raw.size())
                                      : receiver->unprotect_rtp(raw.data(), raw.size());
      // Guessing 80 bits or more is not expected of a fuzzer; 32 bits might be.
      MUST(!outcome || (suite_parameters(suite).rtp_tag_length == 4 && !is_rtcp));
      continue;
    }

    const uint32_t ssrc = input.byte() % kSsrcs;
    if (senders[ssrc] == nullptr) senders[ssrc] = SrtpSender::create(suite, key.data(), key.size(), ssrc);
    std::vector<uint8_t> plain(is_rtcp ? 8 : 12);
    plain[0] = 0x80;
    plain[1] = is_rtcp ? 200 : 8;
    if (!is_rtcp) write_u16(plain.data() + 2, input.word());
    write_u32(plain.data() + (is_rtcp ? 4 : 8), ssrc);
    const std::vector<uint8_t> payload = input.bytes(input.byte());
    plain.insert(plain.end(), payload.begin(), payload.end());

    std::vector<uint8_t> sealed = plain;
    sealed.resize(plain.size() + kRoom);
    const Outcome protection = is_rtcp ? senders[ssrc]->protect_rtcp(sealed.data(), plain.size(), sealed.size())
                                       : senders[ssrc]->protect_rtp(sealed.data(), plain.size(), sealed.size());
    if (!protection) {
      MUST(protection.drop == Drop::srtp_index_reused);
      continue;
    }
    std::vector<uint8_t> wire(sealed.begin(), sealed.begin() + static_cast<long>(protection.length));
    const SuiteParameters& row = suite_parameters(suite);
    const size_t behind = row.is_aead ? 0 : is_rtcp ? row.rtcp_tag_length : row.rtp_tag_length;
    wire.insert(wire.end() - static_cast<long>(behind), declared.begin(), declared.end());
    if (is_changed) {
      const size_t at = input.word() % wire.size();
      const uint8_t change = input.byte();
      wire[at] ^= change == 0 ? 1 : change;
    }
    const Outcome outcome =
        is_rtcp ? receiver->unprotect_rtcp(wire.data(), wire.size()) : receiver->unprotect_rtp(wire.data(), wire.size());
    if (is_changed) {
      MUST(!outcome);
    } else if (outcome) {
      MUST(outcome.length == plain.size() && std::equal(plain.begin(), plain.end(), wire.begin()));
    } else {
      // Sender and receiver may estimate different rounds when much was lost; then the tag does not fit.
      MUST(outcome.drop == Drop::srtp_replay || outcome.drop == Drop::srtp_too_many_ssrcs ||
           (outcome.drop == Drop::srtp_auth_failed && !is_rtcp));
    }
  }
  return 0;
}
