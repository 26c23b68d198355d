#include "announcer.h"

namespace webtrunk {

void call_on_ready(Napi::Env env, Napi::Function on_ready, std::shared_ptr<Announcer>* context, void*) {
  if (env != nullptr && (*context)->arrive()) on_ready.Call({});
}

void Announcer::open(const std::shared_ptr<Announcer>& self, Napi::Env env, Napi::Function on_ready) {
  auto context = std::make_unique<std::shared_ptr<Announcer>>(self);
  self->on_ready_ = OnReady::New(
      env, on_ready, Napi::Object::New(env), "webtrunk.relay", 0, 1, context.release(),
      [](Napi::Env, void*, std::shared_ptr<Announcer>* ended) { std::unique_ptr<std::shared_ptr<Announcer>> freed(ended); },
      static_cast<void*>(nullptr));
}

void Announcer::close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (on_ready_.has_value()) on_ready_->Release();
  on_ready_.reset();
}

void Announcer::forget() {
  const std::lock_guard<std::mutex> lock(mutex_);
  on_ready_.reset();
}

bool Announcer::arrive() {
  // Before the look: whatever is added after it is announced anew. The other way round, what JavaScript had taken already when this
  // call came would have been the last that was ever told.
  is_under_way_.exchange(false);
  if (!on_ready_.has_value() || is_told_ || loop.queue.is_empty()) return false;
  is_told_ = true;
  return true;
}

void Announcer::announce() {
  if (is_under_way_.exchange(true)) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (on_ready_.has_value()) on_ready_->NonBlockingCall();
}

}  // namespace webtrunk
