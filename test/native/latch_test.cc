#include "latch.h"

#include "check.h"

using namespace webtrunk;
using Verdict = Latch::Verdict;

namespace {

Endpoint endpoint(uint8_t host, uint16_t port) {
  Endpoint result;
  result.address[15] = host;
  result.port = port;
  return result;
}

const Endpoint kExpected = endpoint(1, 4000);
const Endpoint kBehindNat = endpoint(2, 5000);
const Endpoint kStranger = endpoint(3, 6000);
const Endpoint kNew = endpoint(1, 4002);
const Endpoint kNewBehindNat = endpoint(2, 5002);

/** Described anew, at 5000, after it was learnt behind its NAT. */
Latch moving() {
  Latch latch;
  latch.expect(kExpected, 1000, 0);
  latch.offer(kBehindNat, 1);
  latch.expect(kNew, 1000, 5000);
  return latch;
}

}  // namespace

TEST(latch_nothing, "without a description nobody is believed") {
  Latch latch;
  CHECK(!latch.has_target());
  CHECK(latch.offer(Endpoint{}, 0) == Verdict::rejected);
}

TEST(latch_strict, "a window of 0 accepts the expected remote alone, by address and by port") {
  Latch latch;
  latch.expect(kExpected, 0, 100);
  CHECK(latch.offer(kBehindNat, 100) == Verdict::rejected);
  CHECK(latch.offer(endpoint(1, 4001), 100) == Verdict::rejected);
  CHECK(latch.offer(kExpected, 100) == Verdict::accepted);
  CHECK(latch.target() == kExpected);
}

TEST(latch_moves_once, "the first other source in the window becomes the target, the next does not") {
  Latch latch;
  latch.expect(kExpected, 1000, 100);
  CHECK(latch.offer(kBehindNat, 1099) == Verdict::moved);
  CHECK(latch.target() == kBehindNat);
  CHECK(latch.offer(kStranger, 1099) == Verdict::rejected);
  CHECK(latch.offer(kBehindNat, 5000) == Verdict::accepted);
  CHECK(latch.offer(kStranger, 5000) == Verdict::rejected);
  CHECK(latch.offer(kExpected, 5000) == Verdict::rejected);
}

TEST(latch_window_end, "after the window nothing moves") {
  Latch latch;
  latch.expect(kExpected, 1000, 100);
  CHECK(latch.offer(kBehindNat, 1100) == Verdict::rejected);
  CHECK(latch.target() == kExpected);
}

TEST(latch_confirmed, "a packet from the expected remote ends the learning") {
  Latch latch;
  latch.expect(kExpected, 1000, 0);
  CHECK(latch.offer(kExpected, 1) == Verdict::accepted);
  CHECK(latch.offer(kBehindNat, 2) == Verdict::rejected);
}

TEST(latch_reclaimed, "a stranger who was first loses to the expected remote inside the window") {
  Latch latch;
  latch.expect(kExpected, 1000, 0);
  CHECK(latch.offer(kStranger, 1) == Verdict::moved);
  CHECK(latch.offer(kExpected, 2) == Verdict::moved);
  CHECK(latch.target() == kExpected);
  CHECK(latch.offer(kStranger, 3) == Verdict::rejected);
}

TEST(latch_again, "the same remote again keeps the learnt target and opens the window; another replaces it") {
  Latch latch;
  latch.expect(kExpected, 1000, 0);
  CHECK(latch.offer(kBehindNat, 1) == Verdict::moved);
  latch.expect(kExpected, 1000, 5000);
  CHECK(latch.target() == kBehindNat);
  CHECK(latch.offer(kStranger, 5001) == Verdict::moved);
  latch.expect(endpoint(9, 9), 0, 6000);
  CHECK(latch.target() == endpoint(9, 9));
  CHECK(latch.offer(kStranger, 6000) == Verdict::rejected);
}

TEST(latch_former, "what the former source still sends keeps nobody out: the first other one becomes the target, and it does not come back") {
  Latch latch = moving();
  CHECK(latch.target() == kNew);
  CHECK(latch.offer(kBehindNat, 5001) == Verdict::moved);
  CHECK(latch.offer(kBehindNat, 5021) == Verdict::accepted);
  CHECK(latch.offer(kNewBehindNat, 5022) == Verdict::moved);
  CHECK(latch.target() == kNewBehindNat);
  CHECK(latch.offer(kBehindNat, 5023) == Verdict::rejected);
  CHECK(latch.offer(kStranger, 5024) == Verdict::rejected);
  CHECK(latch.offer(kNew, 5025) == Verdict::moved);
}

TEST(latch_former_announced, "the newly described remote ends it as well") {
  Latch latch = moving();
  CHECK(latch.offer(kBehindNat, 5001) == Verdict::moved);
  CHECK(latch.offer(kNew, 5002) == Verdict::moved);
  CHECK(latch.offer(kBehindNat, 5003) == Verdict::rejected);
  CHECK(latch.offer(kStranger, 5004) == Verdict::rejected);
}

TEST(latch_former_stays, "where nobody but the former source is heard it is the target, until the described remote is heard, however late") {
  Latch latch = moving();
  CHECK(latch.offer(kBehindNat, 5001) == Verdict::moved);
  CHECK(latch.offer(kBehindNat, 9000) == Verdict::accepted);
  CHECK(latch.offer(kStranger, 9001) == Verdict::rejected);
  CHECK(latch.offer(kNew, 9002) == Verdict::moved);
  CHECK(latch.offer(kBehindNat, 9003) == Verdict::rejected);
}

TEST(latch_former_strict, "a window of 0 takes the former source out at once") {
  Latch latch;
  latch.expect(kExpected, 0, 0);
  CHECK(latch.offer(kExpected, 1) == Verdict::accepted);
  latch.expect(kNew, 0, 5000);
  CHECK(latch.offer(kExpected, 5001) == Verdict::rejected);
}

TEST(latch_former_described, "a source that comes to be described ends the learning as any other does") {
  Latch latch;
  latch.expect(kExpected, 1000, 0);
  latch.offer(kBehindNat, 1);
  latch.expect(kBehindNat, 1000, 5000);
  CHECK(latch.offer(kBehindNat, 5001) == Verdict::accepted);
  CHECK(latch.offer(kStranger, 5002) == Verdict::rejected);
}

TEST(latch_former_again, "the description said again while the peer was silent: who is heard first settles it") {
  Latch latch = moving();
  latch.offer(kBehindNat, 5001);
  latch.expect(kNew, 1000, 8000);
  CHECK(latch.offer(kBehindNat, 8001) == Verdict::accepted);
  CHECK(latch.offer(kStranger, 8002) == Verdict::rejected);
}
