#include "binding/convert.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "value/unpack.h"

namespace vethwork {
namespace {

struct ToJavaScript {
  Napi::Env env;

  Napi::Value operator()(std::monostate) const { return env.Undefined(); }
  Napi::Value operator()(bool value) const { return Napi::Boolean::New(env, value); }
  Napi::Value operator()(std::int64_t value) const {
    // Beyond this a number would be another one.
    constexpr std::int64_t maximumSafe = 9007199254740991;
    if (value > maximumSafe || value < -maximumSafe) {
      return Napi::BigInt::New(env, value);
    }
    return Napi::Number::New(env, static_cast<double>(value));
  }
  Napi::Value operator()(std::uint64_t value) const { return Napi::BigInt::New(env, value); }
  Napi::Value operator()(double value) const { return Napi::Number::New(env, value); }
  Napi::Value operator()(const std::string& value) const { return Napi::String::New(env, value); }
  Napi::Value operator()(const Bytes& value) const {
    auto array = Napi::Uint8Array::New(env, value.size());
    std::copy(value.begin(), value.end(), array.Data());
    return array;
  }
  Napi::Value operator()(const List& value) const {
    auto array = Napi::Array::New(env, value.size());
    for (std::size_t index = 0; index < value.size(); ++index) {
      const Napi::HandleScope scope(env);
      array.Set(static_cast<std::uint32_t>(index), toJavaScript(env, value[index]));
    }
    return array;
  }
  Napi::Value operator()(const Map& value) const {
    auto object = Napi::Object::New(env);
    for (const Entry& entry : value.entries()) {
      object.Set(entry.key, toJavaScript(env, entry.value));
    }
    return object;
  }
  Napi::Value operator()(const Unsupported& value) const { return Napi::String::New(env, value.description); }
};

}  // namespace

Value fromJavaScript(const Napi::Value& packed) {
  if (!packed.IsTypedArray() || packed.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Napi::TypeError::New(packed.Env(), "expected a packed value");
  }
  const auto bytes = packed.As<Napi::Uint8Array>();
  try {
    return unpack({bytes.Data(), bytes.ByteLength()});
  } catch (const std::invalid_argument& error) {
    throw Napi::TypeError::New(packed.Env(), error.what());
  }
}

Napi::Value toJavaScript(Napi::Env env, const Value& value) { return value.visit(ToJavaScript{env}); }

}  // namespace vethwork
