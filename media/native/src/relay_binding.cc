#include "relay_binding.h"

#include <pthread.h>
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <string>

#include "relay_arguments.h"
#include "relay_object.h"

namespace webtrunk {

namespace {

constexpr int kMinSharedBuffer = 64 << 10;
constexpr int kMaxSharedBuffer = 256 << 20;
constexpr size_t kMaxBatch = 64 << 10;
constexpr size_t kMinQueue = 4 << 10;
constexpr size_t kMaxQueue = 256 << 20;
/** The kernel's `TASK_COMM_LEN`, without the zero. */
constexpr size_t kMaxThreadName = 15;
/** Slots are 16 bits of the leg id. */
constexpr size_t kMaxLegs = UINT16_MAX;
/** More would be heard as delay. */
constexpr uint32_t kMaxGatherUs = 5'000;
/** A round takes milliseconds: a thread that has not ended by then stands still. */
constexpr std::chrono::seconds kLongestEnd{5};

bool read_gathering(Napi::Value value, int64_t& gather_ns) {
  uint32_t gather_us;
  if (!read_integer(value, "gatherUs", 0, kMaxGatherUs, gather_us)) return false;
  gather_ns = int64_t{gather_us} * 1000;
  return true;
}

}  // namespace

Napi::Function RelayObject::define(Napi::Env env) {
  return DefineClass(env, "Relay",
                     {InstanceMethod<&RelayObject::bind>("bind"),
                      InstanceMethod<&RelayObject::bind_shared>("bindShared"),
                      InstanceMethod<&RelayObject::add_leg>("addLeg"),
                      InstanceMethod<&RelayObject::add_visitor>("addVisitor"),
                      InstanceMethod<&RelayObject::admit>("admit"), InstanceMethod<&RelayObject::set_ufrags>("setUfrags"),
                      InstanceMethod<&RelayObject::set_remote>("setRemote"),
                      InstanceMethod<&RelayObject::move_leg>("moveLeg"),
                      InstanceMethod<&RelayObject::set_keys>("setKeys"),
                      InstanceMethod<&RelayObject::set_route>("setRoute"), InstanceMethod<&RelayObject::play>("play"),
                      InstanceMethod<&RelayObject::press>("press"), InstanceMethod<&RelayObject::watch>("watch"),
                      InstanceMethod<&RelayObject::take_batch>("takeBatch"), InstanceMethod<&RelayObject::send>("send"),
                      InstanceMethod<&RelayObject::send_rtcp>("sendRtcp"),
                      InstanceMethod<&RelayObject::send_dtls>("sendDtls"), InstanceMethod<&RelayObject::stats>("stats"),
                      InstanceMethod<&RelayObject::report>("report"),
                      InstanceMethod<&RelayObject::counters>("counters"), InstanceMethod<&RelayObject::tables>("tables"),
                      InstanceMethod<&RelayObject::load>("load"), InstanceMethod<&RelayObject::heartbeat>("heartbeat"),
                      InstanceMethod<&RelayObject::remove>("remove"), InstanceMethod<&RelayObject::close>("close")});
}

// ---- Life ----

RelayObject::RelayObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RelayObject>(info) {
  const Napi::Env env = info.Env();
  Napi::Object options;
  RelayLimits limits{};
  std::string thread_name;
  if (!read_object(info[0], "options", options) || !read_limits(options, limits) ||
      !read_text(options.Get("threadName"), "threadName", 1, kMaxThreadName, thread_name))
    return;
  const Napi::Value on_ready = options.Get("onReady");
  if (on_ready.IsEmpty()) return;
  if (!on_ready.IsFunction()) {
    throw_type_error(env, "onReady is not a function");
    return;
  }

  announcer_ = std::make_shared<Announcer>(limits);
  if (!loop().is_ready()) {
    throw_system(env, errno, "open relay");
    return;
  }
  directory_ = std::make_unique<LegDirectory>(limits.max_legs);
  shapes_ = std::make_unique<const FigureShapes>(env);
  Announcer::open(announcer_, env, on_ready.As<Napi::Function>());
  // After the thread-safe function has added its own: hooks run in reverse, so that the thread ends before it does.
  napi_add_env_cleanup_hook(env, on_environment_end, this);
  Value().TypeTag(&kRelayTag);
  Ref();

  // Signals are for Node's threads.
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  std::promise<void> ended;
  ended_ = ended.get_future();
  // Shares the loop, because it may be left behind.
  thread_ = std::thread([announcer = announcer_, ended = std::move(ended)]() mutable {
    announcer->loop.run();
    ended.set_value();
  });
  pthread_setname_np(thread_.native_handle(), thread_name.c_str());
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  is_closed_ = false;
}

bool RelayObject::read_limits(Napi::Object options, RelayLimits& limits) {
  return read_integer(options.Get("maxLegs"), "maxLegs", 1, kMaxLegs, limits.max_legs) &&
         read_integer(options.Get("queueBytes"), "queueBytes", kMinQueue, kMaxQueue, limits.queue_bytes) &&
         read_integer(options.Get("strayPerSecond"), "strayPerSecond", 1, 1e6, limits.stray_rate.per_second) &&
         read_integer(options.Get("strayBurst"), "strayBurst", 1, 1e6, limits.stray_rate.burst) &&
         read_integer(options.Get("maxStraySources"), "maxStraySources", 1, 1e6, limits.max_stray_sources) &&
         read_gathering(options.Get("gatherUs"), limits.gather_ns) &&
         read_integer(options.Get("sharedBufferBytes"), "sharedBufferBytes", kMinSharedBuffer, kMaxSharedBuffer,
                      shared_buffer_) &&
         read_integer(options.Get("dscp"), "dscp", 0, kMaxDscp, dscp_);
}

bool RelayObject::end_thread() {
  if (!thread_.joinable()) return true;
  is_closed_ = true;
  loop().mailbox.stop();
  if (ended_.wait_for(kLongestEnd) != std::future_status::ready) {
    thread_.detach();
    return false;
  }
  thread_.join();
  return true;
}

Napi::Value RelayObject::close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (is_closed_) return Napi::Boolean::New(env, true);
  const bool has_ended = end_thread();
  napi_remove_env_cleanup_hook(env, on_environment_end, this);
  announcer_->close();
  Unref();
  return Napi::Boolean::New(env, has_ended);
}

