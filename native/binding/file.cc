#include "binding/file.h"

#include "file/file.h"

namespace vethwork {
namespace {

/// lockFile(fd, shared): errno
Napi::Value lock(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), lockFile(info[0].ToNumber().Int32Value(), info[1].ToBoolean().Value()));
}

/// unlockFile(fd): errno
Napi::Value unlock(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), unlockFile(info[0].ToNumber().Int32Value()));
}

/// shareFile(path, owner, uid, user): errno
Napi::Value share(const Napi::CallbackInfo& info) {
  const auto number = [&info](std::size_t index) { return info[index].ToNumber().Uint32Value(); };
  return Napi::Number::New(info.Env(), shareFile(info[0].ToString().Utf8Value(), number(1), number(2), number(3)));
}

}  // namespace

void exportFile(Napi::Env env, Napi::Object exports) {
  exports.Set("lockFile", Napi::Function::New(env, lock));
  exports.Set("unlockFile", Napi::Function::New(env, unlock));
  exports.Set("shareFile", Napi::Function::New(env, share));
}

}  // namespace vethwork
