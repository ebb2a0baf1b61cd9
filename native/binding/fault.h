#pragma once

#include <napi.h>

namespace vethwork {

/// Exports `fault`, by which the project's tests make a step of the engine go wrong, if the environment asks for it.
void exportFault(Napi::Env env, Napi::Object exports);

}  // namespace vethwork
