#include "binding/convert.h"

#include <cmath>
#include <string>

namespace vethwork {
namespace {

/// No message nests this deep; an object that contains itself does.
constexpr int maximumDepth = 16;

Value fromNumber(double number) {
  constexpr double maximumSafe = 9007199254740991;
  if (std::trunc(number) == number && std::abs(number) <= maximumSafe) {
    return static_cast<std::int64_t>(number);
  }
  return number;
}

Value fromBigInt(const Napi::BigInt& number) {
  bool lossless = false;
  if (const std::int64_t small = number.Int64Value(&lossless); lossless) {
    return small;
  }
  if (const std::uint64_t large = number.Uint64Value(&lossless); lossless) {
    return large;
  }
  return Unsupported{"a BigInt beyond 64 bits"};
}

Value fromObject(const Napi::Object& object, int depth);

Value from(const Napi::Value& value, int depth) {
  switch (value.Type()) {
    case napi_undefined:
    case napi_null:
      return {};
    case napi_boolean:
      return value.As<Napi::Boolean>().Value();
    case napi_number:
      return fromNumber(value.As<Napi::Number>().DoubleValue());
    case napi_bigint:
      return fromBigInt(value.As<Napi::BigInt>());
    case napi_string:
      return value.As<Napi::String>().Utf8Value();
    case napi_object:
      return depth > maximumDepth ? Value(Unsupported{"an object nested too deeply"})
                                  : fromObject(value.As<Napi::Object>(), depth);
    case napi_function:
      return Unsupported{"a function"};
    case napi_symbol:
      return Unsupported{"a symbol"};
    case napi_external:
      break;
  }
  return Unsupported{"an external value"};
}

Value fromObject(const Napi::Object& object, int depth) {
  if (object.IsTypedArray()) {
    const auto array = object.As<Napi::TypedArray>();
    if (array.TypedArrayType() != napi_uint8_array) {
      return Unsupported{"a typed array other than Uint8Array"};
    }
    const auto bytes = array.As<Napi::Uint8Array>();
    return Bytes(bytes.Data(), bytes.Data() + bytes.ByteLength());
  }
  if (object.IsArray()) {
    const auto array = object.As<Napi::Array>();
    List list;
    list.reserve(array.Length());
    for (std::uint32_t index = 0; index < array.Length(); ++index) {
      const Napi::HandleScope scope(object.Env());
      list.push_back(from(array.Get(index), depth + 1));
    }
    return list;
  }
  if (object.IsArrayBuffer() || object.IsDataView() || object.IsDate() || object.IsPromise()) {
    return Unsupported{"an object that is not plain data"};
  }
  Map map;
  const Napi::Array names = object.GetPropertyNames();
  for (std::uint32_t index = 0; index < names.Length(); ++index) {
    const Napi::HandleScope scope(object.Env());
    const Napi::Value name = names.Get(index);
    if (Value value = from(object.Get(name), depth + 1); !value.isNull()) {
      map.set(name.ToString().Utf8Value(), std::move(value));
    }
  }
  return map;
}

struct ToJavaScript {
  Napi::Env env;

  Napi::Value operator()(std::monostate) const { return env.Undefined(); }
  Napi::Value operator()(bool value) const { return Napi::Boolean::New(env, value); }
  Napi::Value operator()(std::int64_t value) const { return Napi::Number::New(env, static_cast<double>(value)); }
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

Value fromJavaScript(const Napi::Value& value) { return from(value, 0); }

Napi::Value toJavaScript(Napi::Env env, const Value& value) { return value.visit(ToJavaScript{env}); }

}  // namespace vethwork
