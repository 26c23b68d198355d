#pragma once

#include <napi.h>

namespace webtrunk {

/** Adds `openRelay` (media/native/boundary.ts) to the addon's exports. */
void init_relay(Napi::Env env, Napi::Object exports);

}  // namespace webtrunk
