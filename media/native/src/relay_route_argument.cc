#include "relay_route_argument.h"

#include <sys/random.h>

#include <algorithm>

#include "relay_arguments.h"

namespace webtrunk {

namespace {

/** There are no more payload types. */
constexpr size_t kMostMappings = 128;

bool read_array(Napi::Value value, const char* name, Napi::Array& out) {
  if (value.IsEmpty()) return false;
  if (!value.IsArray()) {
    throw_type_error(value.Env(), std::string(name) + " is not an array");
    return false;
  }
  out = value.As<Napi::Array>();
  return true;
}

bool read_map(Napi::Value value, Route& route) {
  Napi::Array mappings;
  if (!read_array(value, "map", mappings)) return false;
  // Most have one format of key presses beside them.
  route.map.reserve(std::min<size_t>(mappings.Length(), kMostMappings) + 1);
  for (uint32_t i = 0; i < mappings.Length(); i++) {
    Napi::Object mapping;
    uint8_t from;
    Mapping to;
    if (!read_object(mappings.Get(i), "mapping", mapping) || !read_integer(mapping.Get("from"), "from", 0, 127, from) ||
        !read_integer(mapping.Get("to"), "to", 0, 127, to.payload_type) ||
        !read_integer(mapping.Get("clockRateHz"), "clockRateHz", 1, 1e6, to.clock_rate_hz))
      return false;
    to.is_one_octet_a_tick = mapping.Get("isOneOctetATick").ToBoolean();
    route.map.set(from, to);
  }
  return true;
}

bool read_events(Napi::Value value, Route& route) {
  if (value.IsUndefined()) return true;
  Napi::Object events;
  Napi::Array formats;
  if (!read_object(value, "events", events) || !read_array(events.Get("from"), "events.from", formats)) return false;
  for (uint32_t i = 0; i < formats.Length(); i++) {
    Napi::Object object;
    EventSender::Format format;
    if (!read_object(formats.Get(i), "format", object) || !read_event_format(object, format)) return false;
    Mapping mapping;
    mapping.event_rate_hz = format.clock_rate_hz;
    route.map.set(format.payload_type, mapping);
  }
  const Napi::Value to = events.Get("to");
  route.events = to.IsUndefined() ? EventRoute::told : EventRoute::played;
  if (to.IsUndefined()) return true;
  Napi::Object object;
  return read_object(to, "events.to", object) && read_event_format(object, route.event_format);
}

bool read_frames(Napi::Value value, Route& route) {
  if (value.IsUndefined()) return true;
  size_t octets;
  if (!read_integer(value, "frameOctets", Repacketiser::kMinFrame, Repacketiser::kMaxFrame, octets)) return false;
  uint32_t ssrc = 0;
  // Only has to differ from the source's; a failure leaves 0, which does.
  if (getrandom(&ssrc, sizeof ssrc, 0) < 0) ssrc = 0;
  route.frames = std::make_unique<Repacketiser>(octets, ssrc);
  return true;
}

}  // namespace

bool read_event_format(Napi::Object object, EventSender::Format& out) {
  return read_integer(object.Get("payloadType"), "payloadType", 0, 127, out.payload_type) &&
         read_integer(object.Get("clockRateHz"), "clockRateHz", 1000, 1e6, out.clock_rate_hz);
}

std::unique_ptr<Route> read_route(Napi::Value value) {
  Napi::Object options;
  auto route = std::make_unique<Route>();
  const bool is_read = read_object(value, "route", options) &&
                       read_integer(options.Get("target"), "target", 0, UINT32_MAX, route->target) &&
                       read_map(options.Get("map"), *route) && read_events(options.Get("events"), *route) &&
                       read_frames(options.Get("frameOctets"), *route);
  return is_read ? std::move(route) : nullptr;
}

}  // namespace webtrunk
