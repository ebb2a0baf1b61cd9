#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>

#include "engine/watcher.h"

namespace vethwork {

/// @throws Napi::Error with the fields of a `ValidationError`
WatchSpec readWatchSpec(const Napi::Value& options);

/// The watches of one JavaScript environment, and the promises of their calls. Events that arrive while JavaScript is
/// busy are delivered in one callback.
class Watches {
 public:
  /// @throws std::system_error
  explicit Watches(Napi::Env env);
  ~Watches() { shutdown(); }
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  /// The promises resolve to `{ events, overflow, ended, errno?, text? }`, or undefined if the watch was closed. One
  /// call at a time for each watch.
  Napi::Promise open(Napi::Env env, Watcher::Id id, WatchSpec spec);
  Napi::Promise next(Napi::Env env, Watcher::Id id);
  void close(Napi::Env env, Watcher::Id id);

  /// No promise is settled afterwards.
  void shutdown();

 private:
  static void call(Napi::Env env, Napi::Function, Watches* watches, void*);
  using Wake = Napi::TypedThreadSafeFunction<Watches, void, &Watches::call>;

  Napi::Promise promise(Napi::Env env, Watcher::Id id);
  void settle(Napi::Env env, Watcher::Id id, Napi::Value value);
  void deliver(Napi::Env env);

  Wake wake_;
  std::unordered_map<Watcher::Id, Napi::Promise::Deferred> pending_;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace vethwork
