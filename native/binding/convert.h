#pragma once

#include <napi.h>

#include "value/value.h"

namespace vethwork {

/// Plain data out of JavaScript: own enumerable properties, arrays, bytes. What no message can hold, and what is larger
/// than any transaction, becomes `Unsupported`. Getters may throw: the error passes through.
Value fromJavaScript(const Napi::Value& value);

Napi::Value toJavaScript(Napi::Env env, const Value& value);

}  // namespace vethwork