void RelayObject::on_environment_end(void* self) {
  auto* relay = static_cast<RelayObject*>(self);
  relay->end_thread();
  relay->announcer_->forget();
}

bool RelayObject::throw_if_closed(Napi::Env env) {
  if (is_closed_) throw_coded(env, "ECLOSED", "the relay is closed");
  return is_closed_;
}

// ---- Datagrams ----

Napi::Value RelayObject::take_batch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (is_closed_) return env.Undefined();
  announcer_->looked();
  const size_t length = loop().queue.peek(kMaxBatch);
  if (length == 0) return env.Undefined();
  auto batch = Napi::Buffer<uint8_t>::New(env, length);
  if (batch.IsEmpty()) return env.Undefined();
  loop().queue.take(batch.Data(), length);
  if (!loop().queue.is_empty()) announcer_->announce();
  return batch;
}

void RelayObject::send(const Napi::CallbackInfo& info) {
  SendCommand command;
  const uint8_t* bytes;
  size_t length;
  if (is_closed_) return;
  if (!read_socket(info[0], "socket", EventSource::mux, command.tuple.socket) ||
      !read_endpoint(info[1], "remote", 1, command.tuple.remote) ||
      !read_bytes(info[2], "datagram", 1, kMaxDatagram, bytes, length))
    return;
  command.datagram.assign(bytes, bytes + length);
  if (!loop().mailbox.post_datagram(std::move(command))) mailbox_full_++;
}

void RelayObject::send_rtcp(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  const uint8_t* bytes;
  size_t length;
  if (entry == nullptr) return;
  if (!read_bytes(info[1], "packet", 1, kMaxDatagram, bytes, length)) return;
  if (!loop().mailbox.post_datagram(SendRtcpCommand{entry->id, std::vector<uint8_t>(bytes, bytes + length)}))
    mailbox_full_++;
}

void RelayObject::send_dtls(const Napi::CallbackInfo& info) {
  const LegDirectory::Entry* entry = read_leg(info[0]);
  const uint8_t* bytes;
  size_t length;
  if (entry == nullptr) return;
  if (!entry->is_dtls) return throw_type_error(info.Env(), "only a trunk leg with dtls sends such a datagram itself");
  if (!read_bytes(info[1], "datagram", 1, kMaxDatagram, bytes, length)) return;
  if (!loop().mailbox.post_datagram(SendDtlsCommand{entry->id, std::vector<uint8_t>(bytes, bytes + length)}))
    mailbox_full_++;
}

namespace {

Napi::Value open_relay(const Napi::CallbackInfo& info) {
  const Napi::Function relay = RelayObject::define(info.Env());
  if (relay.IsEmpty()) return info.Env().Undefined();
  return relay.New({info[0]});
}

void set_dscp_of(const Napi::CallbackInfo& info) {
  int socket;
  uint8_t dscp;
  if (!read_integer(info[0], "socket", 0, INT32_MAX, socket) || !read_integer(info[1], "dscp", 0, kMaxDscp, dscp)) return;
  if (!set_dscp(socket, dscp)) throw_system(info.Env(), errno, "mark socket");
}

}  // namespace

void init_relay(Napi::Env env, Napi::Object exports) {
  exports.Set("openRelay", Napi::Function::New<open_relay>(env, "openRelay"));
  exports.Set("setDscp", Napi::Function::New<set_dscp_of>(env, "setDscp"));
}

}  // namespace webtrunk
