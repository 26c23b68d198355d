#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "relay_loop.h"

namespace webtrunk {

class Announcer;

void call_on_ready(Napi::Env env, Napi::Function on_ready, std::shared_ptr<Announcer>* context, void*);

/**
 * A relay thread's loop, and how it tells JavaScript that the queue has something: at most one call is under way, and none follows until
 * the queue was looked at.
 */
class Announcer {
 public:
  explicit Announcer(const RelayLimits& limits) : loop(limits, [this] { announce(); }) {}
  Announcer(const Announcer&) = delete;

  /** JavaScript thread: `on_ready` is called from now on, until `close`. `self`: of this. */
  static void open(const std::shared_ptr<Announcer>& self, Napi::Env env, Napi::Function on_ready);
  /** JavaScript thread. The thread of the loop may still run. */
  void close();
  /** JavaScript thread, when its environment ends and takes what it calls with it. */
  void forget();

  /** Either thread: there is something. */
  void announce();
  /** JavaScript thread: a call has arrived; whether there is something to tell. */
  bool arrive();
  /** JavaScript thread, before it looks into the queue. */
  void looked() { is_told_ = false; }

  RelayLoop loop;

 private:
  using OnReady = Napi::TypedThreadSafeFunction<std::shared_ptr<Announcer>, void, call_on_ready>;

  std::atomic<bool> is_under_way_{false};
  /** Of `on_ready_`: what was released must not be called. */
  std::mutex mutex_;
  std::optional<OnReady> on_ready_;
  /** JavaScript thread. */
  bool is_told_ = false;
};

}  // namespace webtrunk
