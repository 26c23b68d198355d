#include "mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

namespace webtrunk {

Mailbox::Mailbox() : event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

void Mailbox::post(Command command) {
  bool was_empty;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    was_empty = waiting_.empty();
    if (was_empty) waiting_since_ = std::chrono::steady_clock::now();
    waiting_.push_back(std::move(command));
    has_mail_.store(true, std::memory_order_release);
  }
  if (was_empty) wake();
}

bool Mailbox::post_datagram(Command command) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (datagrams_ == kMaxDatagrams) return false;
    datagrams_++;
  }
  post(std::move(command));
  return true;
}

int64_t Mailbox::waiting_ns() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (waiting_.empty()) return 0;
  const auto waited = std::chrono::steady_clock::now() - waiting_since_;
  return std::max<int64_t>(1, std::chrono::duration_cast<std::chrono::nanoseconds>(waited).count());
}

void Mailbox::wait_until_done() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait_for(lock, std::chrono::milliseconds(kMaxWaitMs),
                 [this] { return (waiting_.empty() && !is_busy_) || is_stopped(); });
}

void Mailbox::stop() {
  is_stopped_.store(true, std::memory_order_release);
  wake();
}

void Mailbox::collect(std::vector<Command>& commands) {
  const std::lock_guard<std::mutex> lock(mutex_);
  commands.swap(waiting_);
  has_mail_.store(false, std::memory_order_release);
  datagrams_ = 0;
  is_busy_ = true;
}

void Mailbox::done() {
  const std::lock_guard<std::mutex> lock(mutex_);
  is_busy_ = false;
  idle_.notify_all();
}

void Mailbox::wake() {
  const uint64_t one = 1;
  // Can only fail when the counter is full, and then the thread is being woken anyway.
  if (write(event_.get(), &one, sizeof one) < 0) return;
}

}  // namespace webtrunk
