#include "relay_arguments.h"

#include <uv.h>

#include "relay_address.h"

namespace webtrunk {

bool read_number(Napi::Value value, const char* name, double minimum, double maximum, double& out) {
  if (value.IsEmpty()) return false;  // A getter threw.
  if (!value.IsNumber()) {
    throw_type_error(value.Env(), std::string(name) + " is not a number");
    return false;
  }
  out = value.As<Napi::Number>().DoubleValue();
  if (out >= minimum && out <= maximum) return true;
  throw_range_error(value.Env(), std::string(name) + " is out of range");
  return false;
}

bool read_text(Napi::Value value, const char* name, size_t minimum, size_t maximum, std::string& out) {
  if (value.IsEmpty()) return false;
  if (!value.IsString()) {
    throw_type_error(value.Env(), std::string(name) + " is not a string");
    return false;
  }
  out = value.As<Napi::String>().Utf8Value();
  if (out.size() >= minimum && out.size() <= maximum && out.find('\0') == std::string::npos) return true;
  throw_range_error(value.Env(), std::string(name) + " has a wrong length or a NUL");
  return false;
}

bool read_bytes(Napi::Value value, const char* name, size_t minimum, size_t maximum, const uint8_t*& data, size_t& length) {
  if (value.IsEmpty()) return false;
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw_type_error(value.Env(), std::string(name) + " is not a Uint8Array");
    return false;
  }
  const auto bytes = value.As<Napi::Uint8Array>();
  data = bytes.Data();
  length = bytes.ByteLength();
  if (length >= minimum && length <= maximum) return true;
  throw_range_error(value.Env(), std::string(name) + " has a wrong length");
  return false;
}

bool read_object(Napi::Value value, const char* name, Napi::Object& out) {
  if (value.IsEmpty()) return false;
  if (!value.IsObject()) {
    throw_type_error(value.Env(), std::string(name) + " is not an object");
    return false;
  }
  out = value.As<Napi::Object>();
  return true;
}

bool read_endpoint(Napi::Value value, const char* name, uint16_t minimum_port, Endpoint& out) {
  Napi::Object object;
  std::string address;
  uint16_t port;
  if (!read_object(value, name, object)) return false;
  if (!read_text(object.Get("address"), "address", 1, INET6_ADDRSTRLEN, address)) return false;
  if (!read_integer(object.Get("port"), "port", minimum_port, UINT16_MAX, port)) return false;
  if (parse_endpoint(address.c_str(), port, out)) return true;
  throw_type_error(value.Env(), std::string(name) + " is not an IP address");
  return false;
}

Napi::Object transport_address(Napi::Env env, const Endpoint& endpoint) {
  char text[INET6_ADDRSTRLEN];
  const size_t length = format_address(endpoint, text);
  Napi::Object object = Napi::Object::New(env);
  object.Set("address", Napi::String::New(env, text, length));
  object.Set("port", Napi::Number::New(env, endpoint.port));
  return object;
}

void throw_type_error(Napi::Env env, const std::string& message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
}

void throw_range_error(Napi::Env env, const std::string& message) {
  Napi::RangeError::New(env, message).ThrowAsJavaScriptException();
}

void throw_coded(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  error.ThrowAsJavaScriptException();
}

void throw_system(Napi::Env env, int reason, const std::string& action) {
  const int translated = uv_translate_sys_error(reason);
  char name[32];
  char text[128];
  uv_err_name_r(translated, name, sizeof name);
  uv_strerror_r(translated, text, sizeof text);
  throw_coded(env, name, action + ": " + text);
}

}  // namespace webtrunk
