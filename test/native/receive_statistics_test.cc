#include "receive_statistics.h"

#include "bytes.h"
#include "check.h"

using namespace webtrunk;
using check::Bytes;
using check::from_hex;

namespace {

constexpr int64_t kMs = 1'000'000;

RtpHeader packet(uint16_t sequence, uint32_t timestamp = 0, uint32_t ssrc = 1) {
  RtpHeader header{};
  header.sequence = sequence;
  header.timestamp = timestamp;
  header.ssrc = ssrc;
  return header;
}

/** Sequence numbers of one source, without a clock. */
void hear(ReceiveStatistics& statistics, std::initializer_list<uint16_t> sequences, uint32_t ssrc = 1) {
  for (const uint16_t sequence : sequences) statistics.on_packet(packet(sequence, 0, ssrc), 0, 1);
}

}  // namespace

TEST(statistics_before, "nothing heard is nothing expected, and a report of nobody is not kept") {
  ReceiveStatistics statistics;
  statistics.on_sender_report(0, 7, 1);
  CHECK(statistics.figures().epoch == 0 && statistics.figures().expected() == 0);
  CHECK(statistics.figures().report_at_ns == 0);
}

TEST(statistics_loss, "expected counts the gaps, received what came, late and repeated ones too") {
  ReceiveStatistics statistics;
  hear(statistics, {10, 11, 14, 13, 15, 15});
  CHECK(statistics.figures().expected() == 6);
  CHECK(statistics.figures().received == 6);
  hear(statistics, {20});
  CHECK(statistics.figures().expected() == 11);
  CHECK(statistics.figures().received == 7);
}

TEST(statistics_wrap, "sequence numbers wrap and go on counting, a late one from before the wrap as well") {
  ReceiveStatistics statistics;
  hear(statistics, {65534, 0, 65535, 1});
  CHECK(statistics.figures().highest_sequence - 0x10000 == 0x10001);
  CHECK(statistics.figures().expected() == 4);
  CHECK(statistics.figures().received == 4);
  CHECK(statistics.figures().epoch == 1);
}

TEST(statistics_dropout, "3000 numbers may be missing, one more is a jump") {
  ReceiveStatistics statistics;
  hear(statistics, {1, 3001});
  CHECK(statistics.figures().expected() == 3001 && statistics.figures().received == 2);
  hear(statistics, {6002});
  CHECK(statistics.figures().expected() == 3001 && statistics.figures().received == 2);
}

TEST(statistics_restart, "a jump starts over when its next packet confirms it; one alone changes nothing") {
  ReceiveStatistics statistics;
  hear(statistics, {100, 101, 40000, 102});
  CHECK(statistics.figures().epoch == 1 && statistics.figures().expected() == 3);
  hear(statistics, {40000, 40001, 40003});
  CHECK(statistics.figures().epoch == 2);
  CHECK(statistics.figures().base_sequence == 0x10000 + 40001);
  CHECK(statistics.figures().expected() == 3 && statistics.figures().received == 2);
  CHECK(statistics.figures().expected_before == 3 && statistics.figures().received_before == 3);
}

TEST(statistics_reordered_too_far, "100 behind is late, 101 is a jump") {
  ReceiveStatistics statistics;
  hear(statistics, {1000, 900});
  CHECK(statistics.figures().received == 2);
  hear(statistics, {899});
  CHECK(statistics.figures().received == 2);
}

TEST(statistics_source, "another source takes two packets in sequence, and the books of the first are kept") {
  ReceiveStatistics statistics;
  hear(statistics, {5, 6, 8});
  statistics.on_sender_report(1, 77, 3);
  hear(statistics, {500}, 2);
  hear(statistics, {9}, 1);
  hear(statistics, {501}, 2);
  CHECK(statistics.figures().ssrc == 1 && statistics.figures().epoch == 1);
  hear(statistics, {502}, 2);
  CHECK(statistics.figures().ssrc == 2 && statistics.figures().epoch == 2);
  CHECK(statistics.figures().base_sequence == 0x10000 + 501);
  CHECK(statistics.figures().expected() == 2 && statistics.figures().received == 2);
  CHECK(statistics.figures().expected_before == 5 && statistics.figures().received_before == 4);
  CHECK(statistics.figures().report_at_ns == 0);
}

