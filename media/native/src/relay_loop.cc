#include "relay_loop.h"

#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "thread_priority.h"

namespace webtrunk {

namespace {

/** Sockets of legs that are served in one round, and then those that waited longest are next: epoll goes round in a ring. */
constexpr size_t kEventsPerRound = 256;
constexpr size_t kPackets = 512 + Intake::kSize;
constexpr int kHousekeepingMs = 1000;
/** Tables of legs begin with room for these. They grow by commands, between batches: a tenth of a millisecond at a thousand calls. */
constexpr size_t kFirstLegs = 64;

}  // namespace

int64_t monotonic_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

RelayLoop::RelayLoop(const RelayLimits& limits, std::function<void()> notify)
    : queue(limits.queue_bytes),
      notify_(std::move(notify)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      legs_(limits.max_legs),
      ufrags_(limits.max_legs * Leg::kMaxUfrags, KeyedHash::random(), kFirstLegs),
      tuples_(limits.max_legs * Leg::kMaxTuples, KeyedHash::random(), kFirstLegs),
      strays_(limits.max_stray_sources, limits.stray_rate, KeyedHash::random()),
      doorbell_(std::make_shared<Doorbell>()),
      gathering_(limits.gather_ns),
      patience_(limits.patience_ns),
      pool_(kPackets),
      intake_(pool_) {
  mux_.reserve(kMaxMuxSockets + 2 * kMaxSharedPairs);  // Never reallocated: packets and events refer to its elements.
  to_flush_.reserve(kPackets);
  // Of each task there is one entry, and seldom a void one beside it.
  due_.reserve(limits.max_legs * kTasks);
  watch(mailbox.event(), EventSource::mailbox, 0);
  watch(timer_, EventSource::timer, 0);
  watch(doorbell_->event(), EventSource::doorbell, 0);
}

bool RelayLoop::is_ready() const {
  return epoll_.is_open() && timer_.is_open() && mailbox.event().is_open() && doorbell_->event().is_open();
}

bool RelayLoop::watch(const Fd& socket, EventSource source, uint32_t id) {
  epoll_event event{};
  // Of these every write is an event, and costs no reading. Nor does one stay that came when all had been taken already: the
  // thread would not sleep until something else is posted.
  const bool is_wake = source == EventSource::doorbell || source == EventSource::mailbox;
  event.events = is_wake ? EPOLLIN | EPOLLET : EPOLLIN;
  event.data.u64 = event_tag(source, id);
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) == 0;
}

void RelayLoop::run() {
  // Pauses are shorter than the 50 us by which the kernel may lengthen them otherwise.
  prctl(PR_SET_TIMERSLACK, 1);
  go_first();
  while (!mailbox.is_stopped()) {
    gather();
    round(has_backlog_ ? 0 : is_idle() ? -1 : kHousekeepingMs);
  }
  // What was posted before the end still goes out (a close_notify, a BYE), or is at least freed.
  carry_out_commands();
  for (std::unique_ptr<Leg>& leg : legs_) leg.reset();
  mux_.clear();
  crossings_.clear();
  counters.legs.set(0);
  counters.tuples.set(0);
  counters.sockets.set(0);
  counters.players.set(0);
  counters.stray_sources.set(0);
  counters.load.set(0);
}

/** Leaves the sockets alone for a while, so that there are several packets then. */
void RelayLoop::gather() {
  if (has_backlog_ || gathering_.pause_ns() == 0) return;
  const int64_t until_ns = now_ns_ + gathering_.pause_ns();
  const timespec until = {static_cast<time_t>(until_ns / 1'000'000'000), static_cast<long>(until_ns % 1'000'000'000)};
  // It has passed already when the round took as long: then this returns at once, as it may for a signal.
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

void RelayLoop::round(int timeout_ms) {
  std::array<epoll_event, kEventsPerRound> events;
  const int wait_ms = timeout_ms == 0 || may_sleep() ? timeout_ms : 0;
  const int ready = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), wait_ms);
  doorbell_->wake();
  now_ns_ = monotonic_ns();
  packets_in_round_ = 0;

  if (mailbox.has_mail()) carry_out_commands();
  std::array<LegEvent, kEventsPerRound> leg_events;
  size_t leg_event_count = 0;
  for (int i = 0; i < ready; i++) {
    if (!dispatch(events[i], leg_events[leg_event_count])) continue;
    leg_event_count++;
  }
  for (size_t at = 0; at < leg_event_count; at += Intake::kSize)
    serve_legs(&leg_events[at], std::min(Intake::kSize, leg_event_count - at));
  // Whatever epoll found this time: a full one must not wait for its turn among a thousand trunk sockets.
  has_backlog_ = ready == static_cast<int>(events.size());
  for (size_t id = 0; id < mux_.size(); id++) {
    if (mux_[id].is_ready) serve(static_cast<SocketId>(id));
  }
  patience_.note(has_backlog_, now_ns_);
  serve_crossings();
  gathering_.note(packets_in_round_, now_ns_);
  do_due();
  flush();
  notice_silence();
  strays_.expire(now_ns_);
  arm_timer();
  measure_load();
  publish();
  if (has_news_) {
    has_news_ = false;
    notify_();
  }
}

/** Nothing changes by time alone. */
bool RelayLoop::is_idle() const { return strays_.size() == 0 && leg_count_ == 0 && counters.load.get() == 0; }

void RelayLoop::measure_load() {
  if (!load_.is_due(now_ns_)) return;
  timespec worked;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &worked);
  load_.note(now_ns_, worked.tv_sec * 1'000'000'000LL + worked.tv_nsec);
  counters.load.set(load_.per_mille());
}

/** Whether it is one of a leg's own sockets, which is then in `of_leg`. */
bool RelayLoop::dispatch(const epoll_event& event, LegEvent& of_leg) {
  const auto source = static_cast<EventSource>(event.data.u64 >> 32);
  const auto id = static_cast<uint32_t>(event.data.u64);
  switch (source) {
    case EventSource::mailbox:
    case EventSource::doorbell:
      return false;  // Looked at in every round.
    case EventSource::timer: {
      uint64_t expirations;
      if (read(timer_.get(), &expirations, sizeof expirations) > 0) timer_armed_for_ns_ = 0;
      return false;
    }
    case EventSource::mux:
    case EventSource::shared_rtp:
    case EventSource::shared_rtcp:
      if (id >= mux_.size()) return false;
      mux_[id].kind = source;
      mux_[id].is_ready = true;
      return false;
    case EventSource::leg_rtp:
    case EventSource::leg_rtcp:
      of_leg = {id, source == EventSource::leg_rtcp};
      return true;
  }
  return false;
}

void RelayLoop::arm_timer() {
  const int64_t at_ns = due_.empty() ? 0 : due_.front().at_ns;
  if (at_ns == timer_armed_for_ns_) return;
  itimerspec when{};
  when.it_value.tv_sec = at_ns / 1'000'000'000;
  when.it_value.tv_nsec = at_ns % 1'000'000'000;
  timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
  timer_armed_for_ns_ = at_ns;
}

void RelayLoop::publish() {
  counters.legs.set(leg_count_);
  counters.tuples.set(tuples_.size());
  counters.players.set(player_count_);
  counters.stray_sources.set(strays_.size());
}

}  // namespace webtrunk
