/**
 * The load generator of `npm run bench`, told what to do by lines on standard input, answers in JSON, one a line:
 *
 *     ->                                 <- {"plain":{"network":20,"ports":[..]},"secure":{..},"fingerprint":".."}
 *     -> call PLAIN SECURE SUITE SEND_KEY RECEIVE_KEY    addresses with ports in the system under test, keys in hex
 *     -> browser PLAIN SECURE FINGERPRINT CHECK          a STUN check in hex, `-` where there is no ICE
 *     -> connect                         <- {"connected":..,"tookNs":..}
 *     -> run PID CORE WARMUP_MS WINDOW_MS <- {"sent":..,"lost":..,...}
 *
 * Call number c has the addresses 127.NETWORK.x.y with x.y = c + 1, and port number c modulo their count of those told.
 */
#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

#include "load.h"

namespace bench {

namespace {

/** A packet that leaves later than this was not where the plan wanted it: the generator was disturbed. */
constexpr int64_t kLateNs = 2'000'000;

[[noreturn]] void fail(const std::string& why) {
  fprintf(stderr, "load generator: %s\n", why.c_str());
  exit(1);
}

sockaddr_in parse_target(const std::string& text) {
  const size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon == std::string::npos || inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
    fail("no address and port: " + text);
  address.sin_port = htons(static_cast<uint16_t>(atoi(text.c_str() + colon + 1)));
  return address;
}

std::vector<uint8_t> parse_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t at = 0; at + 1 < text.size(); at += 2)
    bytes.push_back(static_cast<uint8_t>(strtoul(text.substr(at, 2).c_str(), nullptr, 16)));
  return bytes;
}

/** What both kinds of calls begin with. */
Call& add(Load& load, std::istringstream& words) {
  std::string plain, secure;
  if (!(words >> plain >> secure)) fail("addresses missing");
  if (load.calls().size() == Load::kMaxCalls) fail("too many calls");
  Call& call = load.calls().emplace_back();
  call.plain_target = parse_target(plain);
  call.secure_target = parse_target(secure);
  return call;
}

void add_call(Load& load, std::istringstream& words) {
  const auto index = static_cast<uint32_t>(load.calls().size());
  Call& call = add(load, words);
  std::string suite_name, send, receive;
  if (!(words >> suite_name >> send >> receive)) fail("call: words missing");
  const webtrunk::SuiteParameters* suite = webtrunk::find_suite(suite_name);
  if (suite == nullptr) fail("no such suite: " + suite_name);
  if (!call.set_keys(suite->suite, parse_hex(send), parse_hex(receive), ssrc_of(to_plain_of(index))))
    fail("unusable key for " + suite_name);
}

void add_browser(Load& load, std::istringstream& words, std::vector<Browser>& browsers) {
  const auto index = static_cast<uint32_t>(load.calls().size());
  const Call& call = add(load, words);
  std::string fingerprint, check;
  if (!(words >> fingerprint >> check)) fail("browser: words missing");
  browsers.push_back({index, call.secure_target, fingerprint, parse_hex(check)});
}

void connect(Load& load, Handshakes& handshakes, std::vector<Browser>& browsers) {
  HandshakeResult result;
  const std::string error = load.connect(handshakes, browsers, result);
  if (!error.empty()) fail(error);
  browsers.clear();
  printf("{\"connected\":%llu,\"tookNs\":%lld}\n", static_cast<unsigned long long>(result.connected),
         static_cast<long long>(result.took_ns));
}

void print_side(const char* name, uint8_t network, const Peers& peers) {
  printf("\"%s\":{\"network\":%u,\"ports\":[", name, network);
  for (size_t i = 0; i < peers.ports().size(); i++) printf("%s%u", i == 0 ? "" : ",", peers.ports()[i]);
  printf("]}");
}

void print(const Result& result) {
  const auto number = [](const char* name, auto value) { printf("\"%s\":%lld,", name, static_cast<long long>(value)); };
  printf("{");
  number("sent", result.sent);
  number("lost", result.lost);
  number("forwarded", result.forwarded);
  number("systemNs", result.system_ns);
  number("coreNs", result.core_ns);
  number("ownNs", result.own_ns);
  number("windowNs", result.window_ns);
  number("mostLateNs", result.most_late_ns);
  number("late", result.lateness.beyond(kLateNs));
  number("overflowed", result.overflowed);
  number("unsent", result.unsent);
  number("rtcp", result.tally.rtcp);
  number("other", result.tally.other);
  const Faults& faults = result.tally.faults;
  printf("\"faults\":{");
  number("header", faults.header);
  number("authentication", faults.authentication);
  number("payload", faults.payload);
  number("foreign", faults.foreign);
  number("order", faults.order);
  number("duplicate", faults.duplicate);
  printf("\"stray\":%llu},", static_cast<unsigned long long>(faults.stray));
  const Histogram& latency = result.tally.latency;
  printf("\"latencyNs\":{\"samples\":%llu,\"p50\":%lld,\"p99\":%lld,\"p999\":%lld}}\n",
         static_cast<unsigned long long>(latency.total()), static_cast<long long>(latency.percentile(0.5)),
         static_cast<long long>(latency.percentile(0.99)), static_cast<long long>(latency.percentile(0.999)));
}

void run(Load& load, std::istringstream& words) {
  Plan plan{};
  if (!(words >> plan.pid >> plan.core >> plan.warmup_ms >> plan.window_ms)) fail("run: words missing");
  if (load.calls().empty()) fail("run: no calls");
  for (const Call& call : load.calls())
    if (call.sender == nullptr) fail("run: a call without keys");
  print(load.run(plan));
}

}  // namespace

}  // namespace bench

int main() {
  using namespace bench;
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  Load load;
  Handshakes handshakes;
  std::vector<Browser> browsers;
  std::string error = load.open();
  if (error.empty()) error = handshakes.create({webtrunk::Suite::aes_cm_128_hmac_sha1_80});
  if (!error.empty()) fail(error);
  printf("{");
  print_side("plain", 20, load.plain());
  printf(",");
  print_side("secure", 21, load.secure());
  printf(",\"fingerprint\":\"%s\"}\n", handshakes.fingerprint().c_str());
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "call") add_call(load, words);
    else if (command == "browser") add_browser(load, words, browsers);
    else if (command == "connect") connect(load, handshakes, browsers);
    else if (command == "run") run(load, words);
    else fail("unknown command: " + command);
  }
  return 0;
}
