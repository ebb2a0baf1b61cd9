#include "binding/fault.h"

#include <cstdlib>

#include "netlink/faults.h"

namespace vethwork {
namespace {

/// fault(kind, countdown, errno): makes the step at the countdown fail; 0 removes the fault. Returns true if the fault
/// armed before has not occurred.
Napi::Value fault(const Napi::CallbackInfo& info) {
  const bool pending = Faults::instance().disarm();
  const auto kind = static_cast<Fault::Kind>(info[0].ToNumber().Uint32Value());
  Faults::instance().arm({.kind = kind, .error = info[2].ToNumber().Int32Value()}, info[1].ToNumber().Uint32Value());
  return Napi::Boolean::New(info.Env(), pending);
}

}  // namespace

void exportFault(Napi::Env env, Napi::Object exports) {
  if (std::getenv("VETHWORK_FAULTS") != nullptr) {
    exports.Set("fault", Napi::Function::New(env, fault));
  }
}

}  // namespace vethwork
