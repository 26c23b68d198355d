#include "object_shape.h"

#include <string>

namespace webtrunk {

ObjectShape::ObjectShape(Napi::Env env, std::initializer_list<const char*> names) {
  std::string list;
  for (const char* name : names) list.append(list.empty() ? "" : ",").append(name);
  // (a,b)=>({a,b})
  maker_ = Napi::Persistent(env.RunScript("(" + list + ")=>({" + list + "})").As<Napi::Function>());
}

}  // namespace webtrunk
