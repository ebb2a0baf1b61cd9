#include "binding/convert.h"

#include <array>
#include <cmath>
#include <optional>
#include <string>

namespace vethwork {
namespace {

/// No message nests this deep; an object that contains itself does.
constexpr int maximumDepth = 16;

/// JavaScript stands still while an argument is read and checked: a microsecond or so for each value. This is some
/// 170,000 elements of a map.
constexpr std::size_t maximumValues = 1 << 19;
constexpr std::size_t maximumBytes = 256 << 20;

/// Most texts are names and addresses: one call reads them, where asking for the length first takes two more.
constexpr std::size_t shortText = 128;
/// A character that does not fit is left out, so a text may end so many bytes before the end of the buffer.
constexpr std::size_t longestCharacter = 4;

/// The text if it is a short one.
std::optional<std::string> readShort(const Napi::Value& text) {
  std::array<char, shortText> buffer;
  std::size_t length = 0;
  const napi_status status = napi_get_value_string_utf8(text.Env(), text, buffer.data(), buffer.size(), &length);
  if (status != napi_ok || length >= buffer.size() - longestCharacter) {
    return std::nullopt;
  }
  return std::string(buffer.data(), length);
}

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

/// Reads one argument. What is shared within it is read as often as it is met, so its size is bounded as a whole.
class Reader {
 public:
  Value read(const Napi::Value& value, int depth = 0) {
    if (!take(1, 0)) {
      return tooMuch();
    }
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
        return readText(value.As<Napi::String>());
      case napi_object:
        return depth > maximumDepth ? Value(Unsupported{"an object nested too deeply"})
                                    : readObject(value.As<Napi::Object>(), depth);
      case napi_function:
        return Unsupported{"a function"};
      case napi_symbol:
        return Unsupported{"a symbol"};
      case napi_external:
        break;
    }
    return Unsupported{"an external value"};
  }

 private:
  /// Once more is asked for, nothing is left.
  bool take(std::size_t values, std::size_t bytes) {
    if (values > values_ || bytes > bytes_) {
      values_ = 0;
      return false;
    }
    values_ -= values;
    bytes_ -= bytes;
    return true;
  }
  [[nodiscard]] bool exhausted() const { return values_ == 0; }
  static Value tooMuch() {
    return Unsupported{"more than " + std::to_string(maximumValues) + " values or 256 MiB, too much for one call"};
  }

  Value readText(const Napi::String& text) {
    if (std::optional<std::string> whole = readShort(text)) {
      return take(0, whole->size()) ? Value(std::move(*whole)) : tooMuch();
    }
    std::size_t length = 0;
    const napi_status status = napi_get_value_string_utf16(text.Env(), text, nullptr, 0, &length);
    NAPI_THROW_IF_FAILED(text.Env(), status, Value());
    return take(0, length) ? Value(text.Utf8Value()) : tooMuch();
  }

  Value readObject(const Napi::Object& object, int depth) {
    if (object.IsTypedArray()) {
      return readBytes(object.As<Napi::TypedArray>());
    }
    if (object.IsArray()) {
      return readList(object.As<Napi::Array>(), depth);
    }
    if (object.IsArrayBuffer() || object.IsDataView() || object.IsDate() || object.IsPromise()) {
      return Unsupported{"an object that is not plain data"};
    }
    return readMap(object, depth);
  }

  Value readBytes(const Napi::TypedArray& array) {
    if (array.TypedArrayType() != napi_uint8_array) {
      return Unsupported{"a typed array other than Uint8Array"};
    }
    const auto bytes = array.As<Napi::Uint8Array>();
    return take(0, bytes.ByteLength()) ? Value(Bytes(bytes.Data(), bytes.Data() + bytes.ByteLength())) : tooMuch();
  }

  Value readList(const Napi::Array& array, int depth) {
    if (array.Length() > values_) {
      values_ = 0;
      return tooMuch();
    }
    List list;
    list.reserve(array.Length());
    // A getter may change the array meanwhile.
    for (std::uint32_t index = 0; index < array.Length(); ++index) {
      const Napi::HandleScope scope(array.Env());
      list.push_back(read(array.Get(index), depth + 1));
      if (exhausted()) {
        return tooMuch();
      }
    }
    return list;
  }

  Value readMap(const Napi::Object& object, int depth) {
    const Napi::Env env = object.Env();
    napi_value own = nullptr;
    const napi_status status = napi_get_all_property_names(
        env, object, napi_key_own_only, static_cast<napi_key_filter>(napi_key_enumerable | napi_key_skip_symbols),
        napi_key_numbers_to_strings, &own);
    NAPI_THROW_IF_FAILED(env, status, Value());
    const Napi::Array names(env, own);
    Map map;
    for (std::uint32_t index = 0; index < names.Length(); ++index) {
      const Napi::HandleScope scope(env);
      const Napi::Value name = names.Get(index);
      Value value = read(object.Get(name), depth + 1);
      if (exhausted()) {
        return tooMuch();
      }
      if (!value.isNull()) {
        std::optional<std::string> key = readShort(name);
        map.append(key ? std::move(*key) : name.As<Napi::String>().Utf8Value(), std::move(value));
      }
    }
    return map;
  }

  std::size_t values_ = maximumValues;
  std::size_t bytes_ = maximumBytes;
};

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

Value fromJavaScript(const Napi::Value& value) { return Reader().read(value); }

Napi::Value toJavaScript(Napi::Env env, const Value& value) { return value.visit(ToJavaScript{env}); }

}  // namespace vethwork
