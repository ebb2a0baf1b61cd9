#include <napi.h>

#include <memory>
#include <string>
#include <system_error>

#include "binding/request.h"
#include "binding/settler.h"

namespace vethwork {
namespace {

/// The environment's engine, started when it is first needed.
struct AddonData {
  std::unique_ptr<Settler> settler;
};

Settler& settler(Napi::Env env) {
  auto* data = env.GetInstanceData<AddonData>();
  if (!data->settler) {
    try {
      data->settler = std::make_unique<Settler>(env);
    } catch (const std::system_error& error) {
      throw Napi::Error::New(env, std::string("cannot start the engine: ") + error.what());
    }
  }
  return *data->settler;
}

/// submit(id, operations, stopOnError, lane): Promise
Napi::Value submit(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto transaction = std::make_shared<Transaction>();
  transaction->requests = readRequests(info[1]);
  transaction->stopOnError = info[2].ToBoolean();
  transaction->lane = info[3].ToString().Utf8Value();
  return settler(env).submit(env, info[0].ToNumber().Uint32Value(), std::move(transaction));
}

/// cancel(id)
void cancel(const Napi::CallbackInfo& info) { settler(info.Env()).cancel(info[0].ToNumber().Uint32Value()); }

/// retain(netns): keeps the namespace's sockets open.
void retain(const Napi::CallbackInfo& info) { settler(info.Env()).engine().retain(readNamespace(info[0])); }

/// release(netns)
void release(const Napi::CallbackInfo& info) { settler(info.Env()).engine().release(readNamespace(info[0])); }

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto data = std::make_unique<AddonData>();
  env.AddCleanupHook([](AddonData* addon) { addon->settler.reset(); }, data.get());
  env.SetInstanceData(data.release());
  exports.Set("submit", Napi::Function::New(env, submit));
  exports.Set("cancel", Napi::Function::New(env, cancel));
  exports.Set("retain", Napi::Function::New(env, retain));
  exports.Set("release", Napi::Function::New(env, release));
  return exports;
}

}  // namespace
}  // namespace vethwork

// The macro wants a function of the global namespace.
static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return vethwork::initialise(env, exports); }

NODE_API_MODULE(vethwork, initialise)