TEST(statistics_source_at_zero, "another source may begin right before the wrap") {
  ReceiveStatistics statistics;
  hear(statistics, {5});
  hear(statistics, {65535, 0, 1}, 2);
  CHECK(statistics.figures().expected() == 3 && statistics.figures().received == 3);
  CHECK(statistics.figures().highest_sequence - 0x10000 == 1);
}

TEST(statistics_jitter, "RFC 3550 A.8: a sixteenth of the difference of transit times") {
  ReceiveStatistics statistics;
  // 20 ms apart by their clock; they arrive after 20, 36, 4 and 20 ms.
  statistics.on_packet(packet(1, 1000), 8000, 100 * kMs);
  statistics.on_packet(packet(2, 1160), 8000, 120 * kMs);
  CHECK(statistics.figures().jitter_ns == 0);
  statistics.on_packet(packet(3, 1320), 8000, 156 * kMs);
  CHECK(statistics.figures().jitter_ns == 1'000'000);  // 16 ms / 16
  statistics.on_packet(packet(4, 1480), 8000, 160 * kMs);
  CHECK(statistics.figures().jitter_ns == 1'937'500);  // 1 + (16 - 1) / 16
  statistics.on_packet(packet(5, 1640), 8000, 180 * kMs);
  CHECK(statistics.figures().jitter_ns == 1'816'407);  // 1.9375 - 1.9375 / 16, rounded towards the old value
  CHECK(statistics.figures().deviations == 4 && statistics.figures().deviation_sum_ns == 32'000'000);
  CHECK(statistics.figures().clock_rate_hz == 8000);
}

TEST(statistics_jitter_wrap, "timestamps wrap without jitter") {
  ReceiveStatistics statistics;
  statistics.on_packet(packet(1, 0xffffffff), 48000, 0);
  statistics.on_packet(packet(2, 959), 48000, 20 * kMs);
  CHECK(statistics.figures().deviations == 1 && statistics.figures().jitter_ns == 0);
}

TEST(statistics_jitter_excluded, "no jitter from an event's repeated timestamp, another rate, an unknown one, or a new timeline") {
  ReceiveStatistics statistics;
  statistics.on_packet(packet(1, 1000), 8000, 0);
  statistics.on_packet(packet(2, 1000), 8000, 20 * kMs);
  statistics.on_packet(packet(3, 1000), 8000, 40 * kMs);
  statistics.on_packet(packet(4, 5000), 48000, 60 * kMs);
  statistics.on_packet(packet(5, 5960), 0, 90 * kMs);
  CHECK(statistics.figures().deviations == 0 && statistics.figures().jitter_ns == 0);
  // The clock of the source stood still for a hold of 3 s.
  statistics.on_packet(packet(6, 6920), 48000, 3060 * kMs);
  CHECK(statistics.figures().deviations == 0);
  statistics.on_packet(packet(7, 7880), 48000, 3080 * kMs);
  CHECK(statistics.figures().deviations == 1 && statistics.figures().jitter_ns == 0);
}

TEST(statistics_report, "the source's report is kept with its time; that of another is not") {
  ReceiveStatistics statistics;
  hear(statistics, {1});
  statistics.on_sender_report(2, 5, 9);
  CHECK(statistics.figures().report_at_ns == 0);
  statistics.on_sender_report(1, 0x12345678, 42);
  CHECK(statistics.figures().report_ntp == 0x12345678 && statistics.figures().report_at_ns == 42);
}

TEST(sender_report_found, "a sender report is found in its compound, whole or not at all") {
  const Bytes compound =
      from_hex("80c90001 01020304"
               "80c80006 0a0b0c0d 11112222 33334444 00000000 00000001 00000002");
  SenderReport report{};
  CHECK(find_sender_report(compound.data(), compound.size(), report));
  CHECK(report.ssrc == 0x0a0b0c0d && report.ntp_middle == 0x22223333);
  for (size_t length = 0; length < compound.size(); ++length)
    CHECK(!find_sender_report(compound.data(), length, report));
  const Bytes too_short = from_hex("80c80001 0a0b0c0d");
  CHECK(!find_sender_report(too_short.data(), too_short.size(), report));
}
