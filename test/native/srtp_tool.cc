/**
 * SRTP by lines of text, so that tests in other languages can compare. Input lines, answered by one line each:
 *   sender SUITE KEYSALT SSRC    receiver SUITE KEYSALT [MKI]    -> ok | refused
 *   protect_rtp HEX | protect_rtcp HEX | unprotect_rtp HEX | unprotect_rtcp HEX -> HEX | drop NAME
 * KEYSALT, MKI and packets in hex, SSRC in decimal. A new sender or receiver replaces the one before it.
 */
#include <algorithm>
#include <iostream>
#include <sstream>

#include "check.h"
#include "srtp.h"

using namespace webtrunk;

int main() {
  std::unique_ptr<SrtpSender> sender;
  std::unique_ptr<SrtpReceiver> receiver;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    std::string first;
    std::string second;
    words >> command >> first >> second;
    if (command == "sender" || command == "receiver") {
      const SuiteParameters* suite = find_suite(first);
      const check::Bytes key = check::from_hex(second);
      uint32_t ssrc = 0;
      if (command == "sender") words >> ssrc;
      bool done = suite != nullptr;
      if (done && command == "sender") {
        sender = SrtpSender::create(suite->suite, key.data(), key.size(), ssrc);
        done = sender != nullptr;
      } else if (done) {
        receiver = SrtpReceiver::create(suite->suite, key.data(), key.size());
        done = receiver != nullptr;
        std::string third;
        words >> third;
        SrtpMki mki;
        const check::Bytes bytes = check::from_hex(third);
        mki.length = bytes.size();
        std::copy(bytes.begin(), bytes.end(), mki.bytes.begin());
        if (done) receiver->expect_mki(mki);
      }
      std::cout << (done ? "ok\n" : "refused\n");
      continue;
    }
    check::Bytes packet = check::from_hex(first);
    const size_t length = packet.size();
    Outcome outcome = Outcome::dropped(Drop::srtp_no_keys);
    if (sender != nullptr && command.rfind("protect_", 0) == 0) {
      packet.resize(length + kSrtpMaxOverhead);
      outcome = command == "protect_rtp" ? sender->protect_rtp(packet.data(), length, packet.size())
                                         : sender->protect_rtcp(packet.data(), length, packet.size());
    } else if (receiver != nullptr && command.rfind("unprotect_", 0) == 0) {
      outcome = command == "unprotect_rtp" ? receiver->unprotect_rtp(packet.data(), length)
                                           : receiver->unprotect_rtcp(packet.data(), length);
    }
    packet.resize(outcome.length);
    std::cout << (outcome ? check::to_hex(packet) : std::string("drop ") + drop_name(outcome.drop)) << "\n";
  }
}
