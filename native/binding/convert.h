#pragma once

#include <napi.h>

#include "value/value.h"

namespace vethwork {

/// Plain data out of JavaScript, as src/kernel/pack.ts has written it into a Uint8Array. What no message can hold, and
/// what is larger than any transaction, is `Unsupported`.
/// @throws Napi::Error if it is something else
Value fromJavaScript(const Napi::Value& packed);

/// A packed value, for src/kernel/unpack.ts.
Napi::Value toJavaScript(Napi::Env env, const Bytes& packed);
/// Packs the value.
Napi::Value toJavaScript(Napi::Env env, const Value& value);

}  // namespace vethwork
