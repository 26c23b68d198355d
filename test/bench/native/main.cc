/**
 * The load generator of `npm run bench`, told what to do by lines on standard input, answers in JSON, one a line:
 *
 *     ->                                             <- {"plain":{"network":20,"ports":[..]},"secure":{..}}
 *     -> call PLAIN_IP:PORT SECURE_IP:PORT SUITE SEND_KEY RECEIVE_KEY     (keys in hex; the targets in the system)
 *     -> run PID WARMUP_MS WINDOW_MS                 <- {"sent":..,"lost":..,...}
 *
 * Call number c has the addresses 127.NETWORK.x.y with x.y = c + 1, and port number c modulo 4 of those told.
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

void set_keys(Call& call, const std::string& suite_name, const std::vector<uint8_t>& send,
              const std::vector<uint8_t>& receive, uint32_t ssrc) {
  const webtrunk::SuiteParameters* suite = webtrunk::find_suite(suite_name);
  if (suite == nullptr) fail("no such suite: " + suite_name);
  call.sender = webtrunk::SrtpSender::create(suite->suite, send.data(), send.size(), ssrc);
  call.receiver = webtrunk::SrtpReceiver::create(suite->suite, receive.data(), receive.size());
  if (call.sender == nullptr || call.receiver == nullptr) fail("unusable key for " + suite_name);
}

void add_call(Load& load, std::istringstream& words) {
  std::string plain, secure, suite, send, receive;
  if (!(words >> plain >> secure >> suite >> send >> receive)) fail("call: words missing");
  if (load.calls().size() == Load::kMaxCalls) fail("too many calls");
  const auto index = static_cast<uint32_t>(load.calls().size());
  Call& call = load.calls().emplace_back();
  call.plain_target = parse_target(plain);
  call.secure_target = parse_target(secure);
  set_keys(call, suite, parse_hex(send), parse_hex(receive), ssrc_of(2 * index + 1));
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
  number("ownNs", result.own_ns);
  number("windowNs", result.window_ns);
  number("mostLateNs", result.most_late_ns);
  number("late", result.lateness.beyond(kLateNs));
  number("overflowed", result.overflowed);
  number("unsent", result.unsent);
  number("rtcp", result.tally.rtcp);
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
  if (!(words >> plan.pid >> plan.warmup_ms >> plan.window_ms)) fail("run: words missing");
  if (load.calls().empty()) fail("run: no calls");
  print(load.run(plan));
}

}  // namespace

}  // namespace bench

int main() {
  using namespace bench;
  setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  Load load;
  const std::string error = load.open();
  if (!error.empty()) fail(error);
  printf("{");
  print_side("plain", 20, load.plain());
  printf(",");
  print_side("secure", 21, load.secure());
  printf("}\n");
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "call") add_call(load, words);
    else if (command == "run") run(load, words);
    else fail("unknown command: " + command);
  }
  return 0;
}
