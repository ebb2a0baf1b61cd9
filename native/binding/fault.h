#pragma once

#include <napi.h>

namespace vethwork {

/// Exports `fault`, with which tests inject faults into the engine, if the environment variable VETHWORK_FAULTS is set.
void exportFault(Napi::Env env, Napi::Object exports);

}  // namespace vethwork
