#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "rtp.h"

namespace webtrunk {

/** What stands in a packet of named events (RFC 4733 §2.3): 0-9, 10 `*`, 11 `#`, 12-15 A-D, 16 flash, and others. */
struct EventPayload {
  static constexpr size_t kLength = 4;

  uint8_t event = 0;
  bool is_end = false;
  /** Power below 0 dBm0, 0..63. */
  uint8_t volume = 0;
  /** Since the packet's timestamp, in ticks of the payload type's clock. */
  uint16_t duration = 0;

  /** False: too short. What follows the first event in the same packet is not looked at. */
  static bool read(const uint8_t* payload, size_t length, EventPayload& out);
  void write(uint8_t* payload) const;
};

/** Who is told what an `EventDetector` makes of packets. */
class EventSink {
 public:
  virtual void on_begin(uint8_t event, uint8_t volume) = 0;
  virtual void on_end(uint8_t event, int64_t duration_ns) = 0;

 protected:
  ~EventSink() = default;
};

/**
 * Turns the packets of one source into key presses, each once. Presses are told apart by their RTP timestamp and nothing
 * else: marker, first packets and all but one end packet may be missing, repeated or late. A new timestamp that continues
 * an event of the longest duration a packet can say is the same press (RFC 4733 §2.5.1.3). Times are nanoseconds.
 */
class EventDetector {
 public:
  /** So long after the last packet a press has ended, if nobody said so. */
  static constexpr int64_t kLostEndNs = 300'000'000;

  /** `clock_rate_hz` is that of the payload type, not 0. */
  void on_packet(const RtpHeader& header, const EventPayload& payload, uint32_t clock_rate_hz, int64_t now_ns,
                 EventSink& sink);
  /** Ends a press whose end was lost. */
  void poll(int64_t now_ns, EventSink& sink);
  /** Nobody listens any more: a press under way has ended. */
  void close(EventSink& sink);
  /** A press is under way: `poll` from then on. */
  bool is_open() const { return is_open_; }
  int64_t due_ns() const { return heard_at_ns_ + kLostEndNs; }

 private:
  bool is_late(const RtpHeader& header) const;
  bool continues(const RtpHeader& header, const EventPayload& payload) const;
  int64_t duration_ns() const;
  void end(EventSink& sink);

  bool is_open_ = false;
  /** Of the press heard last, open or over. */
  bool has_heard_ = false;
  uint32_t ssrc_ = 0;
  /** Of the packet heard last. */
  uint16_t sequence_ = 0;
  uint32_t timestamp_ = 0;
  /** Of the press before. */
  uint32_t timestamp_before_ = 0;
  uint8_t event_ = 0;
  uint32_t clock_rate_hz_ = 1;
  /** Of the segments before this one, and of this one so far: ticks. */
  uint64_t ticks_before_ = 0;
  uint16_t ticks_ = 0;
  int64_t heard_at_ns_ = 0;
};

/** One packet that an `EventSender` wants sent. */
struct EventPacket {
  /** The first of a press: it has the marker, and its timestamp is the time of the stream now. */
  bool is_first;
  uint8_t payload_type;
  uint32_t clock_rate_hz;
  /** How far its timestamp is from that of the first, in ticks of that clock. */
  uint64_t offset;
  EventPayload payload;
};

/**
 * Plays key presses as RFC 4733 events, one after the other: an update every 20 ms, the end three times, a pause. Ended by
 * whoever began it (`begin`, `end`: a key held at the other side) or by its duration (`press`).
 */
class EventSender {
 public:
  static constexpr size_t kMaxQueued = 32;
  static constexpr int64_t kIntervalNs = 20'000'000;
  static constexpr int kEnds = 3;
  /** A press of given duration is cut to this when the next one waits: clients write any number there. */
  static constexpr int64_t kEnoughNs = 100'000'000;
  /** Whatever its source says, a press ends. */
  static constexpr int64_t kLongestNs = 60'000'000'000;

  /** How the peer takes events. */
  struct Format {
    uint8_t payload_type = 0;
    uint32_t clock_rate_hz = 8000;
  };

  /** False when as many wait as may. */
  bool press(const Format& format, uint8_t event, int64_t duration_ns);
  bool begin(const Format& format, uint8_t event, uint8_t volume);
  /** Ends what was begun last. */
  void end(int64_t duration_ns);

  /** Something is to be sent at `due_ns`. */
  bool is_active() const { return size_ > 0; }
  /** A key is down: the stream carries it in place of audio. */
  bool is_down() const { return size_ > 0 && phase_ == Phase::down; }
  /** 0: at once. */
  int64_t due_ns() const { return due_ns_; }
  /** What is due. False: nothing, only a pause was over. */
  bool next(int64_t now_ns, EventPacket& packet);

 private:
  enum class Phase : uint8_t { waiting, down, ending };

  struct Press {
    Format format;
    uint8_t event;
    uint8_t volume;
    /** Its end is not known yet. */
    bool is_open;
    /** Its source is not waiting for it. */
    bool may_be_cut;
    int64_t duration_ns;
  };

  bool add(const Press& press);
  Press& front() { return (*queue_)[head_]; }
  void pop();
  bool next_update(int64_t now_ns, EventPacket& packet);

  /** Null before the first press: most legs never have one. */
  std::unique_ptr<std::array<Press, kMaxQueued>> queue_;
  size_t head_ = 0;
  size_t size_ = 0;
  Phase phase_ = Phase::waiting;
  int64_t started_at_ns_ = 0;
  /** Of the press under way, as last sent. */
  int64_t elapsed_ns_ = 0;
  /** Ticks before the segment under way. */
  uint64_t offset_ = 0;
  int ends_ = 0;
  EventPayload ending_;
  int64_t due_ns_ = 0;
};

}  // namespace webtrunk
