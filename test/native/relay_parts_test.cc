#include <array>
#include <cstring>
#include <map>
#include <random>

#include "check.h"
#include "leg_directory.h"
#include "player.h"
#include "queue.h"
#include "relay_address.h"
#include "relay_table.h"
#include "relay_token_bucket.h"
#include "rtp.h"
#include "stray_limiter.h"

using namespace webtrunk;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

Endpoint endpoint(const char* text, uint16_t port = 1) {
  Endpoint result;
  CHECK(parse_endpoint(text, port, result));
  return result;
}

std::string text_of(const Endpoint& of) {
  char text[INET6_ADDRSTRLEN];
  return std::string(text, format_address(of, text));
}

void compare_with_map(BoundedTable<std::array<uint8_t, 4>, int> table) {
  std::map<std::array<uint8_t, 4>, int> model;
  std::mt19937 random(1);
  for (int step = 0; step < 200'000; step++) {
    const std::array<uint8_t, 4> key = {static_cast<uint8_t>(random() % 100), 0, 0, 0};
    switch (random() % 3) {
      case 0: {
        const bool fits = model.count(key) > 0 || model.size() < 64;
        CHECK(table.put(key, step) == fits);
        if (fits) model[key] = step;
        break;
      }
      case 1:
        table.erase(key);
        model.erase(key);
        break;
      default: {
        const int* found = table.find(key);
        const auto expected = model.find(key);
        CHECK((found == nullptr) == (expected == model.end()));
        if (found != nullptr && expected != model.end()) CHECK(*found == expected->second);
      }
    }
    CHECK(table.size() == model.size());
  }
}

}  // namespace

TEST(table_model, "a bounded table does what a map does, through thousands of collisions and removals") {
  compare_with_map({64, KeyedHash::random()});
}

