#pragma once

#include <napi.h>

namespace webtrunk {

/** Adds `openssl`, `createCertificate` and `createDtlsContext` (media/native/boundary.ts) to the addon's exports. */
void init_dtls(Napi::Env env, Napi::Object exports);

}  // namespace webtrunk
