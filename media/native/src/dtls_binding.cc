#include "dtls_binding.h"

#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "certificate.h"
#include "dtls.h"
#include "relay_arguments.h"

namespace webtrunk {

namespace {

/** Of one environment (main thread or worker). */
struct Constructors {
  Napi::FunctionReference context;
  Napi::FunctionReference session;
};

/** Handed to the constructors, which JavaScript cannot reach with anything else of the kind. */
using ContextHolder = Napi::External<std::unique_ptr<DtlsContext>>;
using SessionHolder = Napi::External<std::unique_ptr<DtlsSession>>;

Napi::Value type_error(Napi::Env env, const std::string& text) {
  throw_type_error(env, text);
  return env.Undefined();
}

Napi::Value range_error(Napi::Env env, const std::string& text) {
  throw_range_error(env, text);
  return env.Undefined();
}

/** Why OpenSSL did not like what our own configuration gave it. */
Napi::Value refuse(Napi::Env env, const char* what, const std::string& reason) {
  return range_error(env, std::string(what) + ": " + reason);
}

bool read_strings(const Napi::Value& value, std::vector<std::string>& strings) {
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsString()) return false;
    strings.push_back(item.As<Napi::String>().Utf8Value());
  }
  return true;
}

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "DtlsSession",
                       {
                           InstanceAccessor<&SessionObject::state>("state"),
                           InstanceAccessor<&SessionObject::failure>("failure"),
                           InstanceAccessor<&SessionObject::timeout_in_ms>("timeoutInMs"),
                           InstanceMethod<&SessionObject::start>("start"),
                           InstanceMethod<&SessionObject::feed>("feed"),
                           InstanceMethod<&SessionObject::timeout>("timeout"),
                           InstanceMethod<&SessionObject::take>("take"),
                           InstanceMethod<&SessionObject::keys>("keys"),
                           InstanceMethod<&SessionObject::peer_fingerprint>("peerFingerprint"),
                           InstanceMethod<&SessionObject::close>("close"),
                       });
  }

  explicit SessionObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    if (info.Length() == 1 && info[0].IsExternal()) {
      session_ = std::move(*info[0].As<SessionHolder>().Data());
    } else {
      type_error(info.Env(), "DtlsSession comes from createSession");
    }
  }

 private:
  Napi::Value state(const Napi::CallbackInfo& info) {
    switch (session_->state()) {
      case DtlsState::handshaking:
        return Napi::String::New(info.Env(), "handshaking");
      case DtlsState::connected:
        return Napi::String::New(info.Env(), "connected");
      case DtlsState::failed:
        return Napi::String::New(info.Env(), "failed");
      case DtlsState::closed:
        break;
    }
    return Napi::String::New(info.Env(), "closed");
  }

  Napi::Value failure(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (session_->state() != DtlsState::failed) return env.Undefined();
    Napi::Object failure = Napi::Object::New(env);
    const int alert = session_->failure_alert();
    failure.Set("reason", session_->failure_reason());
    failure.Set("alert", alert < 0 ? env.Undefined() : Napi::Number::New(env, alert));
    return failure;
  }

  Napi::Value timeout_in_ms(const Napi::CallbackInfo& info) {
    const int64_t left = session_->timeout_ms();
    return left < 0 ? info.Env().Undefined() : Napi::Number::New(info.Env(), static_cast<double>(left));
  }

  Napi::Value start(const Napi::CallbackInfo& info) {
    session_->start();
    return info.Env().Undefined();
  }

  Napi::Value feed(const Napi::CallbackInfo& info) {
    const uint8_t* bytes = nullptr;
    size_t length = 0;
    if (read_bytes(info[0], "datagram", 0, SIZE_MAX, bytes, length)) session_->feed(bytes, length);
    return info.Env().Undefined();
  }

  Napi::Value timeout(const Napi::CallbackInfo& info) {
    session_->timeout();
    return info.Env().Undefined();
  }

  Napi::Value take(const Napi::CallbackInfo& info) {
    const auto datagrams = session_->take();
    Napi::Array list = Napi::Array::New(info.Env(), datagrams.size());
    for (uint32_t i = 0; i < datagrams.size(); ++i) {
      list.Set(i, Napi::Buffer<uint8_t>::Copy(info.Env(), datagrams[i].data(), datagrams[i].size()));
    }
    return list;
  }

  Napi::Value keys(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    DtlsKeys keys;
    if (!session_->keys(keys)) return env.Undefined();
    Napi::Object result = Napi::Object::New(env);
    result.Set("suite", suite_parameters(keys.suite).name);
    result.Set("receive", Napi::Buffer<uint8_t>::Copy(env, keys.receive.data(), keys.receive.size()));
    result.Set("send", Napi::Buffer<uint8_t>::Copy(env, keys.send.data(), keys.send.size()));
    return result;
  }

  Napi::Value peer_fingerprint(const Napi::CallbackInfo& info) {
    if (info.Length() < 1 || !info[0].IsString()) return type_error(info.Env(), "hash must be a string");
    const std::string fingerprint = session_->peer_fingerprint(info[0].As<Napi::String>().Utf8Value());
    return fingerprint.empty() ? info.Env().Undefined() : Napi::String::New(info.Env(), fingerprint);
  }

  Napi::Value close(const Napi::CallbackInfo& info) {
    session_->close();
    return info.Env().Undefined();
  }

  std::unique_ptr<DtlsSession> session_;
};

