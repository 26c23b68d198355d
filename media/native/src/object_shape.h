#pragma once

#include <napi.h>

#include <initializer_list>

namespace webtrunk {

/**
 * Makes objects of one shape by a function of JavaScript. Set property by property through Node-API, each name is looked up and
 * each changes the object's shape: most of what the JavaScript thread did while media flows.
 */
class ObjectShape {
 public:
  ObjectShape(Napi::Env env, std::initializer_list<const char*> names);

  /** A value for each name, in their order. */
  Napi::Value make(std::initializer_list<napi_value> values) const { return maker_.Call(values); }

 private:
  Napi::FunctionReference maker_;
};

}  // namespace webtrunk
