#include <napi.h>

#include "dtls_binding.h"
#include "relay_binding.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  webtrunk::init_dtls(env, exports);
  webtrunk::init_relay(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(webtrunk, init)
