#pragma once

#include <napi.h>

#include "value/value.h"

namespace vethwork {

/// Reads a value that src/kernel/pack.ts has packed into a Uint8Array. Values that no message can represent, and values
/// that are too large, are `Unsupported`.
/// @throws Napi::Error for any other argument
Value fromJavaScript(const Napi::Value& packed);

/// Returns a packed value for src/kernel/unpack.ts.
Napi::Value toJavaScript(Napi::Env env, const Bytes& packed);
/// Packs the value.
Napi::Value toJavaScript(Napi::Env env, const Value& value);

}  // namespace vethwork
