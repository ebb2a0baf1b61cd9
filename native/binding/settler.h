#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"

namespace vethwork {

/// One JavaScript environment's engine, and the promises of what it is doing. Whatever finishes while JavaScript is
/// busy is settled in one call back into it.
class Settler {
 public:
  explicit Settler(Napi::Env env);
  ~Settler() { shutdown(); }
  Settler(const Settler&) = delete;
  Settler& operator=(const Settler&) = delete;

  /// The promise is for what `packResults` makes of the transaction, or undefined if that is empty.
  Napi::Promise submit(Napi::Env env, std::uint32_t id, TransactionPointer transaction);
  /// Keeps from being sent what is not sent yet.
  void cancel(std::uint32_t id);
  Engine& engine() { return *engine_; }

  /// Waits for what is under way. Nothing is settled afterwards.
  void shutdown();

 private:
  struct Pending {
    std::uint32_t id;
    Napi::Promise::Deferred promise;
  };

  static void call(Napi::Env env, Napi::Function, Settler* settler, void*);
  using Wake = Napi::TypedThreadSafeFunction<Settler, void, &Settler::call>;

  void finished(TransactionPointer transaction);
  void settleAll(Napi::Env env);

  Wake wake_;
  // Of the JavaScript thread.
  std::unordered_map<const Transaction*, Pending> pending_;
  std::unordered_map<std::uint32_t, TransactionPointer> cancellable_;
  // Of all threads.
  std::mutex mutex_;
  std::vector<TransactionPointer> finished_;

  std::unique_ptr<Engine> engine_;
};

}  // namespace vethwork
