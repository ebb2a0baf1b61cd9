#include <napi.h>

#include <chrono>
#include <memory>
#include <string>
#include <system_error>

#include "binding/fault.h"
#include "binding/file.h"
#include "binding/request.h"
#include "binding/settler.h"
#include "binding/watch.h"

namespace vethwork {
namespace {

/// Engine and watches of the environment, started on demand.
struct AddonData {
  std::unique_ptr<Settler> settler;
  std::unique_ptr<Watches> watches;
  bool ended = false;
};

template <typename Part>
Part& started(Napi::Env env, std::unique_ptr<Part> AddonData::*member) {
  auto* data = env.GetInstanceData<AddonData>();
  if (data->ended) {
    throw Napi::Error::New(env, "the process is ending");
  }
  auto& part = data->*member;
  if (!part) {
    try {
      part = std::make_unique<Part>(env);
    } catch (const std::system_error& error) {
      throw Napi::Error::New(env, std::string("cannot start the engine: ") + error.what());
    }
  }
  return *part;
}

Settler& settler(Napi::Env env) { return started(env, &AddonData::settler); }

Watches& watches(Napi::Env env) { return started(env, &AddonData::watches); }

// Operations, options and namespaces are passed as bytes that src/kernel/pack.ts has packed.

/// submit(id, operations, stopOnError, lane, captureUndo, isAwaited): Promise
Napi::Value submit(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Settler& own = settler(env);
  // A worker thread wakes up while the operations are checked.
  own.engine().prewake();
  auto transaction = std::make_shared<Transaction>();
  transaction->capturesUndo = info[4].ToBoolean();
  transaction->requests = readRequests(info[1], transaction->capturesUndo);
  transaction->stopOnError = info[2].ToBoolean();
  transaction->lane = info[3].ToString().Utf8Value();
  return own.submit(env, info[0].ToNumber().Uint32Value(), std::move(transaction), info[5].ToBoolean());
}

/// announce(): wakes a thread for a transaction that follows after a commit of the store.
void announce(const Napi::CallbackInfo& info) {
  constexpr std::chrono::microseconds commit{1000};
  settler(info.Env()).engine().prewake(commit);
}

/// check(operations): checks without sending anything.
void check(const Napi::CallbackInfo& info) { (void)readRequests(info[0], false); }

/// cancel(id)
void cancel(const Napi::CallbackInfo& info) { settler(info.Env()).cancel(info[0].ToNumber().Uint32Value()); }

/// retain(netns): keeps the namespace's sockets open.
void retain(const Napi::CallbackInfo& info) { settler(info.Env()).engine().retain(readNamespace(info[0])); }

/// release(netns)
void release(const Napi::CallbackInfo& info) { settler(info.Env()).engine().release(readNamespace(info[0])); }

/// end(): stops the engine when the process exits, which skips the clean-up hooks of the environment. Joins all threads
/// and ends programs that are waited for.
void end(const Napi::CallbackInfo& info) {
  auto* data = info.Env().GetInstanceData<AddonData>();
  data->ended = true;
  if (data->settler) {
    data->settler->shutdown();
  }
  if (data->watches) {
    data->watches->shutdown();
  }
}

/// watchOpen(id, options): Promise
Napi::Value watchOpen(const Napi::CallbackInfo& info) {
  WatchSpec spec = readWatchSpec(info[1]);
  return watches(info.Env()).open(info.Env(), info[0].ToNumber().Uint32Value(), std::move(spec));
}

/// watchNext(id): Promise
Napi::Value watchNext(const Napi::CallbackInfo& info) {
  return watches(info.Env()).next(info.Env(), info[0].ToNumber().Uint32Value());
}

/// watchClose(id)
void watchClose(const Napi::CallbackInfo& info) {
  watches(info.Env()).close(info.Env(), info[0].ToNumber().Uint32Value());
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto data = std::make_unique<AddonData>();
  env.AddCleanupHook(
      [](AddonData* addon) {
        addon->settler.reset();
        addon->watches.reset();
      },
      data.get());
  env.SetInstanceData(data.release());
  exports.Set("submit", Napi::Function::New(env, submit));
  exports.Set("announce", Napi::Function::New(env, announce));
  exports.Set("check", Napi::Function::New(env, check));
  exports.Set("cancel", Napi::Function::New(env, cancel));
  exports.Set("retain", Napi::Function::New(env, retain));
  exports.Set("release", Napi::Function::New(env, release));
  exports.Set("end", Napi::Function::New(env, end));
  exports.Set("watchOpen", Napi::Function::New(env, watchOpen));
  exports.Set("watchNext", Napi::Function::New(env, watchNext));
  exports.Set("watchClose", Napi::Function::New(env, watchClose));
  exportFault(env, exports);
  exportFile(env, exports);
  return exports;
}

}  // namespace
}  // namespace vethwork

// The macro requires a function in the global namespace.
static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return vethwork::initialise(env, exports); }

NODE_API_MODULE(vethwork, initialise)