TEST(table_grows, "so does one that grows; it holds its maximum and not one more") {
  compare_with_map({64, KeyedHash::random(), 0});
  BoundedTable<std::array<uint8_t, 4>, uint32_t> table(3'000, KeyedHash::random(), 1);
  const auto key = [](uint32_t at) { return std::array<uint8_t, 4>{static_cast<uint8_t>(at), static_cast<uint8_t>(at >> 8)}; };
  for (uint32_t at = 0; at < 3'000; at++) {
    CHECK(table.put(key(at), at));
    for (uint32_t before = at - at % 100; before <= at; before++) CHECK(table.find(key(before)) != nullptr);
  }
  CHECK(!table.put(key(3'000), 1) && table.put(key(7), 1) && table.size() == 3'000);
  for (uint32_t at = 0; at < 3'000; at++) CHECK(*table.find(key(at)) == (at == 7 ? 1 : at));
}

TEST(tuples_model, "tuples that a peer may choose are told apart: addresses and ports in a row, and every bit of one") {
  BoundedTable<Tuple, uint32_t> table(4096, KeyedHash::random());
  std::mt19937 random(2);
  const Endpoint base = endpoint("192.0.2.1", 5004);
  const auto chosen = [&](uint32_t at) {
    Tuple tuple{base, static_cast<SocketId>(at % 3)};
    tuple.remote.port = static_cast<uint16_t>(at >> 4);
    tuple.remote.address[15] = static_cast<uint8_t>(at >> 12);
    if (at % 7 == 0) tuple.remote.address[at % 12] ^= static_cast<uint8_t>(1 << (at % 8));
    return tuple;
  };
  std::map<std::array<uint8_t, sizeof(Tuple)>, uint32_t> model;
  const auto bytes_of = [](const Tuple& tuple) {
    std::array<uint8_t, sizeof(Tuple)> bytes;
    std::memcpy(bytes.data(), &tuple, sizeof tuple);
    return bytes;
  };
  for (uint32_t step = 0; step < 400'000; step++) {
    const Tuple tuple = chosen(random() % 20'000);
    if (step % 3 == 0) {
      const bool fits = model.size() < 4096 || model.count(bytes_of(tuple)) > 0;
      CHECK(table.put(tuple, step) == fits);
      if (fits) model[bytes_of(tuple)] = step;
    } else if (step % 3 == 1) {
      table.erase(tuple);
      model.erase(bytes_of(tuple));
    } else {
      const uint32_t* found = table.find(tuple);
      const auto expected = model.find(bytes_of(tuple));
      CHECK((found == nullptr) == (expected == model.end()));
      if (found != nullptr && expected != model.end()) CHECK(*found == expected->second);
    }
    CHECK(table.size() == model.size());
  }
}

TEST(claims, "a tuple has one leg: the next is told whose it is, keeps what it had, and has it when the first gives it back") {
  LegDirectory directory(3);
  const auto add = [&] { return directory.add(LegKind::rtp, 1, "").id; };
  const LegId first = add(), second = add();
  const Tuple rtp{endpoint("192.0.2.1", 5004), 1}, rtcp{endpoint("192.0.2.1", 5005), 2};
  const Tuple other{endpoint("192.0.2.1", 6004), 1};
  CHECK(directory.claim(*directory.find(first), {rtp, rtcp}) == 0);
  CHECK(directory.claim(*directory.find(first), {rtp, rtcp}) == 0);
  CHECK(directory.claim(*directory.find(second), {other}) == 0);
  CHECK(directory.claim(*directory.find(second), {rtp}) == first);
  CHECK(directory.claim(*directory.find(second), {other, rtcp}) == first);
  CHECK(directory.claim(*directory.find(first), {other}) == second);
  CHECK(directory.claim(*directory.find(first), {rtp}) == 0);
  CHECK(directory.claim(*directory.find(second), {other, rtcp}) == 0);
  directory.remove(second);
  CHECK(directory.claim(*directory.find(first), {other, rtcp}) == 0);
  // As many as there may be legs.
  const LegId third = add(), fourth = add();
  CHECK(directory.is_full());
  CHECK(directory.claim(*directory.find(third), {{endpoint("::1", 1), 1}, {endpoint("::1", 2), 2}}) == 0);
  CHECK(directory.claim(*directory.find(fourth), {rtp, {endpoint("::1", 4), 2}}) == 0);
  CHECK(directory.claim(*directory.find(fourth), {{endpoint("::1", 1), 1}}) == third);
}

TEST(hash_seeds, "two seeds hash apart, one seed hashes alike") {
  const KeyedHash one = KeyedHash::random();
  const KeyedHash other = KeyedHash::random();
  CHECK(one("payload", 7) == one("payload", 7));
  CHECK(one("payload", 7) != other("payload", 7));
  CHECK(one("payload", 7) != one("payloae", 7));
  CHECK(one("payload", 7) != one("payload\0", 8));
}

TEST(bucket, "a bucket gives its burst at once, then its rate, and is never more than full") {
  TokenBucket bucket;
  const BucketRate rate = {10, 3};
  int64_t now = 1000 * kSecond;
  CHECK(bucket.is_full(now));
  for (int i = 0; i < 3; i++) CHECK(bucket.take(rate, now));
  CHECK(!bucket.take(rate, now));
  CHECK(!bucket.take(rate, now + kSecond / 10 - 1));
  CHECK(bucket.take(rate, now + kSecond / 10));
  CHECK(!bucket.take(rate, now + kSecond / 10));
  now += 100 * kSecond;
  CHECK(bucket.is_full(now));
  for (int i = 0; i < 3; i++) CHECK(bucket.take(rate, now));
  CHECK(!bucket.take(rate, now));
}

TEST(stray_sources, "sources are limited one by one: an IPv4 address whatever the port, an IPv6 /64 as a whole") {
  StrayLimiter strays(10, {1, 2}, KeyedHash::random());
  CHECK(strays.allows(endpoint("192.0.2.1", 1), kSecond));
  CHECK(strays.allows(endpoint("192.0.2.1", 2), kSecond));
  CHECK(!strays.allows(endpoint("192.0.2.1", 3), kSecond));
  CHECK(strays.allows(endpoint("192.0.2.2"), kSecond));
  CHECK(strays.allows(endpoint("2001:db8::1"), kSecond));
  CHECK(strays.allows(endpoint("2001:db8::2"), kSecond));
  CHECK(!strays.allows(endpoint("2001:db8::ffff:3"), kSecond));
  CHECK(strays.allows(endpoint("2001:db8:0:1::1"), kSecond));
  CHECK(strays.size() == 4);
}

TEST(stray_eviction, "one source past the maximum replaces the one least recently seen; recovered ones are forgotten") {
  StrayLimiter strays(2, {1, 1}, KeyedHash::random());
  CHECK(strays.allows(endpoint("192.0.2.1"), kSecond));
  CHECK(strays.allows(endpoint("192.0.2.2"), kSecond));
  CHECK(!strays.allows(endpoint("192.0.2.1"), kSecond));
  CHECK(strays.allows(endpoint("192.0.2.3"), kSecond));
  CHECK(strays.size() == 2);
  CHECK(!strays.allows(endpoint("192.0.2.1"), kSecond));
  CHECK(strays.allows(endpoint("192.0.2.2"), kSecond));
  strays.expire(kSecond + 1);
  CHECK(strays.size() == 2);
  strays.expire(2 * kSecond);
  CHECK(strays.size() == 0);
  for (int i = 1; i < 100; i++) CHECK(strays.allows(endpoint(("192.0.2." + std::to_string(i)).c_str()), 5 * kSecond));
  CHECK(strays.size() == 2);
}

TEST(queue_wraps, "records come out whole and in order, however the ring wraps") {
  UpQueue queue(100);
  const Endpoint remote = endpoint("192.0.2.1", 0x1234);
  std::vector<uint8_t> out(100);
  for (uint8_t i = 0; i < 250; i++) {
    const std::vector<uint8_t> bytes(i % 50, i);
    CHECK(queue.push({RecordKind::stun, i, 5, &remote}, bytes.data(), bytes.size(), true));
    const size_t length = queue.peek(1);
    CHECK(length == UpQueue::kHeaderLength + 9 + bytes.size());
    queue.take(out.data(), length);
    CHECK(out[0] == length && out[4] == 1 && out[5] == 9 && out[6] == 5 && out[8] == i);
    CHECK(out[12] == 0x34 && out[13] == 0x12);
    CHECK(std::memcmp(out.data() + 16, "192.0.2.1", 9) == 0);
    CHECK(std::vector<uint8_t>(out.begin() + 25, out.begin() + length) == bytes);
    CHECK(queue.is_empty() && queue.peek(100) == 0);
  }
}

TEST(queue_reserve, "strays fill three quarters, the admitted all of it, and not a byte more") {
  UpQueue queue(160);
  uint8_t bytes[24] = {};
  const RecordHead head = {RecordKind::rtcp, 1, 0, nullptr};
  for (int i = 0; i < 3; i++) CHECK(queue.push(head, bytes, sizeof bytes, false));
  CHECK(!queue.push(head, bytes, 0, false));
  CHECK(!queue.push(head, bytes, sizeof bytes + 1, true));
  CHECK(queue.push(head, bytes, sizeof bytes, true));
  CHECK(!queue.push(head, bytes, 0, true));
  CHECK(queue.peek(0) == 40);
  CHECK(queue.peek(79) == 40);
  CHECK(queue.peek(80) == 80);
  CHECK(queue.peek(1000) == 160);
}

TEST(addresses, "addresses of both families go to the kernel's form, to text and back") {
  for (const char* text : {"192.0.2.1", "0.0.0.0", "2001:db8::1", "::1", "::"}) {
    SocketAddress kernel;
    const Endpoint from = endpoint(text, 5060);
    CHECK(socket_address_of(from, kernel) == (std::strchr(text, ':') ? sizeof kernel.v6 : sizeof kernel.v4));
    CHECK(endpoint_of(kernel) == from);
    CHECK(text_of(from) == text);
  }
  Endpoint ignored;
  for (const char* text : {"", "localhost", "[::1]", "192.0.2", "192.0.2.1.1", "::1%lo", " ::1"})
    CHECK(!parse_endpoint(text, 1, ignored));
}

TEST(player_catches_up, "a player held up sends a few frames at once and skips the rest in its timestamp") {
  Playback playback;
  playback.payload_type = 8;
  playback.frames = {{1}, {2}};
  playback.interval_ns = kSecond / 50;
  playback.timestamp_step = 160;
  CHECK(playback.clock_rate_hz() == 8000);

  Player player(playback, 77);
  uint8_t packet[64];
  RtpHeader header;
  player.start(kSecond);
  CHECK(player.next(packet) == kRtpFixedHeader + 1 && packet[kRtpFixedHeader] == 1);
  CHECK(parse_rtp_header(packet, 13, header) == Drop::none);
  const uint32_t first = header.timestamp;
  CHECK(player.due_ns() == kSecond + playback.interval_ns);

  const int64_t late = kSecond + 100 * playback.interval_ns;
  int burst = 0;
  while (player.due_ns() <= late) {
    player.skip_missed(late);
    player.next(packet);
    burst++;
  }
  CHECK(burst == Player::kMaxCatchUp + 1);
  CHECK(parse_rtp_header(packet, 13, header) == Drop::none);
  CHECK(header.sequence == burst);
  CHECK(header.timestamp - first == 100 * 160);
  CHECK(header.ssrc == 77 && header.payload_type == 8);
}
