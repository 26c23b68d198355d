#pragma once

#include <napi.h>

#include <memory>

#include "leg.h"

namespace webtrunk {

/** `NativeRoute`. Null after it has thrown into JavaScript. */
std::unique_ptr<Route> read_route(Napi::Value value);

/** `KeyFormat`. False after it has thrown. */
bool read_event_format(Napi::Object object, EventSender::Format& out);

}  // namespace webtrunk
