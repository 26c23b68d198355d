#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

#include "endpoint.h"

namespace webtrunk {

/** Readers of what JavaScript passes. Each returns false after it has thrown TypeError or RangeError into JavaScript. */

bool read_number(Napi::Value value, const char* name, double minimum, double maximum, double& out);
bool read_text(Napi::Value value, const char* name, size_t minimum, size_t maximum, std::string& out);
/** A view of the bytes, valid during the call. */
bool read_bytes(Napi::Value value, const char* name, size_t minimum, size_t maximum, const uint8_t*& data, size_t& length);
bool read_object(Napi::Value value, const char* name, Napi::Object& out);
/** `TransportAddress`. */
bool read_endpoint(Napi::Value value, const char* name, uint16_t minimum_port, Endpoint& out);

/** Whole numbers. */
template <typename Integer>
bool read_integer(Napi::Value value, const char* name, double minimum, double maximum, Integer& out) {
  double number;
  if (!read_number(value, name, minimum, maximum, number)) return false;
  if (number != static_cast<double>(static_cast<int64_t>(number))) {
    Napi::RangeError::New(value.Env(), std::string(name) + " is not a whole number").ThrowAsJavaScriptException();
    return false;
  }
  out = static_cast<Integer>(number);
  return true;
}

Napi::Object transport_address(Napi::Env env, const Endpoint& endpoint);

void throw_type_error(Napi::Env env, const std::string& message);
void throw_range_error(Napi::Env env, const std::string& message);
/** An Error with a `code`. */
void throw_coded(Napi::Env env, const char* code, const std::string& message);
/** What `errno` says, with its name as the `code`. */
void throw_system(Napi::Env env, int reason, const std::string& action);

}  // namespace webtrunk