class ContextObject : public Napi::ObjectWrap<ContextObject> {
 public:
  static Napi::Function define(Napi::Env env, Constructors* constructors) {
    return DefineClass(env, "DtlsContext",
                       {
                           InstanceAccessor<&ContextObject::fingerprint>("fingerprint"),
                           InstanceMethod<&ContextObject::create_session>("createSession", napi_default, constructors),
                       });
  }

  explicit ContextObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
    if (info.Length() == 1 && info[0].IsExternal()) {
      context_ = std::move(*info[0].As<ContextHolder>().Data());
    } else {
      type_error(info.Env(), "DtlsContext comes from createDtlsContext");
    }
  }

 private:
  Napi::Value fingerprint(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), context_->fingerprint());
  }

  Napi::Value create_session(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::string role = info.Length() > 0 && info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
    if (role != "server" && role != "client") return type_error(env, "role must be 'server' or 'client'");
    auto session = DtlsSession::create(*context_, role == "server" ? DtlsRole::server : DtlsRole::client);
    if (session == nullptr) return refuse(env, "createSession", take_openssl_error());
    const auto* constructors = static_cast<const Constructors*>(info.Data());
    return constructors->session.New({SessionHolder::New(env, &session)});
  }

  std::unique_ptr<DtlsContext> context_;
};

Napi::Value create_certificate_call(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject()) return type_error(env, "options must be an object");
  const auto options = info[0].As<Napi::Object>();
  const Napi::Value common_name = options.Get("commonName");
  const Napi::Value days = options.Get("days");
  std::vector<std::string> names;
  if (!common_name.IsString() || !days.IsNumber() || !read_strings(options.Get("names"), names)) {
    return type_error(env, "commonName must be a string, days a number, names an array of strings");
  }
  CertificatePem pem;
  std::string error;
  if (!create_certificate(common_name.As<Napi::String>().Utf8Value(), days.As<Napi::Number>().Int32Value(), names, pem,
                          error)) {
    return refuse(env, "createCertificate", error);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("certificatePem", pem.certificate);
  result.Set("privateKeyPem", pem.private_key);
  OPENSSL_cleanse(pem.private_key.data(), pem.private_key.size());
  return result;
}

Napi::Value create_dtls_context_call(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (info.Length() < 1 || !info[0].IsObject()) return type_error(env, "options must be an object");
  const auto options = info[0].As<Napi::Object>();
  const Napi::Value certificate = options.Get("certificatePem");
  const Napi::Value private_key = options.Get("privateKeyPem");
  const Napi::Value mtu = options.Get("mtu");
  std::vector<std::string> names;
  if (!certificate.IsString() || !private_key.IsString() || !mtu.IsNumber() ||
      !read_strings(options.Get("suites"), names)) {
    return type_error(env, "certificatePem and privateKeyPem must be strings, mtu a number, suites an array of strings");
  }
  std::vector<Suite> suites;
  for (const std::string& name : names) {
    const SuiteParameters* row = find_suite(name);
    if (row == nullptr) return range_error(env, "unknown SRTP suite: " + name);
    suites.push_back(row->suite);
  }
  const int64_t mtu_bytes = mtu.As<Napi::Number>().Int64Value();
  std::string error;
  std::string key_pem = private_key.As<Napi::String>().Utf8Value();
  auto context = DtlsContext::create(certificate.As<Napi::String>().Utf8Value(), key_pem, suites,
                                     mtu_bytes < 0 ? 0 : static_cast<size_t>(mtu_bytes), error);
  OPENSSL_cleanse(key_pem.data(), key_pem.size());
  if (context == nullptr) return refuse(env, "createDtlsContext", error);
  const auto* constructors = static_cast<const Constructors*>(info.Data());
  return constructors->context.New({ContextHolder::New(env, &context)});
}

}  // namespace

void init_dtls(Napi::Env env, Napi::Object exports) {
  auto owned = std::make_unique<Constructors>();
  Constructors* constructors = owned.get();
  constructors->session = Napi::Persistent(SessionObject::define(env));
  constructors->context = Napi::Persistent(ContextObject::define(env, constructors));
  env.AddCleanupHook([](Constructors* ours) { std::unique_ptr<Constructors>(ours).reset(); }, owned.release());

  Napi::Object openssl = Napi::Object::New(env);
  openssl.Set("built", Napi::Number::New(env, static_cast<double>(OPENSSL_VERSION_NUMBER)));
  openssl.Set("running", Napi::Number::New(env, static_cast<double>(OpenSSL_version_num())));
  exports.Set("openssl", openssl);
  exports.Set("createCertificate", Napi::Function::New(env, create_certificate_call, "createCertificate"));
  exports.Set("createDtlsContext",
              Napi::Function::New(env, create_dtls_context_call, "createDtlsContext", constructors));
}

}  // namespace webtrunk
