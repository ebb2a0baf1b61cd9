#include "binding/convert.h"

#include <stdexcept>

#include "value/pack.h"
#include "value/unpack.h"

namespace vethwork {

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

Napi::Value toJavaScript(Napi::Env env, const Bytes& packed) {
  return Napi::Buffer<std::uint8_t>::Copy(env, packed.data(), packed.size());
}

Napi::Value toJavaScript(Napi::Env env, const Value& value) { return toJavaScript(env, pack(value)); }

}  // namespace vethwork
