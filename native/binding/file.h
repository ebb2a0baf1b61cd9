#pragma once

#include <napi.h>

namespace vethwork {

/// Adds `lockFile` and `shareFile` to the exports.
void exportFile(Napi::Env env, Napi::Object exports);

}  // namespace vethwork
